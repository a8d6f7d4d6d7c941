"""One place for reports and state, which the inventory names: every command finds it, wherever it is started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import PROJECT, REAL_ANSIBLE, Ended, clean_environment, launch
from patience import LONGEST

pytestmark = pytest.mark.playbook

HOSTS = """\
all:
  hosts:
    one: {ansible_connection: local, ansible_python_interpreter: PYTHON}
    two: {ansible_connection: local, ansible_python_interpreter: PYTHON}
"""
VARIABLES = "proscribe_controls: {apps: 'off', browser: 'off', firewall: 'off'}\nproscribe_dns_backend: hosts\n"
VARIABLE = "proscribe_reports: ../state\n"


class Site:
    """An inventory whose variable names a place, and commands that are started somewhere else."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.inventory = directory, directory / "inventory"
        self.cwd = directory / "elsewhere"
        self.cwd.mkdir()
        (self.inventory / "group_vars").mkdir(parents=True)
        (self.inventory / "hosts.yml").write_text(HOSTS.replace("PYTHON", sys.executable))
        self.variables(VARIABLE)

    def variables(self, more: str) -> None:
        (self.inventory / "group_vars" / "all.yml").write_text(VARIABLES + more)

    def __call__(self, *words: str, inventory: bool = True, **environment: str) -> Ended:
        """The launcher; without a place for reports in the environment, but for those given."""
        own = clean_environment(
            PROSCRIBE_ANSIBLE_PLAYBOOK=REAL_ANSIBLE, XDG_STATE_HOME=str(self.directory / "home"), **environment
        )
        named = ("-i", str(self.inventory)) if inventory else ()
        return launch(PROJECT / "proscribe", *words, *named, cwd=self.cwd, environment=own)

    def playbook(self, name: str, *options: str) -> Ended:
        """The playbook alone, as a scheduler of one's own starts it."""
        argv = [REAL_ANSIBLE, str(PROJECT / "playbooks" / name), "-i", str(self.inventory), *options]
        own = clean_environment(ANSIBLE_CONFIG=str(PROJECT / "ansible.cfg"))
        done = subprocess.run(argv, cwd=self.cwd, env=own, capture_output=True, text=True, timeout=LONGEST)
        return Ended(done.returncode, done.stdout + done.stderr)

    @property
    def runs(self) -> list[str]:
        return sorted(path.parent.name for path in (self.directory / "state").glob("2*/report.json"))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_every_command_finds_what_a_run_has_written_there(site: Site) -> None:
    state = site.directory / "state"
    ended = site("audit")
    assert ended.code == 0, ended.said
    (run,) = site.runs
    assert (state / "history.db").exists() and (state / "plans").is_dir()
    assert site.playbook("audit.yml").code == 0 and len(site.runs) == 2, "the playbook alone has it, too"

    shown = site("report")
    assert shown.code == 0 and "2 hosts" in shown.said, shown.said
    assert f"reports are read from {state} (proscribe_reports of the inventory)" in shown.said
    assert json.loads(site("report", "--run", run, "--json").said)["run"]["id"] == run
    assert "2 runs, the last " in site("report", "--since", "1d").said
    assert "nothing changes on 2 hosts" in site("diff", "latest").said
    assert "whatsapp" in site("explain", "whatsapp").said
    played = site.playbook("report.yml", "-e", f"report_run={run}")
    assert played.code == 0 and f"reports are read from {state}" in played.said, played.said
    typed = site.playbook("report.yml", "-e", "report_runs=x")
    assert typed.code == 2 and "report_runs: found an unknown variable, expected report_run; " in typed.said, typed.said
    assert site("report", "--merge", *site.runs).code == 0 and len(site.runs) == 3
    listed = site("quarantine", "list")
    assert listed.code == 0, listed.said
    assert os.listdir(site.cwd) == [] and not (site.directory / "home").exists(), "and nothing is written elsewhere"


def test_without_an_inventory_a_report_names_the_place_that_it_reads(site: Site) -> None:
    """It reads no inventory then: one that cannot be read is no matter."""
    (site.inventory / "hosts.yml").write_text("{")
    other = site.directory / "other"
    ended = site("report", inventory=False, PROSCRIBE_REPORTS=str(other))
    assert ended.code == 2 and f"reports are read from {other} (PROSCRIBE_REPORTS)" in ended.said, ended.said
    ended = site("report", "--run", "nosuch", inventory=False)
    assert ended.code == 2, ended.said
    assert "(the usual place; -i INVENTORY finds what proscribe_reports names)" in ended.said, ended.said


def test_the_environment_counts_before_the_inventory(site: Site) -> None:
    mount = site.directory / "mount"
    assert site("audit", PROSCRIBE_REPORTS=str(mount)).code == 0
    assert (mount / "latest/report.json").exists() and not (site.directory / "state").exists()


def test_hosts_that_differ_stop_a_run_before_any_is_touched(site: Site) -> None:
    (site.inventory / "host_vars").mkdir()
    (site.inventory / "host_vars" / "two.yml").write_text("proscribe_reports: ../other\n")
    for command in ("audit", "report", "schedule"):
        ended = site(command, *(["--check"] if command == "schedule" else []))
        assert ended.code == 2, ended.said
        assert "two.yml:1: proscribe_reports: found '../other', expected the same for all hosts" in ended.said
        assert "one has '../state'" in ended.said
    assert not (site.directory / "state").exists() and not (site.directory / "other").exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("''", "proscribe_reports: found nothing, expected a directory's path"),
        ("[a]", "proscribe_reports: found a list, expected a directory's path"),
        ("hosts", "proscribe_reports: found 'hosts', expected a directory that Ansible does not read as hosts"),
        ("hosts.yml", "hosts.yml is no directory"),
        ("'{{ nosuch }}'", "expected a value that can be templated"),
    ],
)
def test_a_value_that_names_no_place_is_shown_with_its_line(site: Site, value: str, message: str) -> None:
    site.variables(f"proscribe_reports: {value}\n")
    ended = site("audit")
    assert ended.code == 2 and message in ended.said and "all.yml:3: proscribe_reports" in ended.said, ended.said


SCHEDULE = """
- name: Decide on the schedule
  hosts: all
  gather_facts: false
  tasks:
    - name: Decide
      schedule_plan:
      register: decided
    - name: Write it down
      ansible.builtin.copy:
        content: "{{ decided.schedule.drift.files | to_json }}"
        dest: "{{ playbook_dir }}/units.json"
        mode: "0600"
      run_once: true
"""


def test_what_timers_start_has_the_place_in_its_environment(site: Site) -> None:
    """Without a machine that has timers: as the playbook of schedules decides what is written there."""
    (site.directory / "site.yml").write_text(SCHEDULE)
    ended = site.playbook(str(site.directory / "site.yml"), "-e", "proscribe_schedule=controller")
    assert ended.code == 0, ended.said
    units = json.loads((site.directory / "units.json").read_text())
    services = [text for path, text in units.items() if path.endswith(".service")]
    line = f'Environment="PROSCRIBE_REPORTS={site.directory}/state"\n'
    assert len(services) == 2 and all(line in text for text in services)


def test_a_scheduled_run_without_its_environment_finds_it_by_its_inventory(site: Site) -> None:
    ended = site("scheduled", "collect", "--", "-i", str(site.inventory), inventory=False)
    assert len(site.runs) == 1, ended.said
    site.variables("proscribe_reports: [a]\n")
    ended = site("scheduled", "collect", "--", "-i", str(site.inventory), inventory=False)
    assert ended.code == 78 and "no run is started, since its inventory does not say where reports go" in ended.said
