"""Integration tests run on real tools: a missing one is named, and fails the test where everything has to run."""

import os

import pytest
import roots
from machine import TOOLS, which


def pytest_itemcollected(item):
    item.add_marker(pytest.mark.integration)


def missing(what):
    """A test cannot run for want of something: skipped by name, or failed where PROSCRIBE_TESTS_COMPLETE=1."""
    if os.environ.get("PROSCRIBE_TESTS_COMPLETE") == "1":
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


def require_tool(name):
    """Return the path of a tool that the test run installs, or end the test with the package to install."""
    if name not in TOOLS:
        pytest.fail(f"{name} has no row in tests/machine.py, so no empty machine gets it")
    path = which(name)
    if path is None:
        missing(f"needs {name}: apt-get install {TOOLS[name].package}")
    return str(path)


def require_root():
    if os.geteuid() != 0:
        missing("needs root: run the tests as root")


def layers(root):
    """Return the layers of a Debian root, made on first use. The test ends where sid cannot be installed today."""
    require_root()
    for tool in ("mmdebstrap", "unshare", "nsenter"):
        require_tool(tool)
    try:
        return roots.layers(root)
    except roots.NotMade as error:
        (pytest.skip if error.suite == "sid" else pytest.fail)(str(error))


def require_whole_hosts():
    require_root()
    for tool in ("podman", "runc", "mmdebstrap", "ssh", "ssh-keygen", "ip"):
        require_tool(tool)


def open_to_others(path):
    """Let other users reach a directory of a test. What they may enter already stays as it is, such as /tmp."""
    for step in (path, *path.parents):
        if not step.stat().st_mode & 0o001:
            step.chmod(0o755)


@pytest.fixture
def tree(tmp_path):
    from browser_setup import made_tree  # which needs this module

    yield from made_tree(tmp_path)


@pytest.fixture(params=["chromium", "firefox"])
def browser(request):
    require_tool("firefox-esr" if request.param == "firefox" else request.param)
    return request.param
