"""The parsers of the commands."""

from __future__ import annotations

import argparse
import importlib


def parsers(command: str) -> dict[str, argparse.ArgumentParser]:
    """The parser of a command, and those of its subcommands, by the words that lead to each."""
    parser = argparse.ArgumentParser(add_help=False)
    importlib.import_module(f"proscribe.controller.cli.{command}").add_arguments(parser)
    below = [one.choices for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    return {command: parser, **{f"{command} {name}": one for choices in below for name, one in choices.items()}}


def options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Its own options and arguments."""
    return [one for one in parser._actions if not isinstance(one, (argparse._SubParsersAction, argparse._HelpAction))]
