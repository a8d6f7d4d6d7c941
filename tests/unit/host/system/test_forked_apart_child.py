"""The forked process by itself: when it stops working, what its limits are, and how patiently it is waited for."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.host.system import Unseen, forked
from proscribe.host.system.forked import Limits, each, run_apart

MEGABYTE = forked.MEGABYTE


def laboured(work: Callable[[Any], Any], items: list[Any], closed: bool = False, limits: Limits = Limits()) -> bytes:  # noqa: B008
    """What a child says that works on some items and that nobody ends; with `closed`, nobody listens to it."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.close(reading)
            forked._labour(items, work, limits, None, writing)
        finally:
            os._exit(1)
    os.close(writing)
    said = b""
    if not closed:
        with open(reading, "rb") as stream:
            said = stream.read()
    else:
        os.close(reading)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return said


def messages(said: bytes) -> list[dict[str, Any]]:
    found = []
    while said:
        size = int.from_bytes(said[:8], "big")
        found.append(json.loads(said[8 : 8 + size]) if size else {})
        said = said[8 + size :]
    return found


def test_a_child_that_has_grown_says_so_and_works_on_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another child does the rest: two children that work at one item would observe a user twice."""
    assert messages(laboured(lambda item: [item], [1, 2])) == [
        {"part": 1}, {}, {"part": 2}, {}
    ]  # fmt: skip
    monkeypatch.setattr(forked, "GROWN", 0)
    assert messages(laboured(lambda item: [item], [1, 2])) == [{"part": 1}, {"more": False}]


def test_a_child_that_nobody_listens_to_works_on_nothing_more(tmp_path: Path) -> None:
    def work(item: int) -> Any:
        (tmp_path / str(item)).touch()
        yield "x" * 1_000_000

    assert laboured(work, [1, 2, 3], closed=True) == b""
    assert os.listdir(tmp_path) == ["1"]


@pytest.mark.parametrize("content", [b" ", b"{", b"no JSON", b"[1", b"\xff\xfe"])
def test_an_answer_that_is_no_json_is_none_and_ends_that_item_alone(
    monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """A child that becomes a user may be traced by him, and made to say what he likes."""
    real = forked._send

    def send(descriptor: int, message: dict[str, Any]) -> None:
        if message.get("part") == "mallory":
            os.write(descriptor, len(content).to_bytes(8, "big") + content)
        else:
            real(descriptor, message)

    monkeypatch.setattr(forked, "_send", send)
    found = list(each(["alice", "mallory", "bob"], lambda item: [item]))
    assert [(item, parts, bool(why)) for item, parts, why in found] == [
        ("alice", ["alice"], False), ("mallory", [], True), ("bob", ["bob"], False)
    ]  # fmt: skip


def test_an_item_has_these_limits() -> None:
    """Of memory what it has already and what it may have more; of the processor's time what is left of a second too."""
    limits = Limits(seconds=2.0, memory=64 * MEGABYTE)

    def work() -> Any:
        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        return [most - forked._size(), resource.getrlimit(resource.RLIMIT_CPU)[0]]

    left, seconds = run_apart(work, limits)
    assert 60 * MEGABYTE < left <= 64 * MEGABYTE and seconds == 3
    assert (
        run_apart(lambda: resource.getrlimit(resource.RLIMIT_AS)[0], Limits(memory=0))
        == (resource.getrlimit(resource.RLIMIT_AS)[0])
    )


@pytest.mark.parametrize(("hard", "soft"), [(2, 2), (1000, 3)])
def test_no_limit_is_above_the_one_that_nobody_may_lift(hard: int, soft: int) -> None:
    def work() -> Any:
        resource.setrlimit(resource.RLIMIT_CPU, (1, hard))
        forked._limit(Limits(seconds=2.0))
        return resource.getrlimit(resource.RLIMIT_CPU)

    assert run_apart(work) == [soft, hard]


def test_the_size_of_a_process_is_all_that_it_has_mapped() -> None:
    """Not what of it is in memory: the kernel's limit is on the former, and nothing could be done within the latter."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (mapped,) = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmSize:")]
    assert abs(forked._size() - mapped) < MEGABYTE


def test_a_child_is_waited_for_in_pauses_that_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    now = [100.0]

    def sleep(length: float) -> None:
        pauses.append(length)
        now[0] += length

    child = object.__new__(forked._Child)
    child.pid, child.ended = 7, None
    monkeypatch.setattr(os, "waitpid", lambda pid, how: (7, 9) if len(pauses) == 10 else (0, 0))
    monkeypatch.setattr(forked, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    child._reap(60)
    expected = [0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.05, 0.05, 0.05]
    assert pauses == pytest.approx(expected) and child.ended == 9


def test_an_answer_is_waited_for_as_long_as_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    child = object.__new__(forked._Child)
    child.limits = Limits(seconds=2.0)
    waits: list[float] = []
    child.poll = SimpleNamespace(poll=waits.append)  # type: ignore[assignment]  # None: nothing came
    monkeypatch.setattr(forked, "time", SimpleNamespace(monotonic=lambda: 100.0))
    for end in (102.0, 100.5, 99.0):
        with pytest.raises(Unseen, match="not done within 2 s"):
            child._read(8, end)
    assert waits == [2000.0, 500.0], "and nobody is asked once it is over"


def test_an_answer_in_pieces_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe holds 64 KiB, so a large one always comes so."""
    assert run_apart(lambda: "x" * 1_000_000) == "x" * 1_000_000
    real = os.read
    monkeypatch.setattr(os, "read", lambda descriptor, size: real(descriptor, min(size, 3)))
    assert list(each(["alice"], lambda item: [item, "b" * 100])) == [("alice", ["alice", "b" * 100], "")]


def test_the_child_has_no_end_of_the_pipe_but_its_own() -> None:
    """With the other one, it would never learn that nobody listens any more."""

    def pipes() -> list[str]:
        places = [f"/proc/self/fd/{number}" for number in range(3, 200)]
        return [end for place in places if os.path.lexists(place) and (end := os.readlink(place)).startswith("pipe:")]

    before = pipes()
    assert len([end for end in run_apart(pipes) if end not in before]) == 1


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (24, "over budget: more than 2 s of processor time"),
        (9, "the observation was ended by signal 9"),
        (15, "the observation was ended by signal 15"),
    ],
)
def test_a_child_that_a_signal_ended_says_by_which(number: int, why: str) -> None:
    """The kernel sends one of them for the processor's time: then the user's files are odd, and not the code."""
    found = list(each([1], lambda item: os.kill(os.getpid(), number) or [], Limits(seconds=2.0)))
    assert found == [(1, [], why)]
