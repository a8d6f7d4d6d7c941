"""The worst mistakes that somebody could make in this project, by hand: each must be noticed by the tests it names."""

from __future__ import annotations

import queue
import tomllib
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from mutated import Copy, Known, chunks

TABLE = Path(__file__).resolve().with_name("worst.toml")


class Mistake(NamedTuple):
    """An edit of one place of a file, and the test files that must notice it."""

    name: str
    file: str
    old: str
    new: str
    tests: Sequence[str]


def mistakes(names: Collection[str] = ()) -> list[Mistake]:
    """The mistakes of the table, all or those named. Raises ValueError for an unknown name."""
    listed = tomllib.loads(TABLE.read_text(encoding="utf-8"))["mistake"]
    found = [Mistake(**one) for one in listed]
    if unknown := set(names).difference(one.name for one in found):
        raise ValueError(f"worst.toml has no mistake {min(unknown)!r}")
    return [one for one in found if not names or one.name in names]


def main(project: Path, place: Path, names: Collection[str], jobs: int) -> int:
    """Make each mistake and run its tests; print what became of it. 1 where one was not noticed."""
    try:
        found = mistakes(names)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    free: queue.Queue[Copy] = queue.Queue()
    known = Known()
    for number in range(jobs):
        free.put(Copy(project, place / f"copy{number}", known))

    def noticed(one: Mistake) -> bool:
        text = (project / one.file).read_text(encoding="utf-8")
        if text.count(one.old) != 1:
            raise SystemExit(f"worst.toml: {one.name}: {one.file} has the old text {text.count(one.old)} times, not 1")
        copy = free.get()
        try:
            return copy.notices(one.file, text.replace(one.old, one.new), chunks(one.tests))
        finally:
            free.put(copy)

    unnoticed = 0
    with ThreadPoolExecutor(jobs) as pool:
        for one, was in zip(found, pool.map(noticed, found), strict=True):
            print(f"{'noticed' if was else 'NOT NOTICED'}: {one.name}", flush=True)
            unnoticed += not was
    print(f"{len(found) - unnoticed} of {len(found)} noticed")
    return 1 if unnoticed else 0
