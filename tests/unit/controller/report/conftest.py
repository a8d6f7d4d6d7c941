"""What the tests of the report share."""

import pytest
from event_runs import EventRuns
from proscribe.controller.report.history import open_history


@pytest.fixture
def past(tmp_path):
    return EventRuns(open_history("sqlite", tmp_path))


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "log"
    path.mkdir(mode=0o750)
    return path
