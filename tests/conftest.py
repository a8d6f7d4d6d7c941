"""What all tests share."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import properties
import pytest
from proscribe.controller.compile.catalogue.loading import Catalogue, load
from suite.sizes import DEFAULT, FAST, NIGHTLY, SIZES

RESULTS = "PROSCRIBE_TESTS_RESULTS"  # names the file for what fails and what is skipped (suite/running.py)

properties.register()
# What is printed is compared by its words; where a line ends is for the tests that say how wide their screen is.
PYTESTS = shutil.get_terminal_size().columns
os.environ["COLUMNS"] = "10000"


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.get_terminal_writer().fullwidth = PYTESTS


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


@pytest.hookimpl(trylast=True)  # after what shuffles
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of a larger size are no part of this run: they are not skipped. The steps of one host stay in order."""
    size = SIZES.index(config.getoption("--size"))
    left_out = [item for item in items if SIZES.index(smallest_size(item)) > size]
    if left_out:
        items[:] = [item for item in items if item not in set(left_out)]
        config.hook.pytest_deselected(items=left_out)
    items[:] = in_steps(items)


def in_steps(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests in the order that they have, but for those of a file that is marked `steps`: these are where the first
    of them is, in the order of the file.
    """
    by_file: dict[Path, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("steps"):
            by_file.setdefault(item.path, []).append(item)
    ordered: list[pytest.Item] = []
    for item in items:
        steps = by_file.get(item.path)
        if steps is None:
            ordered.append(item)
        elif item is steps[0]:
            ordered += sorted(steps, key=place_in_file)
    return ordered


def place_in_file(item: pytest.Item) -> tuple[int, tuple[int, ...]]:
    """The line of a test, and which of its parameters it has."""
    parameters = getattr(item, "callspec", None)
    return item.location[1] or 0, tuple(parameters.indices.values()) if parameters else ()


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
