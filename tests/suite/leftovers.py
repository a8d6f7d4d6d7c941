"""What a run of the tests may leave: all of it is below one directory, and whoever comes next removes it.

Root's parts run in namespaces of their own (`isolated.py`), which end with the run, however it ends. So what is left of
a run that was killed is its directory, and what its ledger names: settings of the kernel that all namespaces share, and
control groups.
"""

import contextlib
import fcntl
import json
import os
import subprocess
from pathlib import Path

RUNS = "runs"  # below .cache
LEDGER = "ledger.jsonl"
SYSCTLS = Path("/proc/sys")
CGROUPS = Path("/sys/fs/cgroup")
IN_USE = Path("/run/lock/proscribe-tests-inotify")  # locked by runs that need more than a kernel allows (inotify.py)


@contextlib.contextmanager
def directory(cache):
    """A directory of this run alone, removed at its end; so are, before, those of runs that were killed."""
    clean(cache)
    own = cache / RUNS / str(os.getpid())
    own.mkdir(parents=True)
    with _held(own):
        try:
            yield own
        finally:
            _remove(own)


def clean(cache):
    """Remove what runs have left that have ended; the names of these runs. One that goes on keeps its own."""
    removed = []
    for run in sorted((cache / RUNS).glob("*")):
        with contextlib.suppress(BlockingIOError, FileNotFoundError), _held(run):
            _remove(run)
            removed.append(run.name)
    return removed


@contextlib.contextmanager
def _held(run):
    """A lock on a run's directory, as long as its process lives: the kernel releases it for one that is killed."""
    descriptor = os.open(run, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _remove(run):
    """Undo what a run's ledger names (tests/integration/ledger.py), the oldest entry last, and remove its directory."""
    ledger = run / LEDGER
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    for line in reversed(lines):
        entry = json.loads(line)
        if "sysctl" in entry:
            _set_back(entry["sysctl"], entry["value"])
        else:
            _remove_groups(entry["cgroup"])
    # What root's namespaces had is mounted nowhere any more: their mounts ended with their last process.
    # A test may have made a tree that is too deep for shutil.rmtree.
    subprocess.run(["rm", "-rf", "--", str(run)], check=False)


def _set_back(name, value):
    """Set a limit of the kernel as it was, unless another run needs it: the last one sets it back."""
    with contextlib.suppress(BlockingIOError), IN_USE.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (SYSCTLS / name.replace(".", "/")).write_text(value)


def _remove_groups(name):
    """Remove the control groups of a host: its processes are gone, and directories are left."""
    for top in (*CGROUPS.glob(f"*/{name}"), *CGROUPS.glob(f"*/libpod_parent/{name}")):
        for path, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(path)
