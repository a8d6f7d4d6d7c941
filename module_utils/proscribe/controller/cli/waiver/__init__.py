"""Command `./proscribe waiver` with its subcommands, which write, sign, verify, list and revoke waivers.

A waiver is an approved exception from the ban. Each subcommand has a module with a function for its options and a
function that runs it. The module `compile.waivers.waiver_status` alone decides the status of a waiver, also for plans
and reports.
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
    """Add the subcommands of `./proscribe waiver`, each with its own options and those of the inventory."""
    parser.description = SUMMARY
    add_subcommands(parser, SUBCOMMANDS, inventory.add_inventory_options)


def run(arguments: argparse.Namespace) -> int:
    """Run the chosen subcommand with the current time, and return its exit code."""
    return int(arguments.run_subcommand(arguments, datetime.datetime.now(datetime.timezone.utc)))
