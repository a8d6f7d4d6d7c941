"""How far a run reaches that enforces for real on several hosts; it is the same for every control."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest
from checkout import PROJECT
from made_fleet import Fleet
from pasting import commands

pytestmark = [
    pytest.mark.playbook,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for mount namespaces and to enforce"),
]


def test_two_hosts_go_at_once_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 2)
    ended = fleet.enforce()
    assert ended.code == 0, ended.said
    assert fleet.corrected == {"h1", "h2"}
    assert set(fleet.states.values()) == {"repaired"}
    assert fleet.rollout == {"to_correct": 2, "batches": [2], "not_reached": 0, "why": None, "allow": {}}
    ended = fleet.enforce()
    assert ended.code == 0, ended.said
    assert set(fleet.states.values()) == {"compliant"}
    assert fleet.rollout == {"to_correct": 0, "batches": [], "not_reached": 0, "why": None, "allow": {}}
    assert "changed:" not in ended.said and "WARNING" not in ended.usual


def test_more_than_is_allowed_stops_after_the_canary_and_the_command_it_names_goes_on(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 4)
    ended = fleet.enforce("--check", max_change={"hosts": 2})
    assert (ended.code, fleet.corrected) == (0, set()), ended.said
    assert "a run without --check would stop after the canary batch (1 host)" in " ".join(ended.said.split())

    ended = fleet.enforce(max_change={"hosts": 2})
    assert ended.code == 13, ended.said
    (canary,) = fleet.corrected
    assert fleet.states == {name: "repaired" if name == canary else "noncompliant" for name in fleet.names}
    assert fleet.rollout["not_reached"] == 3
    assert set((fleet.latest / "not_reached.txt").read_text().split()) == set(fleet.names) - {canary}
    said = " ".join(ended.said.split())
    assert "exit 13: stopped after the canary batch (1 host): the whole would change 4 hosts of the 4" in said
    assert "0 of these hosts were compliant; 3 hosts left as found" in said
    assert "failed:" not in said

    dry, on = commands(ended.said)
    assert " enforce --check --diff --limit @" in dry
    words = shlex.split(on)[1:]
    assert words[-1] == '{"proscribe_max_change": {"hosts": 4}}'
    ended = fleet.launch(*words)
    assert ended.code == 0, ended.said
    assert fleet.corrected == set(fleet.names)
    assert fleet.states == {name: "repaired" for name in fleet.names if name != canary}


def test_a_canary_that_fails_keeps_all_others_from_their_turn(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 6)
    fleet.breaks("h1")  # which comes first, of hosts that share a plan
    ended = fleet.enforce()
    assert ended.code == 13, ended.said
    assert fleet.corrected == set()
    assert fleet.states == {name: "error" if name == "h1" else "noncompliant" for name in fleet.names}
    assert fleet.rollout["batches"] == [1, 5]
    said = " ".join(ended.said.split())
    assert "every host of a batch failed; 5 hosts left as found" in said
    assert "go on with the other 5 hosts, once the failure is corrected" in said


def test_too_many_failures_stop_the_run_before_its_next_batch(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 5)
    fleet.breaks("h3")
    ended = fleet.enforce(batches=[1, 3, 1])
    assert ended.code == 13, ended.said
    assert "1 of 4 failed, and 10% (proscribe_max_failures) may; 1 host left as found" in " ".join(ended.said.split())
    assert fleet.corrected == {"h1", "h2", "h4"}
    assert fleet.states["h5"] == "noncompliant"
    ended = fleet.enforce(batches=[5], max_failures="100%")
    assert ended.code == 2, ended.said  # a host failed, but every host had its turn
    assert fleet.corrected == {"h1", "h2", "h4", "h5"}


def test_a_freeze_changes_nothing_at_all(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 2)
    ended = fleet.enforce("-v", max_change={"hosts": 0})
    assert ended.code == 13, ended.said
    assert (fleet.corrected, set(fleet.states.values())) == (set(), {"noncompliant"})
    assert "stopped before any change" in ended.said


AGAIN = """\
- import_playbook: {project}/playbooks/enforce.yml
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.copy:
        content: "127.0.0.1 localhost\\n"
        dest: "{hosts}/{{{{ inventory_hostname }}}}/etc/hosts"
      vars: {{ansible_python_interpreter: "{python}"}}
    - ansible.builtin.fail:
      when: inventory_hostname == 'h1'
- import_playbook: {project}/playbooks/enforce.yml
"""


def test_of_two_runs_of_one_playbook_each_decides_on_the_hosts_that_it_reached(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 3)
    (tmp_path / "site.yml").write_text(AGAIN.format(project=PROJECT, hosts=tmp_path, python=sys.executable))
    ended = fleet.play("site.yml", "-e", '{"proscribe_batches": ["100%"], "proscribe_max_change": "100%"}')
    assert fleet.corrected == {"h2", "h3"}, ended.said
    assert fleet.rollout["to_correct"] == 2, "h1 had drifted in the first run, and is not in the second"
    assert fleet.rollout["batches"] == [2]


@pytest.mark.parametrize("option", ["--list-hosts", "--list-tasks", "--syntax-check"])
def test_the_playbook_may_be_listed_and_checked(tmp_path: Path, option: str) -> None:
    ended = Fleet(tmp_path, 1).launch("enforce", "-i", "fleet", option)
    assert ended.code == 0, ended.said
    assert "WARNING" not in ended.usual and "ERROR" not in ended.said
