"""A transaction of the rpm family, carried out when no other package manager is at work."""

from __future__ import annotations

import time
from typing import Sequence

from ....system import ControlError, Host, ToolResult

LOCK_TIMEOUT_SECONDS = 60  # seconds to wait for another package manager to finish
TRANSACTION_TIMEOUT_SECONDS = (
    1800  # seconds; a package's own scripts may stop services, and to interrupt them harms more than to wait
)

# What dnf5 (5.4) prints where rpm refuses its lock: no reason, and no step in between, so that nothing has begun.
NOT_BEGUN_TEXT = "Running transaction\nTransaction failed: Rpm transaction failed."
ERROR_PREFIXES = (
    "error:",
    " problem",
    "problem",
    ">>> [rpm] ",
    "transaction failed:",
)  # how a line of one begins, of them all


def run_transaction(host: Host, argv: Sequence[str]) -> None:
    """Carry out a transaction, and wait for another package manager to finish first. Raises ControlError."""
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    result = host.run_command(argv, timeout=TRANSACTION_TIMEOUT_SECONDS)
    while result.rc and _is_busy(argv[0], result):
        if time.monotonic() > deadline:
            reason = "another package manager has been at work"
            if NOT_BEGUN_TEXT in result.err:
                reason = f"{argv[0]} could not begin, as it does when another package manager is at work,"
            raise ControlError(f"{reason} for {LOCK_TIMEOUT_SECONDS} s: {extract_error(result)}")
        time.sleep(1)
        result = host.run_command(argv, timeout=TRANSACTION_TIMEOUT_SECONDS)
    if result.rc:
        raise ControlError(f"{argv[0]} could not: {extract_error(result)}")


def _is_busy(tool: str, result: ToolResult) -> bool:
    """Whether a tool gave way to another one: zypper's own lock, or rpm's, which all of them end up with."""
    text = result.err + result.out
    return (tool == "zypper" and result.rc == 7) or "transaction lock" in text or NOT_BEGUN_TEXT in text


def extract_error(result: ToolResult) -> str:
    """A tool's own errors in one line."""
    text = result.err.strip() or result.out.strip()
    errors = [line for line in text.splitlines() if line.lower().startswith(ERROR_PREFIXES)]
    return " ".join(" ".join(errors or [text]).split())[-400:]
