"""The most memory that a program has held."""

from __future__ import annotations

from pathlib import Path


def peak_memory() -> float:
    """Of this program, in MB; getrusage(2) would count what its parent held as it forked."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak) / 1024
