"""`./proscribe report` and its playbook for real, after real audits; and a gate that only what is new can fail."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from checkout import PROJECT, REAL_ANSIBLE, Ended, clean_environment, proscribe
from patience import LONGEST

pytestmark = pytest.mark.playbook

HOSTS = "all: {hosts: {localhost: {ansible_connection: local}}}\n"


@pytest.fixture
def run(tmp_path: Path):
    """The launcher, over an inventory and a place for reports of its own."""
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "hosts.yml").write_text(HOSTS)

    def launched(word: str, *options: str) -> Ended:
        inventory = ("-i", str(tmp_path / "inventory")) if word == "audit" else ()
        return proscribe(word, *inventory, *options, reports=tmp_path / "reports", cwd=tmp_path)

    return launched


def test_audits_are_remembered_and_a_gate_with_a_baseline_lets_pass_what_was_there(run, tmp_path: Path) -> None:
    options = ("--tags", "dns", "-e", "proscribe_compliance_gate=incomplete")
    first = run("audit", *options)
    assert first.code == 10, first.said  # this machine is not under the ban
    refused = run("audit", *options, "-e", "proscribe_gate_baseline=latest")
    assert refused.code == 2  # no run of this scope has passed: the one that failed counts only where it is named
    failed = (tmp_path / "reports" / "latest").readlink().name
    assert f"{failed} failed, name it if it is to count" in refused.said
    second = run("audit", *options, "-e", f"proscribe_gate_baseline={failed}")
    assert second.code == 0, second.said
    assert json.loads((tmp_path / "reports" / "latest" / "report.json").read_text())["new"] == []
    again = run("report")
    assert again.code == 0, again.said
    assert "1 host: 1 noncompliant" in again.said
    since = run("report", "--since", "1h")
    assert since.code == 0, since.said
    assert "all hosts, since " in since.said
    assert "2 runs, the last " in since.said
    assert run("report", "--run", "nosuch").code == 2
    environment = clean_environment(PROSCRIBE_REPORTS=str(tmp_path / "reports"))
    command = [REAL_ANSIBLE, "playbooks/report.yml", "-e", "report_since=1h"]
    played = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=LONGEST)
    assert played.returncode == 0, played.stdout
    assert "2 runs, the last " in played.stdout


def test_a_run_that_failed_against_a_baseline_fails_again_and_does_not_become_it(run, tmp_path: Path) -> None:
    hosts = tmp_path / "inventory" / "hosts.yml"
    own = HOSTS.replace("local}", "local, proscribe_categories: [], proscribe_services_include: [%s]}")
    hosts.write_text(own % "wechat")
    assert run("audit").code == 0
    hosts.write_text(own % "wechat, telegram")  # what was not asked for then is new now
    codes = [run("audit", "-e", "proscribe_gate_baseline=latest").code for _ in range(2)]
    assert codes == [10, 10]
    assert run("audit").code == 0  # without a gate nothing was judged, so it accepts nothing either
    assert run("audit", "-e", "proscribe_gate_baseline=latest").code == 10
    verdict = json.loads((tmp_path / "reports" / "latest" / "report.json").read_text())["run"]["verdict"]
    assert (verdict["gate"], verdict["passed"], verdict["exit"]) == ("noncompliant", False, 10)


def test_an_audit_over_a_part_does_not_stand_for_the_whole(run, tmp_path: Path) -> None:
    hosts = "all: {hosts: {one: {ansible_connection: local}, two: {ansible_connection: local}}}\n"
    (tmp_path / "inventory" / "hosts.yml").write_text(hosts)
    assert run("audit").code == 0
    part = run("audit", "--limit", "one", "--tags", "dns")
    assert part.code == 0, part.said
    assert "1 host not selected (--limit one)   dns only" in " ".join(part.said.split("\n"))
    reports = tmp_path / "reports"
    latest = (reports / "latest").readlink().name
    newest = (reports / "newest").readlink().name
    assert latest < newest
    metrics = (reports / "latest" / "metrics.prom").read_text()
    assert "proscribe_expected_hosts 2\n" in metrics
    assert 'limit="one",inventory="' in metrics
    assert metrics == (reports / "newest" / "metrics.prom").read_text()
    shown = run("report")
    assert f"note: {newest} is newer (1 host not selected (--limit one); dns only): 1 noncompliant" in shown.said
    trend = run("report", "--since", "1h").said.partition("\ntrend\n")[2]
    assert trend == ""  # of one run over the whole there is none


def test_a_baseline_that_is_not_there_stops_the_run_before_any_host_is_touched(run, tmp_path: Path) -> None:
    ended = run("audit", "-e", "proscribe_gate_baseline=latest")
    assert ended.code == 2
    assert "proscribe_gate_baseline: found 'latest', expected an earlier run to compare with" in ended.said
    assert not (tmp_path / "reports").exists()
