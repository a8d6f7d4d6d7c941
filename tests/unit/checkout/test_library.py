"""The modules load: what they import is there, under the name that Ansible gives to module_utils."""

import importlib.util
import sys
from pathlib import Path

import ansible.module_utils
import pytest

PROJECT = Path(__file__).resolve().parents[3]
MODULES = sorted((PROJECT / "library").glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_loads(path, monkeypatch):
    found = [*ansible.module_utils.__path__, str(PROJECT / "module_utils")]
    monkeypatch.setattr(ansible.module_utils, "__path__", found)
    before = set(sys.modules)
    spec = importlib.util.spec_from_file_location(f"library_{path.stem}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        assert module.DOCUMENTATION  # those that an action plugin answers for have nothing else
    finally:
        for name in set(sys.modules) - before:
            if name.startswith("ansible.module_utils.proscribe"):
                del sys.modules[name]
