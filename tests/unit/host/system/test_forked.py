"""Work that is done apart: what it yields comes back, and whatever it does instead ends it and nothing else."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace

import pytest
from patience import LONGEST
from proscribe.host.system import ControlError, Unseen, forked
from proscribe.host.system.forked import Limits, each, run_apart
from unchanged_audit import printed

LIMITS = Limits(seconds=LONGEST, memory=64 * forked.MEGABYTE, answer=forked.MEGABYTE)


def spend_processor(item: str):
    while True:
        pass


def refuse(item: str):
    yield "first"
    raise Unseen("a home is closed")


def fail(item: str):
    raise ControlError("a link that uid 1000 made")
    yield


def test_what_never_waits_is_ended_as_well():
    assert list(each(["x"], spend_processor, Limits(seconds=0.3))) == [("x", [], "over budget: not done within 0.3 s")]


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
