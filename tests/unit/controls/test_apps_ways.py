"""The table of ways in: each has a row, and docs/coverage.md shows it."""

from __future__ import annotations

from pathlib import Path

from proscribe.controls.apps.systems import SYSTEMS
from proscribe.controls.apps.ways import WAYS, table

# Where a package system's own name is not the word that people use for it.
WORDS = {"dpkg": "deb packages"}


def test_coverage_shows_the_table(project: Path) -> None:
    assert table() in (project / "docs/coverage.md").read_text(encoding="utf-8")


def test_every_package_system_has_a_row() -> None:
    ways = " ".join(row.way for row in WAYS)
    assert [system.MANAGER for system in SYSTEMS if WORDS.get(system.MANAGER, system.MANAGER) not in ways] == []


def test_what_is_not_seen_is_neither_removed_nor_silently_open() -> None:
    for row in WAYS:
        assert row.seen and row.left, row.way
        assert "|" not in "".join(row) and "\n" not in "".join(row), row.way
