"""Options of a command as variables of its playbook: `-e explain_name=whatsapp` means `explain whatsapp`.

A variable's name has the command and the option, in lower case and with underscores: `--requested-by` of `waiver` is
`waiver_requested_by`. A positional argument has the name that the help shows: `ID` of `waiver` is `waiver_id`. The
variable `<command>_do` has the subcommand, as in the playbook of the quarantine.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.utils.vars import load_extra_vars

from ..policy_errors import list_variable_mistakes, propose_similar_names
from ..report.text.wording import clean_text
from . import CommandError

COMMANDS = ("explain", "diff", "export", "waiver", "requests", "catalog", "init")
SUBCOMMAND_VARIABLE = "do"
# These options have no variable, because the call of the playbook itself sets them.
RUN_OPTIONS = ("inventory", "extra_vars", "vault_ids", "vault_password_files", "ask_vault_pass", "help")


def list_typed_variables(loader: DataLoader) -> frozenset[str]:
    """Return the names of the variables that a run received with -e."""
    return frozenset(map(str, load_extra_vars(loader)))


def map_variables(command: str, parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """Return the options and positional arguments of a command's parser by variable name.

    Subcommands and the options of the playbook's own call (RUN_OPTIONS) are left out.
    """
    actions = [action for action in parser._actions if not isinstance(action, argparse._SubParsersAction)]
    return {
        f"{command}_{_make_variable_suffix(action)}": action for action in actions if action.dest not in RUN_OPTIONS
    }


def _make_variable_suffix(action: argparse.Action) -> str:
    """Return the name of an option or positional argument, as it appears in the name of its variable.

    It is the first long option, else the metavar that the help shows, else the attribute's name.
    """
    long_options = [option[2:] for option in action.option_strings if option.startswith("--")]
    option_name = (
        long_options[0] if long_options else action.metavar if isinstance(action.metavar, str) else action.dest
    )
    return option_name.lower().replace("-", "_")


def make_arguments(command: str, variables: Mapping[str, Any], typed_names: Collection[str] = ()) -> list[str]:
    """Return the command line arguments of a command, made from the variables of its playbook.

    Variables of other commands are ignored: the names of a command's variables begin with its name. `typed_names` are
    the variables given with -e: any unknown name among them is a mistake. Raises CommandError for a mistyped or unknown
    variable, and for a value that the option does not accept.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    importlib.import_module(f".{command}", __package__).add_arguments(parser)
    command_variables = {
        name: variable_value for name, variable_value in variables.items() if name.startswith(f"{command}_")
    }
    subcommand_words: list[str] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            subcommand = str(command_variables.get(f"{command}_{SUBCOMMAND_VARIABLE}", ""))
            if subcommand not in action.choices:
                expected = f"{' or '.join(action.choices)}{propose_similar_names(subcommand, tuple(action.choices))}"
                raise CommandError(f"{command}_{SUBCOMMAND_VARIABLE}: found {subcommand!r}, expected {expected}")
            parser, subcommand_words = action.choices[subcommand], [subcommand]
    actions = map_variables(command, parser)
    known_names = [*([f"{command}_{SUBCOMMAND_VARIABLE}"] if subcommand_words else []), *actions]
    if mistakes := list_variable_mistakes(command_variables, typed_names, f"{command}_", known_names):
        raise CommandError("\n".join(mistakes))
    options: list[str] = []
    values: list[str] = []
    for name, action in actions.items():
        if name in command_variables:
            option_words = list(_iterate_words(name, action, command_variables[name]))
            (options if action.option_strings else values).extend(option_words)
    return [*subcommand_words, *options, *(["--", *values] if values else [])]


def _iterate_words(name: str, action: argparse.Action, variable_value: Any) -> Iterator[str]:
    """Yield the command line arguments that pass a variable's value to an option or a positional argument.

    An option and its value are a single argument, so that no value is read as an option. Raises CommandError for a
    value of the wrong type.
    """
    option = action.option_strings[-1] if action.option_strings else ""
    if action.nargs == 0:
        if str(variable_value).lower() not in ("true", "false"):
            raise CommandError(f"{name}: found {clean_text(variable_value)}, expected true or false")
        yield from [option] if str(variable_value).lower() == "true" else []
        return
    takes_several = isinstance(action, argparse._AppendAction) or action.nargs in ("+", "*")
    values = variable_value if isinstance(variable_value, list) else [variable_value]
    if len(values) > 1 and not takes_several:
        raise CommandError(f"{name}: found a list, expected one value")
    if any(isinstance(text, dict | list) for text in values):
        raise CommandError(f"{name}: found {type(values[0]).__name__}, expected a text, or a list of texts")
    yield from (f"{option}={text}" if option else str(text) for text in values)
