"""How tests wait: for a state, never for a time. Where a time is tested, BUSY seconds are left for seeing it."""

import os
import time
from pathlib import Path

# Seconds that anything may take that a test waits for: only what hangs takes as long. No test passes later for it.
LONGEST = 600
BUSY = 60


def until(condition, seconds=LONGEST, on_timeout=lambda: ""):
    """Wait until something is so; for how many seconds it was not. `on_timeout` says more about why it is not."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"not within {seconds} s {on_timeout()}".rstrip()
        time.sleep(0.05)
    return time.monotonic() - started


def processor():
    """The seconds of the processor that this process, and what it started and has ended, have had."""
    return sum(os.times()[:4])


def alive(pid):
    """Whether a process runs: one that has ended and that nobody has asked after does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:  # gone, also while it is read
        return False
