"""What the tests of the report share."""

from __future__ import annotations

from pathlib import Path

import pytest
from event_runs import EventRuns
from proscribe.controller.report.history import open_history


@pytest.fixture
def past(tmp_path: Path) -> EventRuns:
    return EventRuns(open_history("sqlite", tmp_path))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    path.mkdir(mode=0o750)
    return path
