"""Proposals of the next command to the user, with the launcher and the inventory of the current command."""

from __future__ import annotations

import argparse
import os

from ...wire import installation
from ..report.collection.invocation import get_working_directory, select_repeated_options
from ..report.text.shell_commands import CommandSuggestion, LauncherSubcommand, RunCall
from . import get_launcher_command, inventory


def propose_command(
    command: str, subcommand: LauncherSubcommand, arguments: argparse.Namespace | None = None
) -> list[CommandSuggestion]:
    """Return a proposed command of the launcher, preceded by the steps that the user must take first.

    `arguments` are those of the current command: the proposal repeats their inventory options. They are None for a
    command that reads no inventory.
    """
    options, withheld = select_repeated_options(inventory.list_inventory_options(arguments)) if arguments else ((), ())
    playbook = installation.name_playbook(command) if installation.COLLECTION else ""
    call = RunCall(get_launcher_command(), playbook=playbook, cwd=get_working_directory(os.environ), withheld=withheld)
    return [*call.list_secret_suggestions(), CommandSuggestion("", call.make_subcommand(command, options, subcommand))]


def format_suggestions(suggestions: list[CommandSuggestion]) -> list[str]:
    """Return suggestions as lines. Lines with commands are indented, so that `print_message` never wraps them."""
    directory = get_working_directory(os.environ)
    return [
        f"  {suggestion.command.line(directory)}" if suggestion.command else suggestion.text
        for suggestion in suggestions
    ]
