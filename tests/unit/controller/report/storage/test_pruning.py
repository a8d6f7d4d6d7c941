"""Folders of old reports: which are taken away, and above all which are not."""

from __future__ import annotations

import os

import pytest
from proscribe.base.duration import moment_of
from proscribe.controller.report.storage.pruning import prune

NOW, DAY = "2026-11-25T08:00:00Z", 86400
OLD, NEW = "20260101T020000Z-audit-1a2b", "20261125T020000Z-audit-77c0"


@pytest.fixture
def reports(tmp_path):
    made = tmp_path / "reports"
    made.mkdir()
    return made


def report(reports, name):
    folder = reports / name
    folder.mkdir()
    for file in ("report.json", "hosts.jsonl", "report.html"):
        (folder / file).write_text("{}\n")
    return folder


def left(reports):
    return sorted(path.name for path in reports.iterdir())


@pytest.mark.parametrize(
    ("name", "goes"),
    [
        (OLD, True),
        ("20260101T020000Z-enforce-ffff", True),
        ("20260101T020000Z-check-0000", True),
        ("20261026T075959Z-audit-0000", True),
        ("20261026T080000Z-audit-0000", False),  # thirty days to the second
        (NEW, False),
        ("20270101T020000Z-audit-0000", False),
        ("20260101T020000Z-audit-1a2b.kept", False),
        ("my-20260101T020000Z-audit-1a2b", False),
        ("20261301T020000Z-audit-1a2b", False),
        ("baseline", False),
        ("plans", False),
    ],
)
def test_only_what_is_a_report_of_ours_and_old_goes(reports, name, goes):
    report(reports, name)
    assert prune(reports, NOW, 30 * DAY) == []
    assert left(reports) == ([] if goes else [name])


def test_what_is_beside_old_reports_goes_and_stays_with_them(reports):
    """Differences and lifts; those of a report that stays, too."""
    older, newest = "20260102T020000Z-check-0000", "20260103T020000Z-audit-0000"
    for folder in (reports, reports / "diffs", reports / "lifts"):
        folder.mkdir(exist_ok=True)
        for name in (OLD, older, newest, NEW):
            report(folder, name)
    (reports / "newest").symlink_to(newest)
    assert prune(reports, NOW, DAY, [reports / older]) == []
    retained = [older, newest, NEW]
    assert left(reports) == [*retained, "diffs", "lifts", "newest"]
    assert (left(reports / "diffs"), left(reports / "lifts")) == (retained, retained)


def test_what_comes_after_a_report_that_is_no_longer_there_goes_all_the_same(reports):
    (reports / f"{OLD}").write_text("no directory")
    report(reports, "20260102T020000Z-audit-0000")
    report(reports, "20260103T020000Z-audit-0000.partial")  # nothing was heard of it: its name says how old it is
    assert prune(reports, NOW, DAY) == []
    assert left(reports) == [OLD]


@pytest.mark.parametrize(("age", "goes"), [(2 * DAY, True), (60, False)])
def test_a_run_without_a_complete_report_goes_when_nothing_was_heard_of_it(reports, age, goes):
    folder = report(reports, f"{OLD}.partial")
    heard = moment_of(NOW).timestamp() - age
    (folder / "hosts.jsonl").rename(folder / "journal.jsonl")
    os.utime(folder / "journal.jsonl", (heard, heard))
    prune(reports, NOW, DAY)
    assert left(reports) == ([] if goes else [f"{OLD}.partial"])


def test_what_a_killed_run_had_begun_to_take_away_goes(reports):
    report(reports, f".going-{OLD}")
    assert prune(reports, NOW, 400 * DAY) == []
    assert left(reports) == []


def test_what_cannot_be_removed_is_reported(reports, monkeypatch):
    report(reports, OLD)
    report(reports, "20260102T020000Z-audit-0000")
    original = type(reports).rename
    error: OSError = PermissionError(13, "Permission denied")

    def refusing(self, target):
        if self.name == OLD:
            raise error
        return original(self, target)

    monkeypatch.setattr(type(reports), "rename", refusing)
    (failure,) = prune(reports, NOW, DAY)
    assert failure.startswith(f"the old report {OLD} could not be removed: ")
    assert left(reports) == [OLD]
    report(reports, "20260103T020000Z-audit-0000")
    error = FileNotFoundError()  # another run that ends now is at it
    assert (prune(reports, NOW, DAY), left(reports)) == ([], [OLD])
    (failure,) = prune(reports / "nosuch", NOW, DAY)
    assert failure.startswith("old reports could not be listed: ")
