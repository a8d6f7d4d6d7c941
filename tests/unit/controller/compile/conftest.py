"""What the tests of compiling share."""

import pytest
from made_catalogue import Made
from proscribe.wire.plan_store import PlanStore
from waiver_organisation import Organisation


@pytest.fixture
def organisation(tmp_path, monkeypatch):
    monkeypatch.setenv("PROSCRIBE_REPORTS", str(tmp_path / "reports"))
    return Organisation(tmp_path)


@pytest.fixture(scope="module")
def key_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def write(tmp_path):
    return Made(tmp_path)


@pytest.fixture
def store(tmp_path):
    made = PlanStore(tmp_path / "reports" / "plans")
    made.require_directories()
    return made
