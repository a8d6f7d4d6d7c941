"""The forked process by itself: when it stops working, what its limits are, and how patiently it is waited for."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.system import forked
from proscribe.host.system.forked import Limits, each

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


def test_the_size_of_a_process_is_all_that_it_has_mapped() -> None:
    """Not what of it is in memory: the kernel's limit is on the former, and nothing could be done within the latter."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (mapped,) = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmSize:")]
    assert abs(forked._size() - mapped) < MEGABYTE


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
