"""The made hosts of most tests of controls; a file that needs another has one of its own."""

import pytest
from made_host import MadeHost
from made_users import tree


@pytest.fixture
def host(tmp_path):
    return MadeHost(tmp_path)


@pytest.fixture
def root(tmp_path):
    return tree(tmp_path)
