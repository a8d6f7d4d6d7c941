"""The launcher's commands that need no playbook: `explain`, `diff`, `waiver`, `report`. Controller only.

Each command is a module with `add_arguments(parser)` and `run(arguments) -> int`, the exit code.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping

from .. import installation
from ..report.collection.invocation import typed, where_we_are
from ..report.text.command import quoted


def program() -> tuple[str, ...]:
    """The arguments that start the launcher, as it was called."""
    if installation.COLLECTION:  # it has none
        return (*typed(sys.executable, where_we_are(os.environ)), str(installation.COMMAND))
    return typed(os.environ.get("PROSCRIBE_CALLED") or installation.LAUNCHER, where_we_are(os.environ))


class Help(argparse.RawDescriptionHelpFormatter):
    """Help whose examples can be pasted: they name the launcher as it was called."""

    def add_text(self, text: str | None) -> None:
        """Add a text."""
        super().add_text(text and text.replace("./proscribe", " ".join(map(quoted, program()))))


# A subcommand: what adds its options, what runs it, and what it does, in words that go on a sentence.
Subcommand = tuple[Callable[[argparse.ArgumentParser], None], Callable[..., int], str]


def add_subcommands(
    parser: argparse.ArgumentParser,
    subcommands: Mapping[str, Subcommand],
    options: Callable[[argparse.ArgumentParser], None],
) -> None:
    """The subcommands of a command, each with options of its own and those that all of them have. What runs the chosen
    one is `run_subcommand` of the parsed arguments.
    """
    found = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
    for name, (add, run, help_) in subcommands.items():
        subcommand = found.add_parser(
            name,
            help=help_,
            description=help_[0].upper() + help_[1:] + ".",
            formatter_class=Help,
            allow_abbrev=False,
        )
        add(subcommand)
        options(subcommand)
        subcommand.set_defaults(run_subcommand=run)


class Refused(Exception):
    """A command cannot do what it was asked; the text says why, and what would help. The exit code is 2."""
