"""The host of tests of the quarantine."""

import pytest
from made_quarantine import made_host


@pytest.fixture
def host(tmp_path):
    return made_host(tmp_path)
