"""tests/observe.py runs the observing code by hand, over a directory and with what a host has."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_plans import make_plan
from proscribe.model import plan as plans

PROJECT = Path(__file__).resolve().parents[4]


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(plans.format_canonical(make_plan("dns", {"made": ["made.example"]})))
    return path


def test_a_directory_is_observed_as_a_host_and_nothing_is_written_to_it(plan, tmp_path):
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    # As on a host: without what is installed beside Python's own library.
    argv = [sys.executable, "-I", "-S", str(PROJECT / "tests/observe.py"), "--root", str(root), str(plan), "dns"]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert (record["plan"], record["drifted"]) == (json.loads(plan.read_text())["digest"], ["dns"])
    assert "dns/made" in [rule["rule"] for rule in record["rules"]]
    assert sorted(str(path.relative_to(root)) for path in root.rglob("*")) == ["etc", "etc/hosts"]
