"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from proscribe.compile.catalogue import Catalogue, load

# How long an example takes says how busy the machine is. `--hypothesis-profile=ci` says the same, and repeats itself.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
# Where the same properties are tried in full elsewhere: with another Python, what can differ differs soon.
settings.register_profile("once more", settings.get_profile("ci"), max_examples=15)


@pytest.fixture(scope="session")
def project() -> Path:
    """The checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def own_catalogue(project: Path) -> Catalogue:
    """The project's own catalogue, which no test may change: loading it takes a third of a second."""
    return load([project / "catalog"])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--without-slow", action="store_true", help="skip what is marked as slow")
    parser.addoption("--on-request", action="store_true", help="run also what is marked as on_request")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skipped and not deselected: xdist does not say how many tests were deselected. What only a request runs is no
    part of a run without one, so it is deselected.
    """
    if not config.getoption("--on-request"):
        left_out = [item for item in items if item.get_closest_marker("on_request")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
    if config.getoption("--without-slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow"))
