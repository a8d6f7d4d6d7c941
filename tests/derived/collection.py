"""What each command of the launcher is in a collection, and the variables of those that need no host."""

import argparse
import importlib
import re
import textwrap
from pathlib import Path

from proscribe.controller.cli import option_variables
from proscribe.controller.cli.collection import DEFAULT_NAME, DEFAULT_NAMESPACE
from proscribe.controller.cli.collection.layout import read_source_files
from proscribe.controller.cli.collection.metadata import list_group_modules

from .part import parts_of, table

PROJECT = Path(__file__).resolve().parents[2]
COLLECTION = f"{DEFAULT_NAMESPACE}.{DEFAULT_NAME}"
# What a collection has no counterpart of, and why.
ABSENT = {
    "collection": "a checkout builds it",
    "scheduled": "timers of a checkout start it; a cron job or an automation controller starts `drift`",
    "test": "the tests are in the checkout",
}
LIMITED = {
    "schedule": "only `proscribe_schedule` `awx` and `off`",
    "catalog": "`refresh` needs a catalogue of your own",
}


def commands():
    launcher = (PROJECT / "proscribe").read_text(encoding="utf-8")
    found = re.search(r"^commands='(.*)'$", launcher, re.MULTILINE)
    assert found, "the launcher names its commands"
    return table(("command", "in the collection", "remarks"), map(_row, found[1].split()))


def _row(command):
    if command in ABSENT:
        return f"`{command}`", "-", ABSENT[command]
    assert (PROJECT / f"playbooks/{command}.yml").exists(), f"{command} is neither a playbook nor in ABSENT"
    own = " with the variables below" if command in (*option_variables.COMMANDS, "report") else ""
    return f"`{command}`", f"`ansible-playbook {COLLECTION}.{command}`{own}", LIMITED.get(command, "")


def options():
    return table(("command", "variables"), _variables())


def _variables():
    for command in (*option_variables.COMMANDS, "report"):
        parser = argparse.ArgumentParser(add_help=False)
        importlib.import_module(f"proscribe.controller.cli.{command}").add_arguments(parser)
        nested = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        chosen = {name: one for choices in nested for name, one in choices.items()} or {"": parser}
        for name, one in chosen.items():
            named = option_variables.map_variables(command, one)
            do = f" with `{command}_{option_variables.SUBCOMMAND_VARIABLE}={name}`" if name else ""
            yield f"`{command}`{do}", ", ".join(f"`{name_}`" for name_ in named)


def group():
    """The modules of the action group, as meta/runtime.yml has it."""
    names = ", ".join(f"`{name}`" for name in list_group_modules(read_source_files(PROJECT)))
    return "".join(f"{line}\n" for line in textwrap.wrap(f"{names}.", 120))


TEXTS = {"group of modules": group, "commands": commands, "variables of commands": options}
DERIVED = parts_of("docs/collection.md", TEXTS)
