"""One place for reports and state, which the inventory names: every command finds it, wherever it is started."""

import json
import os
import sys
from pathlib import Path

import pytest
from checkout import PROJECT, REAL_ANSIBLE, Site, clean_environment, launch

pytestmark = pytest.mark.playbook

LOCAL = f"{{ansible_connection: local, ansible_python_interpreter: {sys.executable}}}"
VARIABLES = """\
proscribe_controls: {apps: 'off', browser: 'off', firewall: 'off'}
proscribe_dns_backend: hosts
proscribe_reports: ../state
"""


class NamedSite(Site):
    """An inventory whose variable names a place, and commands that are started somewhere else."""

    def __call__(self, *words, **environment):
        """The launcher, without a place for reports in the environment."""
        own = clean_environment(PROSCRIBE_ANSIBLE_PLAYBOOK=REAL_ANSIBLE, XDG_STATE_HOME=str(self.directory / "home"))
        words = (*words, "-i", str(self.inventory))
        return launch(PROJECT / "proscribe", *words, cwd=self.cwd, environment=own)

    def playbook(self, name, *options):
        """The playbook alone, as a scheduler of one's own starts it."""
        words = (str(PROJECT / "playbooks" / name), "-i", str(self.inventory), *options)
        own = clean_environment(ANSIBLE_CONFIG=str(PROJECT / "ansible.cfg"))
        return launch(Path(REAL_ANSIBLE), *words, cwd=self.cwd, environment=own)

    @property
    def runs(self):
        return sorted(path.parent.name for path in (self.directory / "state").glob("2*/report.json"))


@pytest.fixture
def site(tmp_path):
    site = NamedSite(tmp_path, f"one: {LOCAL}", f"two: {LOCAL}")
    site.file("group_vars/all.yml", VARIABLES)
    return site


def test_every_command_finds_what_a_run_has_written_there(site):
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
    assert "is a run over the whole" in site("report", "--merge", *site.runs).said, "it merges slices alone"
    listed = site("quarantine", "list")
    assert listed.code == 0, listed.said
    assert os.listdir(site.cwd) == [] and not (site.directory / "home").exists(), "and nothing is written elsewhere"
