"""The end of a run: its baseline, its history, and old reports that go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fleets import WECHAT, answer, clean_answer, run, wechat
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.end import publishing
from proscribe.controller.report.end.ending import Ended, ended
from proscribe.controller.report.storage.files import ReportDirectory

FINISHED = "2026-11-25T01:00:00Z"
DRIFTED = answer(wechat(WECHAT), evaluated=["apps/x"])


class Reports:
    """A directory of reports of runs over web01 and web02."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.broken: list[str] = []

    def ended(self, *answers: dict[str, Any], name: str = "r1", failed: bool = False, **changes: Any) -> Ended:
        collector = Collector(run(["web01", "web02"], **{"id": name, **changes}))
        for host, item in zip(("web01", "web02"), answers, strict=False):
            collector.answered(host, item)
        directory = ReportDirectory(self.place / f"{name}.partial")
        return ended(collector, directory, FINISHED, failed, self.broken.append)


@pytest.fixture
def reports(tmp_path: Path) -> Reports:
    return Reports(tmp_path)


GATED = {"gate": {"web01": "noncompliant", "web02": "noncompliant"}}


def test_with_a_baseline_what_was_there_fails_nothing_and_what_is_new_does(reports: Reports) -> None:
    first = reports.ended(DRIFTED, clean_answer(), name="r1", **GATED)
    again = reports.ended(DRIFTED, clean_answer(), name="r2", baseline=first.where, **GATED)
    more = reports.ended(DRIFTED, DRIFTED, name="r3", baseline=first.where, **GATED)
    assert first.verdict.exit == more.verdict.exit != again.verdict.exit == "ansible"
    assert reports.broken == []


@pytest.mark.parametrize("content", [None, "nonsense\n"])
def test_a_baseline_that_cannot_be_read_proves_nothing(reports: Reports, content: str | None) -> None:
    old = reports.place / "old"
    old.mkdir()
    if content is not None:
        (old / "hosts.jsonl").write_text(content)
    done = reports.ended(DRIFTED, clean_answer(), baseline=str(old), **GATED)
    assert len(reports.broken) == 1 and "the baseline cannot be read" in reports.broken[0]
    assert done.where


@pytest.mark.parametrize(("keep", "is_kept"), [(0, True), (1, False)])
def test_old_reports_go_but_not_the_baseline(reports: Reports, keep: int, is_kept: bool) -> None:
    names = [f"2020010{day}T000000Z-audit-aaaa" for day in (1, 2, 3)]
    for name in names:
        reports.ended(clean_answer(), clean_answer(), name=name)
    baseline, other, newest = (reports.place / name for name in names)
    reports.ended(
        clean_answer(), clean_answer(), name="20261125T003000Z-audit-cccc", baseline=str(baseline), reports_keep=keep
    )
    assert (baseline.exists(), other.exists(), newest.exists()) == (True, is_kept, True)


def test_a_report_that_cannot_be_written_is_said_and_the_run_has_its_verdict(
    reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("no room")

    monkeypatch.setattr(publishing, "publish", fail)
    done = reports.ended(DRIFTED, clean_answer(), **GATED)
    assert (done.where, reports.broken) == ("", ["the report cannot be written: RuntimeError: no room"])
    assert done.verdict.exit != "ansible"
