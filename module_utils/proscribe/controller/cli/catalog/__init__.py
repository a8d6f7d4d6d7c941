"""Command `./proscribe catalog`: content, gaps and age of the catalogue, and the lists that refresh it.

Each subcommand is a file with a function for its options and a function that runs it. No subcommand contacts a host.
`refresh` and `propose` write files for review, and `recall` writes the lists that it fetches. The others write nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ....wire.installation import CATALOGUE
from ...compile.catalogue.catalogue_loader import read_catalogue
from .. import CommandError, add_subcommands
from . import amendment_proposal, checking, listing, recall, refreshing, stats
from .loaded_catalogue import LoadedCatalogue

SUMMARY = "List, check and refresh the catalogue: what each service is made of."

SUBCOMMANDS = {
    "list": (listing.add_list_arguments, listing.list_services, "list the services, each with what is known of it"),
    "show": (
        listing.add_show_arguments,
        listing.show_service,
        "show a service: its values, where they come from, decisions",
    ),
    "check": (
        checking.add_arguments,
        checking.run_check,
        "check the catalogue, also against names that nobody may block",
    ),
    "stats": (stats.add_arguments, stats.run_stats, "count per service what can be seen, removed and blocked"),
    "stale": (listing.add_stale_arguments, listing.list_stale, "list what was not checked for too long"),
    "refresh": (
        refreshing.add_arguments,
        refreshing.run_refresh,
        "fetch publishers' lists, and write what changed for review",
    ),
    "recall": (recall.add_arguments, recall.run_recall, "compare the catalogue with public lists in a folder"),
    "propose": (
        amendment_proposal.add_arguments,
        amendment_proposal.run_proposal,
        "write an amendment from a list of names",
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands, each with its own options."""
    parser.description = SUMMARY
    add_subcommands(parser, SUBCOMMANDS, _add_catalogue_options)


def _add_catalogue_options(subcommand: argparse.ArgumentParser) -> None:
    """Add the options that name the catalogue's directories, which all subcommands have."""
    default_catalogue = str(CATALOGUE)
    subcommand.add_argument(
        "--catalog", default=default_catalogue, metavar="DIR", help="the catalogue (default: the project's own)"
    )
    subcommand.add_argument(
        "--dir", action="append", default=[], metavar="DIR", help="one of proscribe_catalog_dirs; may be repeated"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run a subcommand and return its exit code. Raises PolicyErrors for a catalogue with mistakes."""
    directories = [Path(directory) for directory in (arguments.catalog, *arguments.dir)]
    for directory in directories:
        if not directory.is_dir():
            raise CommandError(f"{directory} is not a directory; expected a catalogue, with <category>/<id>.yml files")
    return int(arguments.run_subcommand(arguments, LoadedCatalogue(directories, read_catalogue(directories))))
