"""The execution environment is built of what the project needs, and of nothing else."""

import tomllib
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[4]


@pytest.fixture
def needed():
    return dict(tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"])


@pytest.fixture
def built():
    return dict(yaml.safe_load((PROJECT / "execution-environment.yml").read_text())["dependencies"])


def test_it_has_the_ansible_that_the_launcher_would_install(needed, built):
    assert [built["ansible_core"]["package_pip"]] == needed["dependencies"]


def test_it_has_what_a_shared_history_needs(needed, built):
    assert {name.partition(">")[0] for name in built["python"]} == {
        name.partition(">")[0] for name in needed["optional-dependencies"]["history"]
    }


def test_no_collection_is_fetched(built):
    assert "galaxy" not in built
