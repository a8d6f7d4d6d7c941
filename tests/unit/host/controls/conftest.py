"""The made hosts of most tests of controls; a file that needs another has one of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_host import MadeHost
from made_users import tree


@pytest.fixture
def host(tmp_path: Path) -> MadeHost:
    return MadeHost(tmp_path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tree(tmp_path)
