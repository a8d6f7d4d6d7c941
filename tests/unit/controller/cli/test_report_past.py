"""What the history says, on the screen and for machines; and `./proscribe report`, which asks it."""

from __future__ import annotations

import argparse

import pytest
from proscribe.controller.cli import Refused
from proscribe.controller.cli import report as word
from proscribe.controller.compile.inventory.reports_place import Place
from proscribe.controller.report.terminal.summary import Screen

# -- the word ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def ask(tmp_path):
    """`./proscribe report` with those options, on reports in tmp_path."""
    parser = argparse.ArgumentParser()
    word.add_arguments(parser)
    return lambda *options: word.answer(parser.parse_args(options), Screen(100, 60), Place(tmp_path, "a test"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "no complete report latest in .*; there is none yet"),
        (("--run", "nosuch"), "no complete report nosuch"),
        (("--since", "30d"), "there is no history yet"),
        (("--since", "30d", "--history", "off"), "proscribe_history is off"),
        (("--since", "30d", "--run", "x"), "--run and --write are about one run"),
        (("--host", "x", "--write"), "--run and --write are about one run"),
    ],
)
def test_what_cannot_be_answered_is_refused(ask, options, message):
    with pytest.raises(Refused, match=message):
        ask(*options)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "2026-11-01 08:00", "01.11.2026", "30"])
def test_since_nothing_that_is_a_time(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is no day such as 2026-11-01, and not a length of time"):
        word.since(text)
