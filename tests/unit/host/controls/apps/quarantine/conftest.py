"""The host of tests of the quarantine."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_quarantine import made_host
from proscribe.host.system import Host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return made_host(tmp_path)
