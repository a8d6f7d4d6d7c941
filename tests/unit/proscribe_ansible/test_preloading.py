"""What every host's task needs is loaded before workers are forked."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from proscribe_ansible import preloading

PROJECT = Path(preloading.__file__).resolve().parents[2]


def test_a_worker_finds_everything_loaded(monkeypatch):
    done = []
    collector = SimpleNamespace(
        freeze=lambda: done.append("frozen"),
        get_threshold=lambda: (700, 10, 10),
        set_threshold=lambda *n: done.append(n),
    )
    monkeypatch.setattr(preloading, "gc", collector)
    queried = set()
    for kind in ("filter", "test", "action", "connection", "become", "shell"):
        loader = SimpleNamespace(get=lambda name, kind=kind, **_: queried.add((kind, name)))
        monkeypatch.setattr(preloading, f"{kind}_loader", loader)
    preloading.load_shared_plugins()
    assert done == ["frozen", (20_000, 10, 10)]
    usual = {("connection", "ssh"), ("become", "sudo"), ("shell", "sh")}
    assert queried == {("filter", "default"), ("test", "defined"), ("action", "compliance_state"), *usual}


def test_plugins_of_every_worker_are_loaded():
    program = f"""
import sys
sys.path.insert(0, {str(PROJECT / "module_utils")!r})
from proscribe_ansible import preloading
preloading.load_shared_plugins()
print(*sys.modules)
"""
    environment = {**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    loaded = {name.removeprefix("ansible.plugins.") for name in done.stdout.split()}
    assert {"action.compliance_state", "connection.ssh", "become.sudo", "shell.sh"} <= loaded
    assert {name.rpartition("_")[0] for name in loaded} >= {"filter.core", "test.core"}
