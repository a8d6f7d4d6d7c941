"""Proscribe's parts in an organisation's own configuration and plays: one report for the run, or a clear refusal."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from checkout import PROJECT, REAL_ANSIBLE, Ended, clean_environment, launch

pytestmark = pytest.mark.playbook

HOSTS = ("one", "two", "three")
PATHS = "".join(f"{name} = {PROJECT / name}\n" for name in ("library", "module_utils", "action_plugins")) + "".join(
    f"{option} = {PROJECT / name}\n"
    for option, name in (
        ("roles_path", "roles"),
        ("filter_plugins", "filter_plugins"),
        ("callback_plugins", "callback_plugins"),
        ("doc_fragment_plugins", "doc_fragments"),
    )
)
COLLECTED = "callbacks_enabled = proscribe_report\n"
OWN_PLAY = """
- name: Our own play
  hosts: all
  gather_facts: false
  {keyword}
  tasks:
    - name: Compile
      compile_plans: {{mode: audit}}
      run_once: {once}
      register: proscribe_compiled
    - name: Observe
      compliance_state:
"""


class Organisation:
    """An ansible.cfg, plays and an inventory of somebody else's."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.reports = directory / "reports"
        lines = "".join(f"    {host}: {{ansible_connection: local}}\n" for host in HOSTS)
        controls = "{apps: 'off', browser: 'off', firewall: 'off', dns: enforce}"
        (directory / "hosts.yml").write_text(
            f"department:\n  hosts:\n{lines}  vars: {{proscribe_controls: {controls}, proscribe_dns_backend: hosts}}\n"
        )

    def configured(self, more: str) -> Path:
        path = self.directory / "ansible.cfg"
        path.write_text(f"[defaults]\n{PATHS}{more}")
        return path

    def plays(self, keyword: str = "", once: str = "true") -> Path:
        path = self.directory / "site.yml"
        path.write_text(OWN_PLAY.format(keyword=keyword or "become: false", once=once))
        return path

    def run(self, playbook: Path, *options: str, **environment: str) -> Ended:
        done = subprocess.run(
            [REAL_ANSIBLE, "-i", "hosts.yml", str(playbook), *options],
            cwd=self.directory,
            env=clean_environment(PROSCRIBE_REPORTS=str(self.reports), **environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return Ended(done.returncode, done.stdout)

    @property
    def complete(self) -> list[dict[str, Any]]:
        """The complete reports."""
        found = [path for path in self.reports.glob("2*/report.json") if ".partial" not in str(path)]
        return [json.loads(path.read_text()) for path in found]


@pytest.fixture
def organisation(tmp_path: Path) -> Organisation:
    return Organisation(tmp_path)


AUDIT = PROJECT / "playbooks" / "audit.yml"


# -- a run whose report nobody collects --------------------------------------------------------------------------------


@pytest.mark.parametrize("playbook", ["audit.yml", "enforce.yml", "lift.yml"])
def test_a_run_whose_report_nobody_collects_says_so_and_fails_before_any_host_is_touched(
    organisation: Organisation, playbook: str
) -> None:
    own = organisation.configured("")
    ended = organisation.run(PROJECT / "playbooks" / playbook, "--check")
    assert ended.code == 2, ended.said
    assert "nobody would collect the report of this run" in ended.said
    assert str(own) in ended.said and "callbacks_enabled" in ended.said
    assert "Observe the host" not in ended.said and "Lift each control" not in ended.said
    assert "Traceback" not in ended.said


def test_the_launcher_fails_too_where_another_configuration_is_asked_for(organisation: Organisation) -> None:
    own = organisation.configured("")
    environment = clean_environment(
        PROSCRIBE_ANSIBLE_PLAYBOOK=REAL_ANSIBLE, PROSCRIBE_REPORTS=str(organisation.reports), ANSIBLE_CONFIG=str(own)
    )
    ended = launch(
        PROJECT / "proscribe", "audit", "-i", "hosts.yml", cwd=organisation.directory, environment=environment
    )
    assert ended.code == 2, ended.said
    assert "nobody would collect the report of this run" in ended.said


def test_with_the_callback_the_same_configuration_reports(organisation: Organisation) -> None:
    organisation.configured(COLLECTED)
    ended = organisation.run(AUDIT)
    assert ended.code == 0, ended.said
    assert [report["summary"]["coverage"]["numerator"] for report in organisation.complete] == [3]


# -- batches and strategies --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keyword", ["serial: 1", "serial: [1, 2]", "serial: 2\n  order: reverse_inventory"])
def test_a_play_in_batches_is_one_run_with_one_report(organisation: Organisation, keyword: str) -> None:
    organisation.configured(COLLECTED)
    ended = organisation.run(organisation.plays(keyword))
    assert ended.code == 0, ended.said
    assert [report["summary"]["coverage"] for report in organisation.complete] == [
        {"numerator": 3, "denominator": 3, "percent": 100.0}
    ]
    assert not list(organisation.reports.glob("*.partial"))


def test_hosts_of_batches_that_never_began_are_unknown_in_the_one_report(organisation: Organisation) -> None:
    organisation.configured(COLLECTED)
    play = organisation.plays("serial: 1")
    play.write_text(
        play.read_text() + "    - name: Stop\n      ansible.builtin.fail:\n      when: inventory_hostname == 'two'\n"
    )
    ended = organisation.run(play)
    assert ended.code == 2, ended.said
    (report,) = organisation.complete
    assert report["summary"]["coverage"]["numerator"] == 2
    assert report["summary"]["hosts"]["unknown"] == 1


def test_two_plays_that_compile_are_two_runs(organisation: Organisation) -> None:
    organisation.configured(COLLECTED)
    play = organisation.plays("serial: 2")
    play.write_text(play.read_text() * 2)
    ended = organisation.run(play)
    assert ended.code == 0, ended.said
    assert [report["summary"]["coverage"]["numerator"] for report in organisation.complete] == [3, 3]


@pytest.mark.parametrize("strategy", ["free", "host_pinned"])
@pytest.mark.parametrize("how", ["play", "template", "environment"])
def test_a_strategy_that_cannot_work_is_a_clear_error_before_any_host_is_touched(
    organisation: Organisation, strategy: str, how: str
) -> None:
    organisation.configured(COLLECTED + "stdout_callback = proscribe_stdout\n")
    named = {"play": f"strategy: {strategy}", "template": f"strategy: '{{{{ \"{strategy}\" }}}}'"}
    more = {"ANSIBLE_STRATEGY": strategy} if how == "environment" else {}
    ended = organisation.run(organisation.plays(named.get(how, "")), **more)
    assert ended.code == 2, ended.said
    assert ended.said.count(f'strategy is "{strategy}"') == 1, ended.said
    assert 'expected "linear"' in ended.said and f"{organisation.directory}/site.yml:2" in ended.said
    assert "bypasses the host loop" not in ended.said and "Traceback" not in ended.said
    assert not organisation.complete


@pytest.mark.parametrize("strategy", ["free", "host_pinned", "debug"])
def test_our_own_playbooks_run_whatever_the_strategy_that_is_configured(
    organisation: Organisation, strategy: str
) -> None:
    organisation.configured(COLLECTED)
    ended = organisation.run(AUDIT, ANSIBLE_STRATEGY=strategy)
    assert ended.code == 0, ended.said
    assert [report["summary"]["coverage"]["numerator"] for report in organisation.complete] == [3]


def test_a_play_that_only_observes_may_go_on_freely(organisation: Organisation) -> None:
    organisation.configured(COLLECTED)
    play = organisation.plays("strategy: debug")
    text = play.read_text()
    observe = text.index("    - name: Observe")
    second = "- name: Observe freely\n  hosts: all\n  gather_facts: false\n  strategy: free\n  tasks:\n"
    play.write_text(text[:observe] + second + text[observe:])
    ended = organisation.run(play)
    assert ended.code == 0, ended.said
    assert [report["summary"]["coverage"]["numerator"] for report in organisation.complete] == [3]


def test_a_compiling_task_that_is_not_run_once_is_refused(organisation: Organisation) -> None:
    organisation.configured(COLLECTED)
    ended = organisation.run(organisation.plays(once="false"))
    assert ended.code == 2, ended.said
    assert "expected run_once: true" in ended.said and "site.yml:7" in ended.said
    assert not organisation.complete
