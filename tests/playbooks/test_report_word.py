"""`./proscribe report` and its playbook for real, after real audits; and a gate that only what is new can fail."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from checkout import PROJECT, REAL_ANSIBLE, Ended, clean_environment, launch
from patience import LONGEST

pytestmark = pytest.mark.playbook

HOSTS = "all: {hosts: {localhost: {ansible_connection: local}}}\n"


@pytest.fixture
def run(tmp_path: Path):
    """The launcher, over an inventory and a place for reports of its own."""
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "hosts.yml").write_text(HOSTS)
    wanted = clean_environment(PROSCRIBE_ANSIBLE_PLAYBOOK=REAL_ANSIBLE, PROSCRIBE_REPORTS=str(tmp_path / "reports"))

    def launched(word: str, *options: str) -> Ended:
        inventory = ("-i", str(tmp_path / "inventory")) if word == "audit" else ()
        return launch(PROJECT / "proscribe", word, *inventory, *options, cwd=tmp_path, environment=wanted)

    return launched


def test_audits_are_remembered_and_a_gate_with_a_baseline_lets_pass_what_was_there(run, tmp_path: Path) -> None:
    options = ("--tags", "dns", "-e", "proscribe_compliance_gate=incomplete")
    first = run("audit", *options)
    assert first.code == 10, first.said  # this machine is not under the ban
    second = run("audit", *options, "-e", "proscribe_gate_baseline=latest")
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


def test_a_baseline_that_is_not_there_stops_the_run_before_any_host_is_touched(run, tmp_path: Path) -> None:
    ended = run("audit", "-e", "proscribe_gate_baseline=latest")
    assert ended.code == 2
    assert "proscribe_gate_baseline: found 'latest', expected an earlier run to compare with" in ended.said
    assert not (tmp_path / "reports").exists()
