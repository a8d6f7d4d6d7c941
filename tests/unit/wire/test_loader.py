"""The loader by itself: what goes to a host of it, and how it finds modules and files there."""

from __future__ import annotations

import ast
import gc
import importlib
import marshal
import os
import subprocess
import sys
from pathlib import Path

import proscribe
import pytest
from proscribe.wire import loader
from proscribe.wire.stream import BOOTSTRAP

OLDEST = (3, 9)
ONE = {"texts": {"made_one": "value = 1", "made_one.two": "value = 2"}, "packages": ["made_one"]}


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch):
    """Puts a finder where Python asks it, until the test ends."""

    def put(modules: loader.Modules) -> None:
        monkeypatch.setattr(sys, "meta_path", [modules, *sys.meta_path])

    yield put
    for name in [name for name in sys.modules if name.startswith("made_one")]:
        del sys.modules[name]


def test_what_is_sent_is_the_file_without_what_only_people_need():
    tree = ast.parse(BOOTSTRAP, feature_version=OLDEST)
    assert "#" not in BOOTSTRAP and "@PLACE@" not in BOOTSTRAP and '"""' not in BOOTSTRAP
    assert not [node for node in ast.walk(tree) if getattr(node, "annotation", None) or getattr(node, "returns", None)]
    own = ast.parse(Path(loader.__file__).read_text(encoding="utf-8"))
    named = [[node.name for node in ast.walk(one) if isinstance(node, ast.FunctionDef)] for one in (tree, own)]
    assert named[0] == named[1]


def test_what_is_sent_imports_nothing_that_an_observation_does_not_need():
    names = {alias.name for node in ast.parse(BOOTSTRAP).body if isinstance(node, ast.Import) for alias in node.names}
    assert names == {"_signal", "gc", "marshal", "os", "sys"}


def test_a_controller_that_imports_it_goes_on_as_before():
    before = list(sys.meta_path)
    importlib.reload(loader)
    assert gc.isenabled() and sys.meta_path == before


def test_modules_come_out_of_the_sources_or_out_of_what_was_kept(found):
    sent = loader.Modules({}, ONE)
    found(sent)
    assert importlib.import_module("made_one.two").value == 2
    stored = marshal.loads(sent.marshalled() or b"")
    assert sorted(stored) == ["made_one", "made_one.two"]
    for name in stored:
        del sys.modules[name]
    again = loader.Modules(stored, None)
    found(again)
    assert importlib.import_module("made_one.two").value == 2 and again.marshalled() is None
    assert again.find_spec("json") is None and sent.find_spec("json") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's files are believed")
def test_only_what_nobody_else_can_have_written_is_opened(tmp_path: Path):
    file = tmp_path / "file"
    file.touch(0o600)
    os.close(loader.opened(str(file), 0))
    for mode, owner in ((0o620, 0), (0o602, 0), (0o600, 65534)):
        file.chmod(mode)
        os.chown(file, owner, owner)
        with pytest.raises(OSError):
            loader.opened(str(file), 0)


def test_a_host_without_code_or_plan_does_nothing():
    """In a process of its own: the limit of a call is a signal's."""
    head = {"code": "a", "plan": "b", "call": {}}
    asking = f"from proscribe.wire import loader\nprint(loader.answered({head!r}, b'', b''))"
    path = str(Path(proscribe.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", asking], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{ {loader.LACKING: True} }\n"
