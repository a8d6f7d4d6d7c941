"""What has to be so of every database behind the history when several processes write, and when one is killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]


def start(where, reports, *arguments):
    """A writing process (see history_writer.py)."""
    return subprocess.Popen(
        [sys.executable, str(HERE / "history_writer.py"), where, str(reports), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": f"{PROJECT / 'module_utils'}{os.pathsep}{HERE}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def written(history):
    """How many (runs, incidents, open incidents, hosts) there are."""
    with history.database.reading() as session:
        return tuple(
            next(session.rows(f"SELECT COUNT(*) FROM proscribe_{of}"))[0]
            for of in ("run", "episode", "episode WHERE closed IS NULL", "host")
        )
