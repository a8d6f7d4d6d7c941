"""In check mode a module reports what it would do and writes nothing: the module itself, on a fixture of a host."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import ansible.module_utils
import pytest
from ansible.module_utils import basic
from proscribe.model.plan import sealed

PROJECT = Path(__file__).resolve().parents[2]
ENTRY = {"name": "Owl", "mode": "enforce", "domains": ["owl.example"], "allow": []}
CONTROLS = {"dns": {"mode": "enforce", "services": {"owl": ENTRY}, "settings": {}}}
PLAN = sealed({"schema": "proscribe/plan/1", "contact": "", "browsers": [], "controls": CONTROLS})


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """proscribe_ansible.module as Ansible sends it."""
    monkeypatch.setattr(
        ansible.module_utils, "__path__", [*ansible.module_utils.__path__, str(PROJECT / "module_utils")]
    )
    before = set(sys.modules)
    yield importlib.import_module("ansible.module_utils.proscribe_ansible.module")
    for name in set(sys.modules) - before:
        if name.startswith("ansible.module_utils.proscribe"):
            del sys.modules[name]


@pytest.fixture
def root(tmp_path: Path, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host whose names resolve by its hosts file."""
    for directory in ("etc", "var/lib", "run"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "etc/hosts").write_text("127.0.0.1 localhost\n")
    host = module.Host
    monkeypatch.setattr(module, "Host", lambda: host(str(tmp_path)))
    monkeypatch.setattr(host, "require_root", lambda self: None)
    monkeypatch.setattr(module.Call, "log", lambda self, *words, **named: None)
    return tmp_path


def files(root: Path) -> dict[str, bytes]:
    """All files of the host but the lock, which every run takes."""
    paths = [path for path in sorted(root.rglob("*")) if path.is_file() and path.name != "proscribe.lock"]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def answer(
    module: ModuleType, state: str, check: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> dict[str, Any]:
    """What the module prints for a call."""
    arguments = {"plan": PLAN, "state": state, "_ansible_check_mode": check}
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
    with pytest.raises(SystemExit):
        module.answer_for("dns")
    return dict(json.loads(capsys.readouterr().out))


def test_check_mode_changes_nothing_and_says_what_the_run_would_do(
    module: ModuleType, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for state in ("present", "absent"):
        before = files(root)
        checked = answer(module, state, True, monkeypatch, capsys)
        assert files(root) == before
        done = answer(module, state, False, monkeypatch, capsys)
        assert files(root) != before
        assert checked["changed"] is done["changed"] is True and checked["diff"] == done["diff"]
    assert "owl.example" not in (root / "etc/hosts").read_text()
