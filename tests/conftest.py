"""Fixtures and options of all tests."""

import json
import os
import shutil
from pathlib import Path

import properties
import pytest
from proscribe.controller.compile.catalogue.catalogue_loader import read_catalogue
from suite.sizes import DEFAULT, FAST, NIGHTLY, SIZES

RESULTS = "PROSCRIBE_TESTS_RESULTS"  # names the file for failures and skips (suite/running.py)

properties.register()
# Tests compare printed words; only tests that set the width of their screen compare the ends of lines.
PYTESTS = shutil.get_terminal_size().columns
os.environ["COLUMNS"] = "10000"


def pytest_sessionstart(session):
    session.config.get_terminal_writer().fullwidth = PYTESTS


@pytest.fixture(scope="session")
def project():
    """The checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def own_catalogue(project):
    """The project's own catalogue, which no test may change: loading it takes a third of a second."""
    return read_catalogue([project / "catalog"])


def pytest_addoption(parser):
    parser.addoption("--size", choices=SIZES, default=DEFAULT, help="leave out tests of larger sizes")
    parser.addoption("--slow-in", help="run slow tests only in these files (paths, with colons between)")


@pytest.hookimpl(trylast=True)  # after plugins that shuffle
def pytest_collection_modifyitems(config, items):
    """Deselect tests of a larger size, and slow ones of other files. The steps of one host stay in order."""
    size, slow_in = SIZES.index(config.getoption("--size")), config.getoption("--slow-in")
    files = None if slow_in is None else frozenset(slow_in.split(os.pathsep))
    left_out = [
        item
        for item in items
        if SIZES.index(smallest_size(item)) > size
        or (files is not None and item.get_closest_marker("slow") and item.nodeid.partition("::")[0] not in files)
    ]
    if left_out:
        items[:] = [item for item in items if item not in set(left_out)]
        config.hook.pytest_deselected(items=left_out)
    items[:] = in_steps(items)


def in_steps(items):
    """Move the tests of each file that is marked `steps` to the first of them, in the order of the file."""
    by_file = {}
    for item in items:
        if item.get_closest_marker("steps"):
            by_file.setdefault(item.path, []).append(item)
    ordered = []
    for item in items:
        steps = by_file.get(item.path)
        if steps is None:
            ordered.append(item)
        elif item is steps[0]:
            ordered += sorted(steps, key=place_in_file)
    return ordered


def place_in_file(item):
    """Return the line of a test, and the indices of its parameters."""
    parameters = getattr(item, "callspec", None)
    return item.location[1] or 0, tuple(parameters.indices.values()) if parameters else ()


def smallest_size(item):
    """Return the smallest size that has a test."""
    marks = {mark.name for mark in item.iter_markers()}
    return NIGHTLY if "nightly" in marks else DEFAULT if "slow" in marks else FAST


def pytest_configure(config):
    """Register the writer of results in one process. Keep child processes from writing bytecode (suite/parts.py)."""
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        os.environ.pop("PYTHONPYCACHEPREFIX", None)
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    if (place := os.environ.get(RESULTS)) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Results(Path(place)))


class Results:
    """Writer of a line for each failure and skip, as it happens."""

    def __init__(self, place):
        self.place = place

    def pytest_runtest_logreport(self, report):
        if report.passed:
            return
        line = json.dumps({"outcome": report.outcome, "test": report.nodeid, "why": first_line(report)})
        with self.place.open("a", encoding="utf-8") as stream:
            stream.write(f"{line}\n")


def first_line(report):
    """Return the reason of a skip, or the first line of a failure's message."""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = (crash.message if crash else str(report.longrepr or "")).strip().splitlines()
    return lines[0][:300] if lines else "no message"
