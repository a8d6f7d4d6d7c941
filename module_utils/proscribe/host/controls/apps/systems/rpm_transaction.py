"""A transaction of the rpm family, carried out when no other package manager is at work."""

from __future__ import annotations

import time
from typing import Sequence

from ....system import ControlError, Host, ToolResult

PATIENCE = 60  # seconds to wait for another package manager to finish
LIMIT = 1800  # seconds; a package's own scripts may stop services, and to interrupt them harms more than to wait

# What dnf5 (5.4) prints where rpm refuses its lock: no reason, and no step in between, so that nothing has begun.
NOT_BEGUN = "Running transaction\nTransaction failed: Rpm transaction failed."
ERRORS = ("error:", " problem", "problem", ">>> [rpm] ", "transaction failed:")  # how a line of one begins, of them all


def patiently(host: Host, argv: Sequence[str]) -> None:
    """Carry out a transaction, and wait for another package manager to finish first. Raises ControlError."""
    end = time.monotonic() + PATIENCE
    result = host.run_command(argv, timeout=LIMIT)
    while result.rc and _busy(argv[0], result):
        if time.monotonic() > end:
            reason = "another package manager has been at work"
            if NOT_BEGUN in result.err:
                reason = f"{argv[0]} could not begin, as it does when another package manager is at work,"
            raise ControlError(f"{reason} for {PATIENCE} s: {said(result)}")
        time.sleep(1)
        result = host.run_command(argv, timeout=LIMIT)
    if result.rc:
        raise ControlError(f"{argv[0]} could not: {said(result)}")


def _busy(tool: str, result: ToolResult) -> bool:
    """Whether a tool gave way to another one: zypper's own lock, or rpm's, which all of them end up with."""
    text = result.err + result.out
    return (tool == "zypper" and result.rc == 7) or "transaction lock" in text or NOT_BEGUN in text


def said(result: ToolResult) -> str:
    """A tool's own errors in one line."""
    text = result.err.strip() or result.out.strip()
    errors = [line for line in text.splitlines() if line.lower().startswith(ERRORS)]
    return " ".join(" ".join(errors or [text]).split())[-400:]
