"""Runs whose controller has no room left on its disk. Needs root, to mount a small one."""

import json
import os
import subprocess

import pytest
from checkout import AS_ROOT
from made_fleet import Fleet

pytestmark = AS_ROOT
LARGE_KIB = 64 * 1024
FULL = "No space left on device"


@pytest.fixture
def fleet(tmp_path):
    """One host, and a directory of reports that is a file system of its own."""
    made = Fleet(tmp_path, 1)
    reports = tmp_path / "reports"
    reports.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={LARGE_KIB}k,mode=700", "tmpfs", str(reports)], check=True)
    yield made
    subprocess.run(["umount", "--lazy", str(reports)], check=True)


def leave(fleet, kib):
    """Leave so much room on the disk of the reports."""
    seen = os.statvfs(fleet.directory / "reports")
    used = (seen.f_blocks - seen.f_bfree) * seen.f_frsize // 1024
    subprocess.run(["mount", "-o", f"remount,size={used + kib}k", str(fleet.directory / "reports")], check=True)


def test_without_room_for_a_plan_no_host_is_touched_and_with_room_it_is_corrected(fleet):
    leave(fleet, 4)
    ended = fleet.enforce()
    said = " ".join(ended.said.split())
    assert ended.code not in (0, 10, 11) and not fleet.corrected
    assert "no host was touched" in said and f"{fleet.directory}/reports/plans: found" in said and FULL in said
    assert "is gone" not in said and "Traceback" not in said
    leave(fleet, LARGE_KIB)
    ended = fleet.enforce()
    assert ended.code == 0 and fleet.corrected == {"h1"} and fleet.states == {"h1": "repaired"}, ended.said


def test_a_report_without_room_costs_no_host_its_correction_and_is_no_success(fleet, monkeypatch):
    """Also where temporary files are on the same disk, such as the one that has the exit code."""
    assert fleet.enforce().code == 0
    before = (fleet.latest / "report.json").read_bytes()
    fleet.undo("h1")
    monkeypatch.setenv("TMPDIR", str(fleet.directory / "reports"))
    leave(fleet, 0)
    ended = fleet.enforce()
    said = " ".join(ended.said.split())
    assert fleet.corrected == {"h1"} and ended.code == 250, ended.said
    assert "the report cannot be written" in said and FULL in said and "journal.jsonl" in said
    assert (fleet.latest / "report.json").read_bytes() == before
    leave(fleet, LARGE_KIB)
    ended = fleet.enforce()
    said = " ".join(ended.said.split())
    assert ended.code == 0 and fleet.states == {"h1": "compliant"}, ended.said
    assert "nobody knows what it did" in said and "It corrected no host" not in said
    assert json.loads((fleet.latest / "report.json").read_text())["run"]["verdict"]["passed"]
