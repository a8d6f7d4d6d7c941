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


@pytest.mark.parametrize(
    ("verdicts", "found"),
    [
        pytest.param([passed(**FREE), failed(**GATED)], "r0", id="a run that failed does not follow the one before it"),
        pytest.param([passed(**FREE), passed(**GATED), failed(**GATED)], "r1", id="the latest that passed"),
        pytest.param([passed(**FREE), failed(**GATED), passed(**FREE)], "r0", id="no gate, so no verdict"),
        pytest.param([passed(**FREE), passed(**FREE)], "r1", id="as long as no run was judged, the newest"),
        pytest.param([passed(**FREE), STOPPED], "r0", id="one that was stopped is no beginning"),
        pytest.param([None], "r0", id="a report of an earlier version"),
        pytest.param([None, None], "r1", id="two of them"),
        pytest.param([passed(**GATED), passed(**FREE), None], "r0", id="what was judged counts before what was not"),
        pytest.param([passed(**FREE), STOPPED, passed(**FREE)], "r2", id="one that was stopped changes nothing"),
        pytest.param([passed(**GATED), STOPPED], "r0", id="nor after one that passed"),
    ],
)
def test_the_baseline_is_the_latest_run_that_passed(runs, verdicts, found):
    assert latest_passed(runs(*((verdict, {}) for verdict in verdicts)), PROD).name == found


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


@pytest.mark.parametrize(
    "part",
    [
        {"inventory": ["inventory/lab"]},
        {"limit": "web01", "left_out": 3},
        {"left_out": 3},
        {"controls": ["dns"]},
    ],
    ids=lambda part: " ".join(part),
)
def test_a_run_over_a_part_is_no_baseline_of_the_whole(runs, part):
    reports = runs((passed(**GATED), {}), (passed(**GATED), part))
    assert latest_passed(reports, PROD).name == "r0"


def test_a_run_over_the_same_part_is_the_baseline_of_one_over_that_part(runs):
    reports = runs((passed(**GATED), {}), (passed(**GATED), {"limit": "web01", "left_out": 3, "controls": ["dns"]}))
    assert latest_passed(reports, Scope(["inventory/prod/"], "web01", ["dns"])).name == "r1"
    assert latest_passed(reports, Scope(["inventory/prod/"], "web02", ["dns"])).name == "r0"


def test_baselines_of_every_scope_are_kept_when_old_reports_go(runs):
    reports = runs((passed(**GATED), {}), (passed(**GATED), {"controls": ["dns"]}), (failed(**GATED), {}))
    assert {path.name for path in retained(reports)} == {"r0", "r1"}


def test_the_baseline_of_a_limit_is_kept_too(runs):
    """Else the next run over that part would have none, and begin with whatever is wrong there by then."""
    part = {"limit": "web01", "left_out": 3}
    reports = runs((passed(**GATED), {}), (passed(**GATED), part), (failed(**GATED), part))
    assert {path.name for path in retained(reports)} == {"r0", "r1"}
