"""The page's templates as an earlier run compiled them: believed as Python believes what it has cached itself."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from proscribe.controller.report.page import rendering
from proscribe.wire import installation


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory in which Python caches what it compiles."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(importlib.util, "cache_from_source", lambda _path: str(tmp_path / "rendering.pyc"))
    tmp_path.chmod(0o755)
    rendering.environment.cache_clear()
    yield tmp_path
    rendering.environment.cache_clear()


def page() -> str:
    """A part of the page that says which values it was given."""
    rendering.environment.cache_clear()
    template = rendering.environment().get_template("page.html.j2")
    return template.name or ""


def test_where_others_can_write_nothing_is_cached(cached):
    cached.chmod(0o777)
    page()
    assert list(cached.iterdir()) == []


def test_nothing_is_cached_where_python_caches_nothing_or_there_is_no_directory(cached, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert rendering._compiled() is None
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(installation, "COLLECTION", "proscribe.ban")
    assert rendering._compiled() is None
    monkeypatch.setattr(installation, "COLLECTION", "")
    monkeypatch.setattr(importlib.util, "cache_from_source", lambda _path: str(cached / "nosuch" / "rendering.pyc"))
    assert rendering._compiled() is None


def test_a_page_does_not_depend_on_its_cache(cached, monkeypatch):
    def fails(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(rendering.FileSystemBytecodeCache, "dump_bytecode", fails)
    assert page() == "page.html.j2"
