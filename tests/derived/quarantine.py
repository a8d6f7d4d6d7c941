"""The options of `./proscribe quarantine`, in docs/apps.md."""

import argparse

from proscribe.controller.cli.quarantine import add_arguments
from proscribe.controller.quarantine.request import VARIABLE_NAMES

from .part import Part, table


def options():
    parser = argparse.ArgumentParser(add_help=False)
    add_arguments(parser)
    actions = [action for action in parser._actions if action.option_strings]
    rows = (
        (f"`{action.option_strings[0]}`", action.help or "", f"`{VARIABLE_NAMES[action.dest]}`") for action in actions
    )
    return table(("option", "what", "with plain Ansible"), rows)


DERIVED = (Part("docs/apps.md", options, "options of quarantine"),)
