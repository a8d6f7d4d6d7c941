"""Command `./proscribe waiver`: make, sign, verify, list and revoke exceptions.

Each subcommand is a file with a function for its options and a function that runs it. The status of a waiver is never
decided here, but in `compile.waivers.waiver_status`, as for plans and reports.
"""

from __future__ import annotations

import argparse
import datetime

from .. import add_subcommands, inventory
from . import listing, new, revoke, sign, verify

SUMMARY = "Create, sign, verify, list and revoke exceptions: one file each in the directory waivers/ of an inventory."

SUBCOMMANDS = {
    "new": (new.add_arguments, new.run, "write a new waiver, from options or prompts"),
    "sign": (sign.add_arguments, sign.run, "sign a waiver as its approver, with an SSH key"),
    "verify": (verify.add_arguments, verify.run, "show who signed waivers and whether the signatures are valid"),
    "list": (listing.add_list_arguments, listing.list_waivers, "list who may use what until when, worst first"),
    "expire-soon": (
        listing.add_soon_arguments,
        listing.list_due_waivers,
        "list waivers that end soon or are due for review; for cron",
    ),
    "revoke": (revoke.add_arguments, revoke.run, "revoke a waiver before it ends"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands, each with its own options."""
    parser.description = SUMMARY
    add_subcommands(parser, SUBCOMMANDS, inventory.add_inventory_options)


def run(arguments: argparse.Namespace) -> int:
    """Run a subcommand and return its exit code."""
    return int(arguments.run_subcommand(arguments, datetime.datetime.now(datetime.timezone.utc)))
