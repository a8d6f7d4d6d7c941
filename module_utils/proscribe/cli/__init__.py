"""The launcher's commands that need no playbook: `explain`, `diff`, `waiver`, `report`. Controller only.

Each command is a module with `add_arguments(parser)` and `run(arguments) -> int`, the exit code.
"""

from __future__ import annotations

import argparse
import os

from ..report.collection.invocation import typed, where_we_are
from ..report.text.command import LAUNCHER, quoted


def program() -> tuple[str, ...]:
    """The arguments that start the launcher, as it was called."""
    return typed(os.environ.get("PROSCRIBE_CALLED") or LAUNCHER, where_we_are(os.environ))


class Help(argparse.RawDescriptionHelpFormatter):
    """Help whose examples can be pasted: they name the launcher as it was called."""

    def add_text(self, text: str | None) -> None:
        """Add a text."""
        super().add_text(text and text.replace("./proscribe", " ".join(map(quoted, program()))))


class Refused(Exception):
    """A command cannot do what it was asked; the text says why, and what would help. The exit code is 2."""
