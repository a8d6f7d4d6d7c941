"""The options of a command as variables of its playbook: `-e explain_name=whatsapp` is `explain whatsapp`.

One rule gives their names: the command's name, and the option's, in lower case and with underscores: `--requested-by`
of `waiver` is `waiver_requested_by`. What has no option string is named as its help has it, `ID` as `waiver_id`. The
subcommand is in `<command>_do`, as in the playbook of the quarantines.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.utils.vars import load_extra_vars

from ..policy_errors import close_to, unknown_variables
from ..report.text.wording import clean
from . import Refused

COMMANDS = ("explain", "diff", "export", "waiver", "requests", "catalog", "init")
DO = "do"
# Of these the playbook's own run knows what is meant.
OF_THE_RUN = ("inventory", "extra_vars", "vault_ids", "vault_password_files", "ask_vault_pass", "help")


def typed_variables(loader: DataLoader) -> frozenset[str]:
    """The names of the variables that a run was given with -e."""
    return frozenset(map(str, load_extra_vars(loader)))


def variables_of(command: str, parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """The variables that stand for the options of a parser, each with its option."""
    actions = [one for one in parser._actions if not isinstance(one, argparse._SubParsersAction)]
    return {f"{command}_{_name(action)}": action for action in actions if action.dest not in OF_THE_RUN}


def _name(action: argparse.Action) -> str:
    long = [option[2:] for option in action.option_strings if option.startswith("--")]
    named = long[0] if long else action.metavar if isinstance(action.metavar, str) else action.dest
    return named.lower().replace("-", "_")


def arguments_of(command: str, variables: Mapping[str, Any], typed: Collection[str] = ()) -> list[str]:
    """The arguments of a command, of the variables that have its prefix; `typed` are those given with -e. Raises
    Refused for one that is mistyped or unknown, or has a value that the option cannot have.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    importlib.import_module(f".{command}", __package__).add_arguments(parser)
    given = {name: value for name, value in variables.items() if name.startswith(f"{command}_")}
    chosen: list[str] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            do = str(given.get(f"{command}_{DO}", ""))
            if do not in action.choices:
                expected = f"{' or '.join(action.choices)}{close_to(do, tuple(action.choices))}"
                raise Refused(f"{command}_{DO}: found {do!r}, expected {expected}")
            parser, chosen = action.choices[do], [do]
    actions = variables_of(command, parser)
    known = [*([f"{command}_{DO}"] if chosen else []), *actions]
    if mistakes := unknown_variables(given, typed, f"{command}_", known):
        raise Refused("\n".join(mistakes))
    options: list[str] = []
    values: list[str] = []
    for name, action in actions.items():
        if name in given:
            words = list(_words(name, action, given[name]))
            (options if action.option_strings else values).extend(words)
    return [*chosen, *options, *(["--", *values] if values else [])]


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
