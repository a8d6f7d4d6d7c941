"""The parsers of the commands."""

import argparse
import importlib


def parsers(command: str) -> dict[str, argparse.ArgumentParser]:
    """The parser of a command, and those of its subcommands, by the words that lead to each."""
    parser = argparse.ArgumentParser(add_help=False)
    importlib.import_module(f"proscribe.controller.cli.{command}").add_arguments(parser)
    below = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return {command: parser, **{f"{command} {name}": one for choices in below for name, one in choices.items()}}
