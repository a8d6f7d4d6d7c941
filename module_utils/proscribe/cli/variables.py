"""The options of a command as variables of its playbook: `-e explain_name=whatsapp` is `explain whatsapp`.

The names come from the command's own parser: its name, an underscore, and the option's. The subcommand is in
`<command>_do`, as in the playbook of the quarantines.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from ..policy_errors import close_to
from ..report.text.wording import clean
from . import Refused

COMMANDS = ("explain", "diff", "waiver", "catalog")
DO = "do"
# Of these the playbook's own run knows what is meant.
OF_THE_RUN = ("inventory", "extra_vars", "vault_ids", "vault_password_files", "ask_vault_pass", "help")


def arguments_of(command: str, variables: Mapping[str, Any]) -> list[str]:
    """The arguments of a command, of the variables that have its prefix. Raises Refused for one that is mistyped, or
    has a value that the option cannot have.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    importlib.import_module(f".{command}", __package__).add_arguments(parser)
    given = {name.removeprefix(f"{command}_"): value for name, value in variables.items() if _is_of(name, command)}
    chosen: list[str] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            do = str(given.get(DO, ""))
            if do not in action.choices:
                expected = f"{' or '.join(action.choices)}{close_to(do, tuple(action.choices))}"
                raise Refused(f"{command}_{DO}: found {do!r}, expected {expected}")
            parser, chosen = action.choices[do], [do]
    actions = {action.dest: action for action in parser._actions if action.dest not in OF_THE_RUN}
    known = [f"{command}_{name}" for name in (*actions, *([DO] if chosen else []))]
    for name in (f"{command}_{name}" for name in given):
        if name not in known and (close := difflib.get_close_matches(name, known, 1, 0.8)):
            raise Refused(f"{name}: found an unknown variable, expected {close[0]}")
    options: list[str] = []
    values: list[str] = []
    for name, action in actions.items():
        if name in given:
            words = list(_words(f"{command}_{name}", action, given[name]))
            (options if action.option_strings else values).extend(words)
    return [*chosen, *options, *(["--", *values] if values else [])]


def _is_of(name: str, command: str) -> bool:
    return name.startswith(f"{command}_")


def _words(name: str, action: argparse.Action, value: Any) -> Iterator[str]:
    """The words of one option; it and its value are one word, so that no value is taken for an option."""
    option = action.option_strings[-1] if action.option_strings else ""
    if action.nargs == 0:
        if str(value).lower() not in ("true", "false"):
            raise Refused(f"{name}: found {clean(value)}, expected true or false")
        yield from [option] if str(value).lower() == "true" else []
        return
    several = isinstance(action, argparse._AppendAction) or action.nargs in ("+", "*")
    values = value if isinstance(value, list) else [value]
    if len(values) > 1 and not several:
        raise Refused(f"{name}: found a list, expected one value")
    if any(isinstance(one, dict | list) for one in values):
        raise Refused(f"{name}: found {type(values[0]).__name__}, expected a text, or a list of texts")
    yield from (f"{option}={one}" if option else str(one) for one in values)
