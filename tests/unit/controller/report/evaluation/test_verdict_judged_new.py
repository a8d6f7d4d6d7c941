"""What is new since a baseline, and which runs a baseline may be: the kinds that other tables leave out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.report.evaluation.baseline import New
from proscribe.controller.report.evaluation.verdict import ANSIBLE, INCOMPLETE_EXIT, NONCOMPLIANT_EXIT, judge_new
from proscribe.controller.report.storage import last_passed

from unit.controller.report.evaluation.test_verdict import record


@pytest.mark.parametrize(
    ("state", "gate_values", "exit_"),
    [
        ("noncompliant", [], NONCOMPLIANT_EXIT),
        ("error", [], NONCOMPLIANT_EXIT),
        ("unknown", [], ANSIBLE),
        ("unknown", ["noncompliant"], ANSIBLE),
        ("unknown", ["incomplete"], INCOMPLETE_EXIT),
    ],
)
def test_an_error_that_is_new_is_as_bad_as_what_is_not_compliant(
    state: str, gate_values: list[str], exit_: str
) -> None:
    """A control that has begun to fail: with it, nobody would see what it finds from then on."""
    new = [New("web01", "apps/wechat", state, "x")]
    assert judge_new([record("noncompliant")], gate_values, False, new).exit == exit_


def test_a_run_that_cannot_be_read_and_one_of_an_earlier_version_hide_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails at one file, or a file that root alone may read."""
    reports: dict[str, Any] = {"r0": {"verdict": {"gate": "noncompliant", "passed": True}}, "r1": OSError(5, "x")}

    def read(path: Path) -> dict[str, Any]:
        if isinstance(reports[path.name], OSError):
            raise reports[path.name]
        return {"run": reports[path.name]}

    monkeypatch.setattr(last_passed, "runs", lambda _: ["r0", "r1"])
    monkeypatch.setattr(last_passed, "read_report", read)
    monkeypatch.setattr(last_passed, "covers", lambda run, scope: True)
    assert last_passed.retained(tmp_path) == [tmp_path / "r0"], "which says neither its inventory nor its limit"
