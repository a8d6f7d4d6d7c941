"""Work that is done apart: what it yields comes back, and whatever it does instead ends it and nothing else."""

from __future__ import annotations

import gc
import os
import resource
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from patience import LONGEST
from proscribe.host.system import ControlError, Unseen, User, forked
from proscribe.host.system.forked import Limits, each, run_apart
from unchanged_audit import printed

LIMITS = Limits(seconds=LONGEST, memory=64 * forked.MEGABYTE, answer=forked.MEGABYTE)


def spend_processor(item: str):
    while True:
        pass


def spend_memory(item: str):
    yield len([bytearray(forked.MEGABYTE) for _ in range(1000)])


def hang(item: str):
    yield "first"
    time.sleep(LONGEST)


def answer_too_much(item: str):
    for _ in range(100):
        yield "x" * 100_000


def answer_what_is_no_data(item: str):
    yield {1, 2}


def die(item: str):
    os.kill(os.getpid(), signal.SIGKILL)
    yield


def leave(item: str):
    os._exit(3)
    yield


def refuse(item: str):
    yield "first"
    raise Unseen("a home is closed")


def fail(item: str):
    raise ControlError("a link that uid 1000 made")
    yield


def blunder(item: str):
    yield "first"
    {}[item]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trouble", "parts", "why"),
    [
        (spend_memory, [], "over budget: more than 64 MB of memory"),
        (hang, ["first"], "over budget: not done within 10 s"),
        (answer_too_much, ["x" * 100_000] * 10, "over budget: an answer of more than 1 MB"),
        (answer_what_is_no_data, [], "cannot be observed: TypeError: Object of type set is not JSON serializable"),
        (die, [], f"the observation was ended by signal {signal.SIGKILL:d}"),
        (leave, [], "the observation ended without an answer"),
        (refuse, ["first"], "a home is closed"),
        (fail, [], "a link that uid 1000 made"),
        (blunder, ["first"], "cannot be observed: KeyError: 'mallory'"),
    ],
)
def test_what_one_item_does_ends_its_own_work_and_none_of_the_others(trouble, parts, why):
    def work(item: str):
        yield from trouble(item) if item == "mallory" else [item.upper()]

    limits = LIMITS._replace(seconds=10) if trouble is hang else LIMITS
    found = list(each(["alice", "mallory", "bob"], work, limits))
    assert [(item, got) for item, got, _ in found] == [("alice", ["ALICE"]), ("mallory", parts), ("bob", ["BOB"])]
    assert [reason for _, _, reason in found] == ["", why, ""]


def test_what_never_waits_is_ended_as_well():
    assert list(each(["x"], spend_processor, Limits(seconds=0.3))) == [("x", [], "over budget: not done within 0.3 s")]


def test_one_child_goes_from_item_to_item_until_it_has_grown():
    def work(item: int):
        if item == 3:
            work.held = bytearray(100 * forked.MEGABYTE)  # which nobody gives back
        yield os.getpid()

    gc.collect()  # what these tests have left would make room in the child meanwhile
    pids = [parts[0] for _, parts, _ in each(range(6), work, Limits())]
    assert len(set(pids[:4])) == len(set(pids[4:])) == 1 and pids[3] != pids[4]
    assert os.getpid() not in pids


def test_limits_are_those_of_each_item_and_none_of_this_process():
    before = [resource.getrlimit(which) for which in (resource.RLIMIT_AS, resource.RLIMIT_CPU)]

    def work(item: int):
        yield resource.getrlimit(resource.RLIMIT_AS)[0]

    limits = [parts[0] for _, parts, _ in each([1, 2], work, LIMITS)]
    assert all(0 < most < 1 << 40 for most in limits)
    assert [resource.getrlimit(which) for which in (resource.RLIMIT_AS, resource.RLIMIT_CPU)] == before


def test_the_child_holds_no_output_of_this_process(capfd):
    def work(item: int):
        os.write(1, b"x")
        os.write(2, b"y")
        yield [os.readlink(f"/proc/self/fd/{number}") for number in range(3)]

    [(_, [ends], _)] = each([1], work, LIMITS)
    assert ends == ["/dev/null"] * 3
    assert capfd.readouterr() == ("", "")


def test_the_child_has_no_input_of_this_process():
    """Else it would take from the run what the run reads: the plan comes by it."""
    saved, (reading, writing) = os.dup(0), os.pipe()
    os.dup2(reading, 0)
    try:
        (ends,) = run_apart(lambda: [os.readlink("/proc/self/fd/0")])
    finally:
        os.dup2(saved, 0)
        for descriptor in (saved, reading, writing):
            os.close(descriptor)
    assert ends == "/dev/null"


def test_the_bounds_are_these():
    megabyte = 1024 * 1024
    assert forked.Limits() == forked.Limits(20.0, 128 * megabyte, 32 * megabyte) == forked.LIMITS
    assert (megabyte, 32 * megabyte) == (forked.MEGABYTE, forked.GROWN)
    assert (forked.KILL, forked.CPU_SPENT) == (signal.SIGKILL, signal.SIGXCPU)


@pytest.mark.parametrize(
    ("room", "parts", "why"), [(13, ["x"], ""), (12, [], "over budget: an answer of more than 0 MB")]
)
def test_an_answer_may_have_as_many_bytes_as_there_is_room_for(room, parts, why):
    assert len('{"part": "x"}') == 13
    assert list(each([1], lambda item: ["x"], Limits(answer=room))) == [(1, parts, why)]


@pytest.mark.parametrize(("do", "seconds"), [("end", 1), ("_why", 5)])
def test_what_no_signal_ends_is_left_to_the_kernel_after_a_while(monkeypatch, do, seconds):
    """Everybody else's turn comes after it."""
    now, child = [100.0], object.__new__(forked._Child)
    child.pid, child.ended, child.limits = 7, None, LIMITS
    child.reading, writing = os.pipe()
    monkeypatch.setattr(os, "waitpid", lambda pid, how: (0, 0))
    killed = []
    monkeypatch.setattr(os, "kill", lambda *what: killed.append(what))

    def sleep(length):
        assert length <= 0.05
        now[0] += length

    monkeypatch.setattr(forked, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    outcome = getattr(child, do)()
    assert seconds <= now[0] - 100 < seconds + 0.1 and child.ended is None
    if do == "end":
        assert killed == [(7, signal.SIGKILL)]
    else:
        assert outcome == "the observation ended without an answer"
        os.close(child.reading)
    os.close(writing)


def test_a_child_that_somebody_else_has_waited_for_is_nobodys(monkeypatch):
    child = object.__new__(forked._Child)
    child.pid, child.ended = os.getpid(), None  # no child of this process
    child._reap(60)
    assert child.ended == 0


def test_no_child_and_no_descriptor_is_left_behind():
    def children() -> list[str]:
        return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()

    before, ends = children(), len(os.listdir("/proc/self/fd"))
    list(each(["mallory"], hang, Limits(seconds=0.2)))
    for item, _, _ in each(["alice", "mallory", "bob"], lambda item: [item]):
        if item == "alice":
            break  # whoever asked wants no more
    with pytest.raises(Unseen, match=r"not done within 0\.2 s"):
        run_apart(lambda: time.sleep(60), Limits(seconds=0.2))
    assert (children(), len(os.listdir("/proc/self/fd"))) == (before, ends)


def test_one_question_is_answered_or_raises_as_the_work_does():
    assert run_apart(lambda: {"a": [1, None]}) == {"a": [1, None]}
    with pytest.raises(Unseen, match="closed"):
        run_apart(lambda: next(refuse("x") and (_ for _ in ()).throw(Unseen("closed"))))
    with pytest.raises(ControlError, match="link"):
        run_apart(lambda: next(fail("x")))


def test_where_no_process_can_be_made_nothing_was_seen_and_no_descriptor_is_left(monkeypatch):
    def full() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", full)
    before = sorted(os.listdir("/proc/self/fd"))
    why = "cannot be observed in a process of its own: Resource temporarily unavailable"
    assert [(item, parts, said) for item, parts, said in each([1, 2], lambda _: [1])] == [(1, [], why), (2, [], why)]
    with pytest.raises(Unseen, match=why):
        run_apart(lambda: 1)
    assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: becomes somebody else")
def test_work_as_a_user_is_that_users_in_every_number():
    daemon = User("daemon", 1, 1, "/usr/sbin")
    numbers = run_apart(lambda: [os.getresuid(), os.getresgid(), 0 in os.getgroups()], user=daemon)
    assert numbers == [[1, 1, 1], [1, 1, 1], False]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: becomes somebody else")
def test_what_has_nothing_to_say_needs_no_json():
    """Neither here nor in the child, unless that becomes a user, who may not be able to read Python's own modules."""
    code = (
        "from proscribe.host.system.forked import each, run_apart\n"
        "from proscribe.host.system.types import User\n"
        "for name in [n for n in sys.modules if n.partition('.')[0] in ('json', 're')]: del sys.modules[name]\n"
        "print([*each([1, 2], lambda item: [])], 'json' in sys.modules, 're' in sys.modules)\n"
        "there = lambda: [name in sys.modules for name in ('json', 're')]\n"
        "print(run_apart(there), run_apart(there, user=User('daemon', 1, 1, '/usr/sbin')))\n"
    )
    assert printed(code) == ["[(1, [], ''), (2, [], '')] False False", "[False, False] [True, True]"]
