"""The launcher's words that need no playbook: `explain`, `diff`, `waiver`, `report`. Controller only.

Each word is a module with `add_arguments(parser)` and `run(arguments) -> int`, the exit code.
"""

from __future__ import annotations


class Refused(Exception):
    """A word cannot do what it was asked; the text says why, and what would help. Ends with exit code 2."""
