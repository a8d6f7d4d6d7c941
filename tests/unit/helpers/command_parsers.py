"""The parsers of the commands."""

import argparse
import importlib
from collections.abc import Iterator


def parsers(command: str) -> dict[str, argparse.ArgumentParser]:
    """The parser of a command, and those of its subcommands, by the words that lead to each."""
    parser = argparse.ArgumentParser(add_help=False)
    importlib.import_module(f"proscribe.controller.cli.{command}").add_arguments(parser)
    below = [one.choices for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    return {command: parser, **{f"{command} {name}": one for choices in below for name, one in choices.items()}}


def options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Its own options and arguments."""
    return [one for one in parser._actions if not isinstance(one, (argparse._SubParsersAction, argparse._HelpAction))]


PARTS = ("metavar", "nargs", "const", "default", "choices", "type")


def described(parser: argparse.ArgumentParser) -> Iterator[str]:
    """All that a parser takes, a line for each option and subcommand."""
    for one in parser._actions:
        if isinstance(one, argparse._SubParsersAction):
            yield from (f"  {command.dest}: {command.help}" for command in one._choices_actions)
    for one in options(parser):
        found = {name: getattr(one, name) for name in PARTS if getattr(one, name) not in (None, False)}
        found = {name: getattr(value, "__name__", value) for name, value in found.items()}
        words = [f"{type(one).__name__} {one.dest}", *(f"{name}={value}" for name, value in found.items())]
        words += ["required"] if one.option_strings and one.required else []
        words += [one.help % vars(one)] if one.help else []
        yield f"  {'/'.join(one.option_strings)}: {'; '.join(words)}"
    for group in parser._mutually_exclusive_groups:
        yield f"  {'one' if group.required else 'at most one'} of: {[one.dest for one in group._group_actions]}"
    yield from (f"  always {name}={value}" for name, value in parser._defaults.items() if not callable(value))
