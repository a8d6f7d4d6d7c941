"""What the tests of compiling share."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_catalogue import Made
from proscribe.wire.store import Store
from waiver_organisation import Organisation


@pytest.fixture
def organisation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Organisation:
    monkeypatch.setenv("PROSCRIBE_REPORTS", str(tmp_path / "reports"))
    return Organisation(tmp_path)


@pytest.fixture(scope="module")
def key_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SSH keys, made once for the tests of a file."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def write(tmp_path: Path) -> Made:
    """Writes the files of a catalogue."""
    return Made(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Where plans and notes are kept."""
    made = Store(tmp_path / "reports" / "plans")
    made.require()
    return made
