"""What all tests share."""

from __future__ import annotations

import json
import os
from pathlib import Path

import properties
import pytest
from proscribe.compile.catalogue import Catalogue, load
from suite.sizes import DEFAULT, FAST, NIGHTLY, SIZES

RESULTS = "PROSCRIBE_TESTS_RESULTS"  # names the file for what fails and what is skipped (suite/running.py)

properties.register()


@pytest.fixture(scope="session")
def project() -> Path:
    """The checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def own_catalogue(project: Path) -> Catalogue:
    """The project's own catalogue, which no test may change: loading it takes a third of a second."""
    return load([project / "catalog"])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--size", choices=SIZES, default=DEFAULT, help="leave out what is in larger sizes only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of a larger size are no part of this run: they are not skipped."""
    size = SIZES.index(config.getoption("--size"))
    left_out = [item for item in items if SIZES.index(smallest_size(item)) > size]
    if left_out:
        items[:] = [item for item in items if item not in set(left_out)]
        config.hook.pytest_deselected(items=left_out)


def smallest_size(item: pytest.Item) -> str:
    """The smallest size of a run that a test of a file that is run is part of."""
    marks = {mark.name for mark in item.iter_markers()}
    return NIGHTLY if "nightly" in marks else DEFAULT if "slow" in marks else FAST


def pytest_configure(config: pytest.Config) -> None:
    """What fails and what is skipped is named to whoever runs the parts; a process of xdist names it to its own. What
    tests start is not to write into the cache of bytecode that is theirs (suite/parts.py).
    """
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        os.environ.pop("PYTHONPYCACHEPREFIX", None)
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    if (place := os.environ.get(RESULTS)) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Results(Path(place)))


class Results:
    """Names what fails, and what is skipped, as it happens."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.passed:
            return
        line = json.dumps({"outcome": report.outcome, "test": report.nodeid, "why": first_line(report)})
        with self.place.open("a", encoding="utf-8") as stream:
            stream.write(f"{line}\n")


def first_line(report: pytest.TestReport) -> str:
    """Of a skip its reason, of a failure the first line of its message."""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = (crash.message if crash else str(report.longrepr or "")).strip().splitlines()
    return lines[0][:300] if lines else "no message"
