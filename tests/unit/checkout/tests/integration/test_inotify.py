"""The kernel's limit that tests raise: by the first of several runs, and lowered by the last one."""

import subprocess
import sys
from pathlib import Path

import pytest

INTEGRATION = Path(__file__).resolve().parents[4] / "integration"
sys.path.append(str(INTEGRATION))

from inotify import ENOUGH, room  # noqa: E402


@pytest.fixture
def place(tmp_path):
    (tmp_path / "limit").write_text("128\n")
    return tmp_path / "limit", tmp_path / "present", tmp_path / "before"


@pytest.mark.parametrize("own, meanwhile", [("128\n", f"{ENOUGH}\n"), ("8192\n", "8192\n")])
def test_the_limit_is_raised_as_long_as_anybody_needs_it(place, own, meanwhile):
    limit = place[0]
    limit.write_text(own)
    first, second = room(*place), room(*place)
    with first:
        assert limit.read_text() == meanwhile
        second.__enter__()
    assert limit.read_text() == meanwhile, "the second one is still here"
    second.__exit__(None, None, None)
    assert limit.read_text() == own


def test_a_run_that_was_killed_is_not_here_any_more(place):
    limit = place[0]
    paths = [str(path) for path in place]
    program = f"""
import os, signal, sys
sys.path.insert(0, {str(INTEGRATION)!r})
from pathlib import Path
from inotify import room
with room(*map(Path, {paths!r})):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    assert limit.read_text() == f"{ENOUGH}\n"
    with room(*place):
        pass
    assert limit.read_text() == "128\n"
