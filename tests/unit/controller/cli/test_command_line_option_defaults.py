"""What options a command has, and what each is where nobody gave it: what its help says, and else nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_parsers import options, parsers
from proscribe.controller.cli import command_line

PROJECT = Path(__file__).resolve().parents[4]
NOTHING = ("", None, False, [], (), 0)
SAID = re.compile(r"\(default: ([^),;]+)")


ALL = {
    f"{words} {'/'.join(action.option_strings) or action.dest}": action
    for command in command_line.COMMANDS
    for words, parser in parsers(command).items()
    for action in options(parser)
}


@pytest.mark.parametrize("name", ALL)
def test_what_an_option_is_where_nobody_gave_it(name: str) -> None:
    action = ALL[name]
    said = SAID.search(action.help or "")
    default = action.default
    if said and said[1] == "the project's own":
        assert default == str(PROJECT / "catalog")
    elif default not in NOTHING:
        assert said and said[1] == str(default), "its help says another default, or none"
