"""Call of rpm, dnf or zypper that changes packages (a transaction). It waits for other package managers."""

from __future__ import annotations

import time
from typing import Sequence

from ....system import ControlError, Host, ToolResult

LOCK_TIMEOUT_SECONDS = 60  # time for another package manager to finish
TRANSACTION_TIMEOUT_SECONDS = (
    1800  # the scripts of a package may stop services; an interruption harms more than waiting
)

# Output of dnf5 (5.4) if rpm's lock is taken: it has no reason and no steps, so nothing has begun.
NOT_BEGUN_TEXT = "Running transaction\nTransaction failed: Rpm transaction failed."
# Beginnings of error lines of all tools.
ERROR_PREFIXES = (
    "error:",
    " problem",
    "problem",
    ">>> [rpm] ",
    "transaction failed:",
)


def run_transaction(host: Host, argv: Sequence[str]) -> None:
    """Run a command that changes packages.

    While another package manager is busy, try again for a minute. Raises ControlError if the command fails, or if the
    other package manager does not finish.
    """
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
    """Return whether a tool stopped because another package manager holds a lock.

    The lock is zypper's own, or rpm's, which all tools need.
    """
    text = result.err + result.out
    return (tool == "zypper" and result.rc == 7) or "transaction lock" in text or NOT_BEGUN_TEXT in text


def extract_error(result: ToolResult) -> str:
    """Return the error lines of a tool's output, joined to one line; all output if no line is an error.

    The line has at most 400 characters, the last ones.
    """
    text = result.err.strip() or result.out.strip()
    errors = [line for line in text.splitlines() if line.lower().startswith(ERROR_PREFIXES)]
    return " ".join(" ".join(errors or [text]).split())[-400:]
