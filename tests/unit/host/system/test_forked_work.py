"""Work in a process of its own: its parts come back, and whatever it does instead ends that process alone."""

import gc
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import LONGEST
from properties import examples
from proscribe.host.controls.apps import running_programs
from proscribe.host.controls.apps.portable import appimage, desktop_entries, user_dirs
from proscribe.host.controls.apps.portable.app_names import AppNames
from proscribe.host.controls.apps.systems import flatpak, npm, pip_removal, site_packages, snap
from proscribe.host.controls.browser import packaged_browsers
from proscribe.host.system import (
    ControlError,
    ObservationError,
    User,
    escape_text,
    forked_work,
    format_one_line,
    mounts,
)
from proscribe.host.system.forked_work import WorkLimits, run_apart, run_each_apart
from refusals import make_refusal
from unchanged_audit import printed

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: becomes somebody else")


def spend_processor(item: str) -> None:
    while True:
        pass


def test_work_that_never_waits_is_ended():
    expected = [("x", [], "over budget: not done within 0.3 s")]
    assert list(run_each_apart(["x"], spend_processor, WorkLimits(seconds=0.3))) == expected


@pytest.mark.parametrize(
    ("room", "parts", "why"), [(13, ["x"], ""), (12, [], "over budget: an answer of more than 0 MB")]
)
def test_answer_may_have_as_many_bytes_as_there_is_room_for(room, parts, why):
    assert list(run_each_apart([1], lambda item: ["x"], WorkLimits(answer=room))) == [(1, parts, why)]


@pytest.mark.parametrize(("method", "seconds"), [("end_child", 1), ("_explain_end", 5)])
def test_child_that_no_signal_ends_is_left_to_the_kernel_after_a_while(monkeypatch, method, seconds):
    """The work of all other users waits meanwhile."""
    now, child, killed = [100.0], object.__new__(forked_work._ForkedChild), []
    child.pid, child.exit_status, child.limits = 7, None, WorkLimits()
    child.read_descriptor, writing = os.pipe()

    def sleep(length):
        assert length <= 0.05
        now[0] += length

    monkeypatch.setattr(os, "waitpid", lambda pid, how: (0, 0))
    monkeypatch.setattr(os, "kill", lambda *call: killed.append(call))
    monkeypatch.setattr(forked_work, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    outcome = getattr(child, method)()
    assert seconds <= now[0] - 100 < seconds + 0.1 and child.exit_status is None
    if method == "end_child":
        assert killed == [(7, signal.SIGKILL)]
    else:
        assert outcome == "the observation ended without an answer"
        os.close(child.read_descriptor)
    os.close(writing)


def test_question_is_answered_or_raises_as_the_work_does():
    assert run_apart(lambda: {"a": [1, None]}) == {"a": [1, None]}
    for error in (ObservationError("closed"), ControlError("a link")):
        with pytest.raises(type(error), match=str(error)):
            run_apart(make_refusal(error))


def test_failed_fork_is_unseen(monkeypatch):
    monkeypatch.setattr(os, "fork", make_refusal(BlockingIOError(11, "Resource temporarily unavailable")))
    why = "cannot be observed in a process of its own: Resource temporarily unavailable"
    assert list(run_each_apart([1, 2], lambda _: [1])) == [(1, [], why), (2, [], why)]
    with pytest.raises(ObservationError, match=why):
        run_apart(lambda: 1)


@ROOT
def test_work_without_parts_imports_no_json():
    """Neither here nor in the child, unless that becomes a user, who may not be able to read Python's own modules."""
    code = (
        "from proscribe.host.system.forked_work import run_each_apart, run_apart\n"
        "from proscribe.host.system.types import User\n"
        "for name in [n for n in sys.modules if n.partition('.')[0] in ('json', 're')]: del sys.modules[name]\n"
        "print([*run_each_apart([1, 2], lambda item: [])], 'json' in sys.modules, 're' in sys.modules)\n"
        "loaded = lambda: [name in sys.modules for name in ('json', 're')]\n"
        "print(run_apart(loaded), run_apart(loaded, user=User('daemon', 1, 1, '/usr/sbin')))\n"
    )
    assert printed(code) == ["[(1, [], ''), (2, [], '')] False False", "[False, False] [True, True]"]


def test_child_without_a_listener_ends(tmp_path):
    def work(item):
        (tmp_path / str(item)).touch()
        yield "x" * 1_000_000

    reading, writing = os.pipe()
    if not (pid := os.fork()):
        try:
            os.close(reading)
            forked_work._run_child([1, 2, 3], work, WorkLimits(), None, writing)
        finally:
            os._exit(1)
    os.close(writing)
    os.close(reading)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0 and os.listdir(tmp_path) == ["1"]


@pytest.mark.parametrize(
    ("number", "why"),
    [(24, "over budget: more than 2 s of processor time"), (15, "the observation was ended by signal 15")],
)
def test_child_that_a_signal_ended_is_reported_with_it(number, why):
    """The kernel sends one of them for the processor's time: then the user's files are odd, and not the code."""
    found = list(run_each_apart([1], lambda item: os.kill(os.getpid(), number) or [], WorkLimits(seconds=2.0)))
    assert found == [(1, [], why)]


SITES = {"web_hosts": ["qq.com", "qq.com/x"], "web_allow": []}
ENTRY = {"packages": {}, "processes": ["qq"], "paths": ["~/QQ/qq"], **SITES}
PIECES = (
    *('"', "\\", '\\"', "a", ".", "1.", ".1", "-", " ", "/", "=", "\n", "[", "]", "\0", "_", "@", "?", "#", "é"),
    *("env ", "x=1 ", "%u ", "https://a.", "http://", "linux", "-linux", "x86_64-", "v1", "qq", "crx_", "python3."),
    *("name=a\n", "prefix=~/a\n", "Name: a\n", "--app-id=", "filesystems=host;", "\udcff", "appdata-version\0"),
    "/lib/python3/",
)
READERS: dict[str, Callable[[str], Any]] = {
    "stem of a file's name": appimage.make_name_stem,
    "version of a file's name": appimage.parse_name_version,
    "names of a directory": lambda text: AppNames({"qq": ENTRY}, ["/home/a"]).choose_names("/home/a", text.split("\n")),
    "desktop entry": lambda text: desktop_entries.parse_launcher(f"[Desktop Entry]\nExec={text}\nURL={text}"),
    "names of a desktop entry": lambda text: desktop_entries.parse_launcher(f"[Desktop Entry]\nName=é{text}").titles,
    "user-dirs.dirs": lambda text: user_dirs.parse_user_directories(
        f'XDG_DESKTOP_DIR="$HOME/{text}"\n{text}', "/home/a"
    ),
    "unit": lambda text: desktop_entries.parse_launcher(f"[Service]\nExecStart={text}", ("ExecStart",), "Service"),
    "arguments": desktop_entries.parse_arguments,
    "program of a line": lambda text: desktop_entries.parse_started_program(desktop_entries.parse_arguments(text)),
    "web address": lambda text: desktop_entries.WebHosts({"qq": ENTRY}).find_address_services(f"https://{text}"),
    "path of a program": lambda text: running_programs.find_services_above(f"/{text}", {"/home/a"}, {"~/QQ": ["qq"]}),
    ".npmrc": lambda text: npm.parse_prefix(f"prefix={text}".splitlines(), "/home/a"),
    "metadata of a distribution": site_packages.parse_metadata,
    "name of a distribution": site_packages.normalise_name,
    "version of a distribution": site_packages.accept_claimed_version,
    ".flatpak-info": flatpak.parse_app_id,
    "deployment of a flatpak": lambda text: flatpak.APP_VERSION_PATTERN.search(text.encode("utf-8", "replace")),
    "overrides of a flatpak": lambda text: packaged_browsers.apply_overrides({}, f"[Context]\n{text}"),
    "path of a snap": lambda text: snap.MOUNT_PATTERN.match(f"/snap/{text}"),
    "control group": lambda text: snap.CONTROL_GROUP_PATTERN.search(f"/snap.{text}"),
    "file of a snap": snap.parse_snap_file,
    "path of a distribution": lambda text: pip_removal.find_interpreter(f"/usr/lib/python3/{text}"),
    "type of a file system": mounts.is_remote_type,
    "escaped name": escape_text,
    "escaped line": format_one_line,
}
SHORT = ("stem of a file's name", "names of a directory")  # names are 255 bytes long at most


@pytest.mark.slow
@examples(60)
@given(st.sampled_from(sorted(READERS)), st.lists(st.sampled_from(PIECES), min_size=1, max_size=6), st.text(max_size=3))
def test_no_text_keeps_a_reader_busy(reader, pieces, end):
    length, unit = 4_000 if reader in SHORT else 16_000, "".join(pieces)
    text = unit * (length // len(unit)) + end
    run_apart(lambda: bool(READERS[reader](text)), WorkLimits(seconds=180))  # the slowest takes 4 on a quiet machine


def spend_memory(item: str) -> Iterator[int]:
    yield len([bytearray(1_048_576) for _ in range(1000)])


def hang(item: str) -> Iterator[str]:
    yield "first"
    time.sleep(LONGEST)


def answer_too_much(item: str) -> Iterator[str]:
    for _ in range(100):
        yield "x" * 100_000


def fail(error: BaseException) -> Callable[[str], Iterator[str]]:
    def work(item: str) -> Iterator[str]:
        yield "first"
        raise error

    return work


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trouble", "parts", "why"),
    [
        (spend_memory, [], "over budget: more than 64 MB of memory"),
        (hang, ["first"], "over budget: not done within 10 s"),
        (answer_too_much, ["x" * 100_000] * 10, "over budget: an answer of more than 1 MB"),
        (lambda item: [{1, 2}], [], "cannot be observed: TypeError: Object of type set is not JSON serializable"),
        (lambda item: os.kill(os.getpid(), 9), [], "the observation was ended by signal 9"),
        (lambda item: os._exit(3), [], "the observation ended without an answer"),
        (fail(ObservationError("a home is closed")), ["first"], "a home is closed"),
        (fail(ControlError("a link")), ["first"], "a link"),
        (fail(KeyError("mallory")), ["first"], "cannot be observed: KeyError: 'mallory'"),
    ],
)
def test_trouble_of_an_item_ends_its_own_work_and_none_of_the_others(trouble, parts, why):
    limits = WorkLimits(10 if trouble is hang else LONGEST, 64 * 2**20, 2**20)
    found = list(
        run_each_apart(["alice", "mallory", "bob"], lambda i: trouble(i) if i == "mallory" else [i.upper()], limits)
    )
    assert found == [("alice", ["ALICE"], ""), ("mallory", parts, why), ("bob", ["BOB"], "")]


@pytest.mark.parametrize("content", [b" ", b"{", b"[1", b"\xff\xfe"])
def test_answer_that_is_no_json_ends_its_own_item_alone(monkeypatch, content):
    """A child that becomes a user may be traced by this user, and made to say anything."""
    real = forked_work._send_outcome

    def send(descriptor, message):
        if message.get("part") == "mallory":
            os.write(descriptor, len(content).to_bytes(8, "big") + content)
        else:
            real(descriptor, message)

    monkeypatch.setattr(forked_work, "_send_outcome", send)
    found = [
        (item, parts, bool(why))
        for item, parts, why in run_each_apart(["alice", "mallory", "bob"], lambda item: [item])
    ]
    assert found == [("alice", ["alice"], False), ("mallory", [], True), ("bob", ["bob"], False)]


def test_child_has_no_file_of_this_process_but_its_own_end_of_the_pipe(capfd):
    """It would take the plan from the run's input, and with both ends never learn that nobody listens any more."""
    saved, (reading, writing) = os.dup(0), os.pipe()
    os.dup2(reading, 0)

    def pipes():
        places = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd") if int(number) > 2]
        return [end for place in places if os.path.lexists(place) and (end := os.readlink(place)).startswith("pipe:")]

    def work():
        os.write(1, b"x")
        os.write(2, b"y")
        return [[os.readlink(f"/proc/self/fd/{number}") for number in range(3)], pipes()]

    before = pipes()
    try:
        ends, own = run_apart(work)
    finally:
        os.dup2(saved, 0)
        for descriptor in (saved, reading, writing):
            os.close(descriptor)
    assert ends == ["/dev/null"] * 3 and len([end for end in own if end not in before]) == 1
    assert capfd.readouterr() == ("", "")


def test_no_child_stays():
    def children():
        return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()

    before = children()
    list(run_each_apart(["mallory"], hang, WorkLimits(seconds=0.2)))
    for item, _, _ in run_each_apart(["alice", "mallory", "bob"], lambda item: [item]):
        if item == "alice":
            break  # the caller wants no more
    with pytest.raises(ObservationError, match=r"not done within 0\.2 s"):
        run_apart(lambda: time.sleep(60), WorkLimits(seconds=0.2))
    assert children() == before


def test_child_goes_from_item_to_item_until_it_has_grown():
    def work(item):
        if item == 3:
            work.held = bytearray(100 * 1_048_576)  # which nobody gives back
        yield os.getpid()

    gc.collect()  # garbage of other tests would make room in the child meanwhile
    pids = [parts[0] for _, parts, _ in run_each_apart(range(6), work, WorkLimits())]
    assert len(set(pids[:4])) == len(set(pids[4:])) == 1 and pids[3] != pids[4] and os.getpid() not in pids


def test_limits_are_those_of_each_item_and_none_of_this_process():
    """Memory above the present size, and the begun second of the processor's time; never above a hard limit."""
    which = (resource.RLIMIT_AS, resource.RLIMIT_CPU)
    before = [resource.getrlimit(limit) for limit in which]

    def work():
        return [resource.getrlimit(which[0])[0] - forked_work._read_memory_size(), resource.getrlimit(which[1])[0]]

    def work_below(hard):
        resource.setrlimit(which[1], (1, hard))
        forked_work._limit_resources(WorkLimits(seconds=2.0))
        return resource.getrlimit(which[1])

    room, seconds = run_apart(work, WorkLimits(seconds=2.0, memory=64 * 2**20))
    assert 60 * 2**20 < room <= 64 * 2**20 and seconds == 3
    assert [run_apart(lambda hard=hard: work_below(hard)) for hard in (2, 1000)] == [[2, 2], [3, 1000]]
    assert run_apart(lambda: resource.getrlimit(which[0])[0], WorkLimits(memory=0)) == before[0][0]
    assert [resource.getrlimit(limit) for limit in which] == before
    assert forked_work.WorkLimits() == (20.0, 128 * 2**20, 32 * 2**20) and forked_work.MAX_GROWTH_BYTES == 32 * 2**20


@ROOT
def test_work_as_a_user_has_the_numbers_of_this_user_alone():
    daemon = User("daemon", 1, 1, "/usr/sbin")
    numbers = run_apart(lambda: [os.getresuid(), os.getresgid(), 0 in os.getgroups()], user=daemon)
    assert numbers == [[1, 1, 1], [1, 1, 1], False]


def test_answer_in_pieces_is_whole(monkeypatch):
    """A pipe holds 64 KiB, so a large answer always comes in pieces."""
    assert run_apart(lambda: "x" * 1_000_000) == "x" * 1_000_000
    real = os.read
    monkeypatch.setattr(os, "read", lambda descriptor, size: real(descriptor, min(size, 3)))
    assert list(run_each_apart(["alice"], lambda item: [item, "b" * 100])) == [("alice", ["alice", "b" * 100], "")]
