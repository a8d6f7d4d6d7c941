"""The worst mistakes that somebody could make in this project, each with the tests that must notice it."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from copies import split_files

TABLE = Path(__file__).resolve().with_name("worst.toml")


class Mistake(NamedTuple):
    """An edit of one place of a file, and the test files that must notice it."""

    name: str
    file: str
    old: str
    new: str
    tests: Sequence[str]


def read_mistakes(names=()):
    """Read the mistakes of the table, all or those named."""
    mistakes = [Mistake(**row) for row in tomllib.loads(TABLE.read_text(encoding="utf-8"))["mistake"]]
    if unknown := set(names).difference(mistake.name for mistake in mistakes):
        raise SystemExit(f"worst.toml has no mistake {min(unknown)!r}")
    return [mistake for mistake in mistakes if not names or mistake.name in names]


def main(project, names, copies):
    """Make each mistake and run its tests. Return 1 if one was not noticed."""
    mistakes = read_mistakes(names)

    def judge(copy, mistake):
        text = (project / mistake.file).read_text(encoding="utf-8")
        if (count := text.count(mistake.old)) != 1:
            raise SystemExit(f"worst.toml: {mistake.name}: {mistake.file} has the old text {count} times, not 1")
        return copy.notices(mistake.file, text.replace(mistake.old, mistake.new), split_files(mistake.tests))

    unnoticed = 0
    for mistake, noticed in zip(mistakes, copies.map(judge, mistakes), strict=True):
        print(f"{'noticed' if noticed else 'NOT NOTICED'}: {mistake.name}", flush=True)
        unnoticed += not noticed
    print(f"{len(mistakes) - unnoticed} of {len(mistakes)} noticed")
    return 1 if unnoticed else 0
