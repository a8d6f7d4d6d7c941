"""The quarantine against a user who swaps links and directories under its feet, on one real file system and on two."""

import json
import os
import subprocess
import sys
from pathlib import Path

import proscribe
import pytest
import quarantine_under_attack as attack
from conftest import open_to_others, require_root
from patience import LONGEST


def victim(root):
    states = {path: path.lstat() for path in (root / "srv").rglob("*")}
    return {path: (s.st_ino, s.st_mode, s.st_uid, s.st_mtime_ns, s.st_nlink) for path, s in states.items()}


@pytest.mark.parametrize("tries", [1_000, pytest.param(10_000, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("file_systems", [1, 2])
def test_quarantine_under_attack_moves_files_of_the_attacker_only(tmp_path, file_systems, tries):
    require_root()
    open_to_others(tmp_path)  # the user has to reach what is his
    attack.make(tmp_path)
    before = victim(tmp_path)
    mount = 'mount -t tmpfs tmpfs "$1/home" && ' if file_systems == 2 else ""
    script = f'{mount}exec "$2" "$3" "$1" {tries}'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", str(tmp_path), sys.executable, attack.__file__]
    environment = {**os.environ, "PYTHONPATH": str(Path(proscribe.__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=LONGEST)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert victim(tmp_path) == before and set(report["owners"]) <= {attack.MALLORY}
    assert report["taken"] >= 5 and report["refused"] + report["not_restored"] >= 5 and report["rounds"] >= 100, report
    assert report["tries"] >= tries, report
    (afterwards,) = report["afterwards"]  # what was a second name of mallory's own may be empty by now
    assert afterwards in ("mallory's", "directory", ""), report
