"""Started programs: the filter of paths, the report and the verifier of the daemon, and the users of processes."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import made_apps
import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import BUSY, until
from proscribe.host.controls.apps.portable import appimage
from proscribe.host.watch.starts import program_cache
from proscribe.host.watch.starts.content_check import may_be_restricted
from proscribe.host.watch.starts.daemon_report import (
    format_report,
    parse_number_field,
    parse_report,
)
from proscribe.host.watch.starts.prefilter import Prefilter, read_link, strip_deleted_mark
from proscribe.host.watch.starts.process_users import find_accountable_uid, find_real_uid, is_own_observation
from proscribe.host.watch.starts.program_cache import ProgramCache
from proscribe.host.watch.starts.verifier_process import VerifierProcess
from refusals import make_refusal
from watch_host import ROOT

LONG = "x" * 64  # as long as a stem may be
PARTS = {"parts": ["Viber", "viber", "signal-desktop", "bwrap"], "exact": ["/usr/bin/tor"], "sandboxes": True}
MADE = Prefilter({**PARTS, "stems": ["telegram", "signaldesktop", LONG], "store": ["signal-desktop"]})
STORE = f"/store/{'a' * 32}-"
RESTRICTED = (
    "/opt/viber/lib/helper /home/alice/viber/Viber /usr/bin/signal-desktop /usr/bin/tor /snap/signal-desktop/612/opt/x "
    "/usr/bin/bwrap /app/bin/anything /home/alice/Downloads/Telegram-4.8-x86_64.AppImage /usr/local/bin/telegram-bin "
    "/tmp/TELEGRAM"
)
OTHERS = (
    "/ /usr/bin/true /home/alice/bin/tele /home/alice/signal/x /opt/app/bin/anything /apple/x /nix/store/ "
    "/bin/telegram /sbin/telegram /lib64/telegram /usr/lib/電報"  # no portable app lies there
)
AS_FRIDA = ("setpriv", "--reuid", "2001", "--regid", "2001", "--clear-groups")
OWN_NAMESPACE = ("unshare", "--user", "--map-root-user")
MAPPED = ("unshare", "--user", "--map-users", "0:100000:1000", "--setuid", "5")


@pytest.mark.parametrize(
    "path",
    [
        *(*RESTRICTED.split(), f"/tmp/{LONG}-and-more"),
        "/home/alice/電報",  # what a letter of another script may stand for is not decided here
        *(f"/nix{STORE}signal-desktop-7.1/bin/.x-wrapped", f"/gnu{STORE}signal-desktop-7.1/bin/x"),
    ],
)
def test_path_that_may_be_restricted_is_verified(path):
    assert MADE.may_be_restricted(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        *OTHERS.split(),
        f"/nix{STORE}coreutils-9/bin/true",
        f"/gnu{STORE}coreutils-9/bin/telegram",
        f"/tmp/{LONG[:-1]}",
    ],
)
def test_other_paths_are_not_verified(path):
    assert not MADE.may_be_restricted(path)


@pytest.mark.parametrize("path", ["/opt/viber/Viber", "/app/bin/x", "/home/alice/電報"])
def test_empty_prefilter_verifies_no_path(path):
    assert not Prefilter({}).may_be_restricted(path)


def test_store_without_restricted_apps_is_a_place_as_any_other():
    assert Prefilter({"stems": ["telegram"]}).may_be_restricted("/nix/store/x/telegram")


def test_mark_of_a_deleted_file_is_removed():
    assert strip_deleted_mark("/opt/viber/Viber (deleted)") == "/opt/viber/Viber"
    assert strip_deleted_mark("/opt/viber/Viber") == "/opt/viber/Viber"


def test_link_is_read_or_empty(tmp_path):
    (tmp_path / "exe").symlink_to("/opt/viber/Viber (deleted)")
    assert [read_link(str(tmp_path / name)) for name in ("exe", "gone")] == ["/opt/viber/Viber (deleted)", ""]


@given(st.text(alphabet="telgramTELGRAM-_. 0123456789x86linuxAppImage/(電", max_size=60))
def test_portable_app_of_a_restricted_name_is_never_missed(name):
    """The stem that the file scan finds an AppImage by is how its name begins."""
    assert MADE.may_be_restricted(f"/home/alice/{name}") or appimage.make_name_stem(name) != "telegram"


def test_remembered_programs_are_limited(monkeypatch):
    monkeypatch.setattr(program_cache, "MAX_INNOCENT", 2)
    monkeypatch.setattr(program_cache, "MAX_PATHS", 2)
    remembered, prefilter = ProgramCache(), Prefilter({"parts": ["owl"]})
    for key, keys in ((1, {1}), (2, {1, 2}), (3, {3})):
        remembered.note_innocent([(key,)], 0.0)
        assert remembered.innocent_until.keys() == {(key,) for key in keys}
        assert remembered.judge_path(f"/opt/{key}/owl", prefilter)
        assert remembered.relevance_by_path == {f"/opt/{key}/owl": True for key in keys}


CONTENTS = {
    "marked": (made_apps.go("x.org/owl/cmd"), True),
    "of another package": (made_apps.go("x.org/elf"), False),
    "no program": (b"#!/bin/sh\n", False),
    "at a fixed address": (made_apps.elf(), False),
    "a loader": (made_apps.elf()[:16] + b"\x03" + made_apps.elf()[17:], True),
}


@pytest.mark.parametrize(("content", "restricted"), CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize("most", [1 << 20, 7])
def test_file_may_be_restricted_by_its_mark_or_as_a_loader(tmp_path, monkeypatch, content, restricted, most):
    def preadv(descriptor, buffers, offset, flags):
        requested.append(flags)
        return real(descriptor, [buffers[0][:most]], offset)  # not every file system of a test knows the flag

    (tmp_path / "program").write_bytes(content)
    real, requested, prefilter = os.preadv, [], Prefilter({"modules": ["x.org/owl"]})
    monkeypatch.setattr(os, "preadv", preadv)
    descriptor = os.open(tmp_path / "program", os.O_RDONLY)
    try:
        assert may_be_restricted(descriptor, prefilter) is restricted
        monkeypatch.setattr(os, "preadv", make_refusal(BlockingIOError))
        assert may_be_restricted(descriptor, prefilter), "where nobody can tell without waiting"
    finally:
        os.close(descriptor)
    assert set(requested) == {os.RWF_NOWAIT}, "a user's file system may never answer"


def test_file_without_a_mark_is_read_once_and_remembered_up_to_a_number(monkeypatch):
    read, remembered, prefilter = [], ProgramCache(), Prefilter({"modules": ["x"]})
    monkeypatch.setattr(program_cache, "MAX_UNMARKED", 2)
    monkeypatch.setattr(program_cache, "may_be_restricted", lambda *words: read.append(words) or words[0] == 9)
    for inode, unmarked in ((1, {1}), (1, {1}), (9, {1}), (9, {1}), (2, {1, 2}), (3, {3})):
        assert remembered.is_unmarked((inode,), inode, prefilter) is (inode != 9)
        assert remembered.unmarked_files == {(inode,) for inode in unmarked}
    assert read == [(inode, prefilter) for inode in (1, 9, 9, 2, 3)]


def test_answer_of_the_prefilter_is_remembered():
    remembered, prefilter = ProgramCache(), Prefilter({"parts": ["owl"]})
    assert [remembered.judge_path(path, prefilter) for path in ("/opt/owl/x", "/opt/elf/x")] == [True, False]
    expected = [True, False, False]
    assert [remembered.judge_path(path, None) for path in ("/opt/owl/x", "/opt/elf/x", "/srv/owl")] == expected


@pytest.mark.parametrize(
    ("shown", "at_its_start", "in_a_scan"),
    [
        *((f"{path} (deleted)", 0.0, 600.0) for path in ("/memfd:x", "/home/u/x")),
        ("/usr/lib/ld-linux-x86-64.so.2", 0.0, 600.0),
        ("/opt/owl/x", 5.0, 5.0),
        ("/usr/bin/owl (deleted)", 5.0, 5.0),  # an updated package
    ],
)
def test_start_with_an_ambiguous_path_is_innocent_only_in_a_scan(shown, at_its_start, in_a_scan):
    remembered, prefilter = ProgramCache(), Prefilter({"parts": ["owl"]})
    matters = remembered.judge_path(shown, prefilter)
    for running, seconds in ((False, at_its_start), (True, in_a_scan)):
        key = (*program_cache.make_program_key(shown, 7, matters, running), 1000)
        remembered.note_innocent([key], 10.0)
        assert [remembered.is_innocent(key, 10.0 + at) for at in (seconds - 0.1, seconds)] == [seconds > 0, False]


@pytest.mark.parametrize(("key", "end"), [((8, 1, 5, 1000), 40.0), (("/opt/x", 1000), 15.0)])
def test_verified_start_is_innocent_for_a_while_and_longer_by_its_file(key, end):
    programs = ProgramCache()
    assert not programs.is_innocent(key, 10.0)
    programs.note_innocent([list(key)], 10.0)
    assert [programs.is_innocent(key, at) for at in (10.0, end - 0.1, end)] == [True, True, False]
    assert not programs.is_innocent(key[:-1], 10.0)


def test_line_breaks_and_half_lines_are_no_fields():
    text = format_report({"pid": "7", "by": "fanotify on\n2", "unseen": ""})
    assert parse_report(text + "\n half\n") == {"pid": "7", "by": "fanotify on 2", "unseen": ""}


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, 0), ("", 0), ("12", 12), ("-1", 0), ("²", 0), ("٣", 0), ("9" * 9, 999999999), ("1" * 10, 0)],
)
def test_number_is_read_or_0(value, expected):
    assert parse_number_field({} if value is None else {"lost": value}, "lost") == expected


@contextmanager
def start_process(command: Sequence[str]) -> Iterator[int]:
    process = subprocess.Popen([*command, "sleep", "600"])
    try:
        until(lambda: os.readlink(f"/proc/{process.pid}/exe").endswith(("/sleep", "/coreutils")))
        yield process.pid
    finally:
        process.kill()
        process.wait()


@ROOT
@pytest.mark.parametrize(
    ("command", "user", "owner"),
    [
        ((), 0, 0),
        (AS_FRIDA, 2001, 2001),
        ((*AS_FRIDA, *OWN_NAMESPACE, *OWN_NAMESPACE, *OWN_NAMESPACE), 2001, 2001),
        (MAPPED, 100005, 0),  # a subordinate id, in a namespace that root has made
    ],
)
def test_owner_is_the_user_who_made_the_namespace(command, user, owner):
    with start_process(command) as pid:
        assert find_real_uid(pid) == user and find_accountable_uid(pid, user) == owner


@ROOT
def test_ended_process_has_no_user():
    assert find_real_uid(2**22 + 1) is None and find_accountable_uid(2**22 + 1, 2001) == 2001


@ROOT
@pytest.mark.parametrize(
    ("name", "verb", "own"), [("watch", "observe", True), ("watch", "launches", False), ("other", "observe", False)]
)
def test_observation_of_the_watch_is_known_by_its_command(name, verb, own):
    words = ["python3", f"/usr/libexec/proscribe/{name}", verb]
    with subprocess.Popen(["sh", "-c", "read x; exit", *words[1:]], stdin=subprocess.PIPE) as process:
        command = Path(f"/proc/{process.pid}/cmdline")
        until(lambda: verb.encode() in command.read_bytes())  # the kernel has it a moment after the program has begun
        assert is_own_observation(process.pid) is is_own_observation(str(process.pid)) is own
    assert not is_own_observation(2**22 + 1)


# Answers each request with itself, in pieces of which the first is half of its head.
PIECES = """
import os, time
def exactly(size):
    answers = b""
    while len(answers) < size:
        if not (piece := os.read(0, size - len(answers))):
            raise SystemExit
        answers += piece
    return answers
while True:
    head = exactly(4)
    content = exactly(int.from_bytes(head, "little"))
    for piece in (head[:2], head[2:], content[:1], content[1:]):
        os.write(0, piece)
        time.sleep(0.02)
"""

# Ignores every signal that a process can ignore, and hangs.
HANGS = """
import os, signal, sys, time
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
os.write(0, b"ready")
time.sleep(float(sys.argv[1]))
open(sys.argv[2], "w").close()
"""


def list_descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


def read_answer(verifier: VerifierProcess) -> Any:
    answers: list[Any] = []
    until(lambda: answers or ((answer := verifier.read_answer()) is not None and answers.append(answer)))
    return answers[0]


def test_answer_is_read_once_it_is_whole():
    before, verifier = list_descriptors(), VerifierProcess([sys.executable, "-c", PIECES])
    assert (verifier.busy_until, verifier.used_seconds, verifier.starts) == (0.0, 0.0, [])
    assert verifier.fileno() > 2 and not os.get_blocking(verifier.fileno())
    assert len(list_descriptors()) == len(before) + 1
    for request, within in ((("starts", [(7, "/x", ("k", 1))]), 15.0), (("x" * 3000,), 2.5), ((), 15.0)):
        verifier.send_request(request, 100.0, *([within] if within != 15.0 else []))
        assert verifier.busy_until == 100.0 + within
        assert read_answer(verifier) == request and verifier.busy_until == 0.0
    assert verifier.read_answer() is None
    verifier.end_verifier()
    assert list_descriptors() == before and not os.path.lexists(f"/proc/{verifier.pid}")
    verifier.end_verifier()


def test_ended_verifier_raises_an_error():
    verifier = VerifierProcess([sys.executable, "-c", ""])
    with pytest.raises(OSError):
        until(lambda: verifier.read_answer() is not None)
    verifier.end_verifier()


def test_hanging_process_that_ignores_signals_is_ended_at_once(tmp_path):
    verifier = VerifierProcess([sys.executable, "-c", HANGS, str(BUSY), str(tmp_path / "outlived")])
    verifier.send_request(("starts", []), 100.0)
    until(lambda: select.select([verifier], [], [], 0)[0])
    verifier.end_verifier()
    assert not (tmp_path / "outlived").exists() and not os.path.lexists(f"/proc/{verifier.pid}")


def test_verifier_that_hangs_or_has_no_work_is_ended(tmp_path):
    ends = "import os, pathlib; os.read(0, 1); pathlib.Path('{}').touch()"
    for code, asks in (("import time; time.sleep(600)", True), (ends.format(tmp_path / "ended"), False)):
        verifier = VerifierProcess([sys.executable, "-c", code])
        if asks:
            verifier.send_request(("sets",), 100.0, timeout=5.0)
            assert verifier.busy_until == 105.0
        verifier.end_verifier()
        verifier.end_verifier()
        assert not os.path.lexists(f"/proc/{verifier.pid}")
    assert (tmp_path / "ended").exists(), "it came to its own end"


def test_verifier_that_cannot_be_started_leaves_no_descriptor():
    before = list_descriptors()
    with pytest.raises(OSError):
        VerifierProcess(["/nonexistent/program"])
    assert list_descriptors() == before
