"""What `latest` is as a baseline: the latest run that passed. A run that failed never becomes what is accepted."""

from __future__ import annotations

import json

import pytest
from proscribe.controller.report.evaluation.scope import Scope
from proscribe.controller.report.storage.complete import NoSuchRun
from proscribe.controller.report.storage.last_passed import latest_passed, retained
from proscribe.model.plan import CONTROLS

PROD = Scope(["inventory/prod"])
GATED, FREE, STOPPED = {"gate": "noncompliant"}, {"gate": None}, {"gate": None, "passed": False}


@pytest.fixture
def runs(tmp_path):
    """Complete reports, oldest first: (verdict, what else is said of the run)."""

    def made(*verdicts):
        for number, (verdict, more) in enumerate(verdicts):
            directory = tmp_path / f"r{number}"
            directory.mkdir()
            (directory / "hosts.jsonl").touch()
            facts = {"inventory": ["inventory/prod"], "limit": "", "left_out": 0, "controls": list(CONTROLS), **more}
            (directory / "report.json").write_text(json.dumps({"run": {**facts, "verdict": verdict}}))
        return tmp_path

    return made


def passed(**verdict):
    return {"passed": True, **verdict}


def failed(**verdict):
    return {"passed": False, **verdict}


@pytest.mark.parametrize("text", ["{", "[]", '{"run": 5}', ""])
def test_a_report_that_cannot_be_read_was_accepted_by_nobody_and_hides_no_other(runs, text):
    reports = runs((passed(**GATED), {}), (passed(**GATED), {}))
    (reports / "r1" / "report.json").write_text(text)
    assert latest_passed(reports, PROD).name == "r0"
    assert [path.name for path in retained(reports)] == ["r0"]


@pytest.mark.parametrize("later", [[], [passed(**FREE)], [None, STOPPED]])
def test_where_every_run_failed_the_message_names_the_one_to_name(runs, later):
    reports = runs(*((verdict, {}) for verdict in (failed(**GATED), failed(**GATED), *later)))
    with pytest.raises(NoSuchRun, match=r"no run of this scope in .* has passed; r1 failed, name it"):
        latest_passed(reports, PROD)
    assert retained(reports) == []


def test_where_there_is_no_run_of_this_scope_the_message_says_which_there_are(runs, tmp_path):
    with pytest.raises(NoSuchRun, match=r"no complete report latest in .* that covers this run; there is none yet"):
        latest_passed(tmp_path, PROD)
    lab = (passed(**GATED), {"inventory": ["inventory/lab"]})
    with pytest.raises(NoSuchRun, match=r"covers this run; the newest are r1, r2, r3"):
        latest_passed(runs(lab, lab, lab, lab), PROD)


def test_baselines_of_every_scope_are_kept_when_old_reports_go(runs):
    reports = runs((passed(**GATED), {}), (passed(**GATED), {"controls": ["dns"]}), (failed(**GATED), {}))
    assert {path.name for path in retained(reports)} == {"r0", "r1"}
