"""Enforcing for real on several hosts: mount namespaces of this machine, each with an /etc of its own.

What is enforced is the hosts file, so that a host costs little; how far a run reaches is the same for every control.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from checkout import PROJECT, REAL_ANSIBLE, Ended, clean_environment, launch

pytestmark = [
    pytest.mark.playbook,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for mount namespaces and to enforce"),
]

# A host's Python. /run is new at each call, which costs nothing here; /etc and /var/lib stay.
INTERPRETER = """#!/bin/sh
exec unshare --mount sh -c '
    mount --bind {options} {host}/etc /etc && mount --bind {host}/lib /var/lib && mount -t tmpfs tmpfs /run &&
    exec {python} "$@"' sh "$@"
"""
ETC = ("passwd", "group", "nsswitch.conf", "os-release", "ld.so.cache")
BLOCK = "# BEGIN proscribe"


class Fleet:
    """Made hosts h1, h2, ... and the launcher over them."""

    def __init__(self, directory: Path, hosts: int) -> None:
        self.directory = directory
        self.names = [f"h{number}" for number in range(1, hosts + 1)]
        lines = []
        for name in self.names:
            (directory / name / "etc").mkdir(parents=True)
            (directory / name / "lib").mkdir()
            for file in filter(os.path.exists, (f"/etc/{file}" for file in ETC)):
                shutil.copy(file, directory / name / "etc")
            self._hosts_file(name).write_text("127.0.0.1 localhost\n")
            self.interpreter(name)
            lines.append(
                f"    {name}: {{ansible_connection: local, ansible_python_interpreter: {directory}/{name}/py}}"
            )
        (directory / "fleet").mkdir()
        text = "department:\n  hosts:\n" + "\n".join(lines) + "\n  vars: {proscribe_dns_backend: hosts}\n"
        (directory / "fleet" / "hosts.yml").write_text(text)

    def _hosts_file(self, name: str) -> Path:
        return self.directory / name / "etc" / "hosts"

    def interpreter(self, name: str, options: str = "") -> None:
        path = self.directory / name / "py"
        path.write_text(INTERPRETER.format(host=self.directory / name, options=options, python=sys.executable))
        path.chmod(0o755)

    def breaks(self, name: str) -> None:
        """Let a host refuse every change."""
        self.interpreter(name, "-o ro")

    def launch(self, *words: str) -> Ended:
        reports = str(self.directory / "reports")
        wanted = clean_environment(PROSCRIBE_ANSIBLE_PLAYBOOK=REAL_ANSIBLE, PROSCRIBE_REPORTS=reports)
        return launch(PROJECT / "proscribe", *words, cwd=self.directory, environment=wanted)

    def enforce(self, *options: str, **restrictions: Any) -> Ended:
        extra = json.dumps({f"proscribe_{name}": value for name, value in restrictions.items()})
        return self.launch("enforce", "-i", "fleet", "--tags", "dns", "-e", extra, *options)

    @property
    def corrected(self) -> set[str]:
        return {name for name in self.names if BLOCK in self._hosts_file(name).read_text()}

    @property
    def states(self) -> dict[str, str]:
        lines = (self.latest / "hosts.jsonl").read_text().splitlines()
        return {record["host"]: record["state"] for record in map(json.loads, lines)}

    @property
    def latest(self) -> Path:
        return self.directory / "reports" / "latest"

    @property
    def rollout(self) -> dict[str, Any]:
        return dict(json.loads((self.latest / "report.json").read_text())["rollout"])


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
    assert "changed:" not in ended.said and "WARNING" not in ended.said


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
    assert "0 of these hosts stood well; 3 hosts left as found" in said
    assert "failed:" not in said

    on = re.search(r"(\./proscribe enforce [^#]*-e [^#]*) # goes on", said)
    assert on, said
    words = shlex.split(on[1])[1:]
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
    assert "goes on with the other 5 hosts, once what failed is put right" in said


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


@pytest.mark.parametrize("option", ["--list-hosts", "--list-tasks", "--syntax-check"])
def test_the_playbook_may_be_listed_and_checked(tmp_path: Path, option: str) -> None:
    ended = Fleet(tmp_path, 1).launch("enforce", "-i", "fleet", option)
    assert ended.code == 0, ended.said
    assert "WARNING" not in ended.said and "ERROR" not in ended.said


@pytest.mark.parametrize(
    ("restrictions", "told"),
    [
        ({"batches": [1, 0]}, "proscribe_batches[1]"),
        ({"max_change": {"host": 3}}, "did you mean 'hosts'?"),
        ({"max_failures": 3}, "a share of the hosts such as '10%'"),
    ],
    ids=["batches", "max_change", "max_failures"],
)
def test_a_mistake_is_told_before_any_host_is_touched(tmp_path: Path, restrictions: dict[str, Any], told: str) -> None:
    fleet = Fleet(tmp_path, 1)
    ended = fleet.enforce(**restrictions)
    assert (ended.code, told in " ".join(ended.said.split())) == (2, True), ended.said
    assert fleet.corrected == set() and not fleet.latest.exists()
