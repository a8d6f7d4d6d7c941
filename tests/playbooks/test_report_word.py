"""`./proscribe report` and its playbook for real, after real audits; and a gate that only what is new can fail."""

from pathlib import Path

import pytest
from checkout import LOCAL, REAL_ANSIBLE, Site, clean_environment, launch

pytestmark = pytest.mark.playbook


@pytest.fixture
def run(tmp_path):
    return Site(tmp_path)


def test_audits_are_remembered_and_a_gate_with_a_baseline_lets_pass_what_was_there(run):
    options = ("--tags", "dns", "-e", "proscribe_compliance_gate=incomplete")
    first = run("audit", *options)
    assert first.code == 10, first.said  # this machine is not under the ban
    refused = run("audit", *options, "-e", "proscribe_gate_baseline=latest")
    assert refused.code == 2  # no run of this scope has passed: the one that failed counts only where it is named
    failed = (run.reports / "latest").readlink().name
    assert f"{failed} failed, name it if it is to count" in refused.said
    second = run("audit", *options, "-e", f"proscribe_gate_baseline={failed}")
    assert second.code == 0, second.said
    assert run.report["new"] == []
    again = run("report")
    assert again.code == 0, again.said
    assert "1 host: 1 noncompliant" in again.said
    since = run("report", "--since", "1h")
    assert since.code == 0, since.said
    assert "all hosts, since " in since.said and "2 runs, the last " in since.said
    assert run("report", "--run", "nosuch").code == 2
    environment = clean_environment(PROSCRIBE_REPORTS=str(run.reports))
    played = launch(Path(REAL_ANSIBLE), "playbooks/report.yml", "-e", "report_since=1h", environment=environment)
    assert played.code == 0 and "2 runs, the last " in played.said, played.said


def test_a_run_that_failed_against_a_baseline_fails_again_and_does_not_become_it(run):
    own = LOCAL.replace("local}", "local, proscribe_categories: [], proscribe_services_include: [%s]}")
    run.hosts(own % "wechat")
    assert run("audit").code == 0
    run.hosts(own % "wechat, telegram")  # what was not asked for then is new now
    assert [run("audit", "-e", "proscribe_gate_baseline=latest").code for _ in range(2)] == [10, 10]
    assert run("audit").code == 0  # without a gate nothing was judged, so it accepts nothing either
    assert run("audit", "-e", "proscribe_gate_baseline=latest").code == 10
    verdict = run.report["run"]["verdict"]
    assert (verdict["gate"], verdict["passed"], verdict["exit"]) == ("noncompliant", False, 10)


def test_a_baseline_that_is_not_there_stops_the_run_before_any_host_is_touched(run):
    ended = run("audit", "-e", "proscribe_gate_baseline=latest")
    assert ended.code == 2
    assert "proscribe_gate_baseline: found 'latest', expected an earlier run to compare with" in ended.said
    assert not run.reports.exists()
