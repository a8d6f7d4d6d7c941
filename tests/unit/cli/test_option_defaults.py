"""What an option is where nobody gave it: what its help says, and else nothing."""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from proscribe.controller.cli import command_line

PROJECT = Path(__file__).resolve().parents[3]
NOTHING = ("", None, False, [], (), 0)
SAID = re.compile(r"\(default: ([^),;]+)")


def options(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, argparse.Action]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub, below in action.choices.items():
                yield from options(below, f"{name} {sub}")
        elif action.dest != "help":
            yield f"{name} {'/'.join(action.option_strings) or action.dest}", action


def all_options() -> Iterator[tuple[str, argparse.Action]]:
    for command in command_line.COMMANDS:
        parser = argparse.ArgumentParser(command)
        importlib.import_module(f"proscribe.controller.cli.{command}").add_arguments(parser)
        yield from options(parser, command)


ALL = dict(all_options())


@pytest.mark.parametrize("name", ALL)
def test_what_an_option_is_where_nobody_gave_it(name: str) -> None:
    action = ALL[name]
    said = SAID.search(action.help or "")
    default = action.default
    if said and said[1] == "the project's own":
        assert default == str(PROJECT / "catalog")
    elif default not in NOTHING:
        assert said and said[1] == str(default), "its help says another default, or none"
