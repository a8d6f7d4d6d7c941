"""What has to be so of every database behind the history when several processes write, and when one is killed."""

import os
import subprocess
import sys
from pathlib import Path

from patience import LONGEST

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]


def start(where, reports, *arguments):
    """A writing process (see history_writer.py)."""
    return subprocess.Popen(
        [sys.executable, str(HERE / "history_writer.py"), where, str(reports), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": f"{PROJECT / 'module_utils'}{os.pathsep}{HERE}"}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def written(history):
    with history.database.open_for_reading() as session:
        return tuple(
            next(session.fetch_rows(f"SELECT COUNT(*) FROM proscribe_{of}"))[0]
            for of in ("run", "episode", "episode WHERE closed IS NULL", "host")
        )


def several_writers(history, where, reports):
    """Let four processes write at once into a history that is not there yet; every run of each is there, whole."""
    writers = [start(where, reports, f"w{number}", 5, 40) for number in range(4)]
    for writer in writers:
        _, errors = writer.communicate(timeout=LONGEST)
        assert writer.returncode == 0, errors
    # Each: 5 runs of bad, good, bad, good, bad; 3 incidents on each of 40 hosts, of which the last is open.
    assert written(history) == (20, 480, 160, 160)


def a_killed_writer(history, where, reports):
    """Kill a process in the middle of its second run: that run is not in the history, and the next one goes on."""
    first = start(where, reports, "w", 1, 1200)
    assert first.wait(LONGEST) == 0, first.communicate()
    before = written(history)
    assert before == (1, 1200, 1200, 1200)
    killed = start(where, reports, "k", 1, 1200, 1100)
    assert killed.stdout.readline() == "half way\n"
    killed.kill()
    killed.communicate()
    assert written(history) == before
    last = start(where, reports, "k", 1, 1200)
    assert last.wait(LONGEST) == 0, last.communicate()
    assert written(history) == (2, 2400, 2400, 2400)
