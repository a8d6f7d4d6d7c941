"""What the run before says of the hosts that would be changed now."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from proscribe.controller.rollout import Before
from proscribe.controller.rollout.before import run_before

STATES = {
    "a": "compliant",
    "b": "repaired",
    "c": "waived",
    "d": "not_applicable",
    "e": "noncompliant",
    "f": "unknown",
    "g": "unreachable",
}


@pytest.fixture
def report(tmp_path: Path) -> Path:
    directory = tmp_path / "r1"
    directory.mkdir()
    (directory / "report.json").write_text('{"run": {}}')
    lines = [json.dumps({"host": host, "state": state, "rules": []}) for host, state in STATES.items()]
    (directory / "hosts.jsonl").write_text("\n".join(lines))
    (tmp_path / "latest").symlink_to("r1")
    return directory


@pytest.mark.parametrize(("hosts", "well"), [("abcdefg", 4), ("ab", 2), ("c", 1), ("d", 1), ("efg", 0), (["new"], 0)])
def test_the_run_before_says_how_these_hosts_stood(report: Path, hosts: str, well: int) -> None:
    assert run_before(report.parent, list(hosts)) == Before("r1", well)


def test_nothing_is_said_where_no_run_is_or_none_that_can_be_read(report: Path, tmp_path: Path) -> None:
    assert run_before(tmp_path / "none", ["a"]) is None
    file = report / "hosts.jsonl"
    file.write_text("half a li")
    assert run_before(tmp_path, ["a"]) is None
    file.unlink()
    file.symlink_to("report.json")  # no link is followed
    assert run_before(tmp_path, ["a"]) is None
