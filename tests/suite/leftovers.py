"""What a run of the tests may leave: all of it is below one directory, and whoever comes next removes it.

Root's parts run in namespaces of their own (`isolated.py`), which end with the run, however it ends. So what is left of
a run that was killed is its directory, and what its ledger names: settings of the kernel that all namespaces share.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

RUNS = "runs"  # below .cache
LEDGER = "ledger.jsonl"
SYSCTLS = Path("/proc/sys")


@contextlib.contextmanager
def directory(cache: Path) -> Iterator[Path]:
    """A directory of this run alone, which is removed with all that the run has left. First goes what earlier runs left
    that did not end by themselves.
    """
    clean(cache)
    own = cache / RUNS / str(os.getpid())
    own.mkdir(parents=True)
    with _held(own):
        try:
            yield own
        finally:
            _remove(own)


def clean(cache: Path) -> list[str]:
    """Remove what runs have left that have ended; the names of these runs. One that goes on keeps its own."""
    removed = []
    for run in sorted((cache / RUNS).glob("*")):
        with contextlib.suppress(BlockingIOError, FileNotFoundError), _held(run):
            _remove(run)
            removed.append(run.name)
    return removed


@contextlib.contextmanager
def _held(run: Path) -> Iterator[None]:
    """A lock on a run's directory, as long as its process lives: the kernel releases it for one that is killed."""
    descriptor = os.open(run, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _remove(run: Path) -> None:
    """Put back what a run has set in the kernel, the oldest value last, and remove its directory."""
    ledger = run / LEDGER
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    for line in reversed(lines):
        entry = json.loads(line)
        (SYSCTLS / entry["sysctl"].replace(".", "/")).write_text(entry["value"])
    # What root's namespaces had is mounted nowhere any more: their mounts ended with their last process.
    shutil.rmtree(run, ignore_errors=True)
