"""Commands that a command without a playbook proposes: with the same launcher, and the same inventory."""

from __future__ import annotations

import argparse
import os

from ...wire import installation
from ..report.collection.invocation import get_working_directory, select_repeated_options
from ..report.text.command import Call, Subcommand, Suggestion
from . import inventory, program


def propose(word: str, more: Subcommand, arguments: argparse.Namespace | None = None) -> list[Suggestion]:
    """Return the command, below what has to be done before it works. `arguments` have the options of the inventory; a
    command that reads none has none.
    """
    options, withheld = select_repeated_options(inventory.inventory_options(arguments)) if arguments else ((), ())
    playbook = installation.name_playbook(word) if installation.COLLECTION else ""
    call = Call(program(), playbook=playbook, cwd=get_working_directory(os.environ), withheld=withheld)
    return [*call.secrets(), Suggestion("", call.subcommand(word, options, more))]


def format_suggestions(suggestions: list[Suggestion]) -> list[str]:
    """Return suggestions as lines. Those with commands begin with blanks, so that nothing breaks them."""
    here = get_working_directory(os.environ)
    return [f"  {step.command.line(here)}" if step.command else step.text for step in suggestions]
