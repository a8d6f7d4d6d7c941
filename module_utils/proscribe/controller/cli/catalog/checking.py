"""Command `./proscribe catalog check`: faults that loading the catalogue does not refuse."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import NamedTuple

from ...compile.catalogue.known_good import read_known_good_lists
from ...compile.plans.identifiers import list_blocking_controls
from ...report.text.wording import format_count
from .. import print_message
from .loaded_catalogue import LoadedCatalogue

SCHEMA = "proscribe/catalog-check/1"
FOUND_CODE = 1


class CatalogueProblem(NamedTuple):
    """A fault of a service: the service's id, a description of the fault, and the service's file."""

    service: str
    what: str
    file: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `check`."""
    parser.epilog = (
        "A catalogue that cannot be loaded is refused with every mistake (exit code 2), and so is one that blocks\n"
        "what nobody may block (known_good.txt). Of one that can, this reports enforced services of which no control\n"
        "has anything, those without a front door, entries and networks without a day of checking. Exit code 1\n"
        "where there is one."
    )
    parser.add_argument("--json", action="store_true", help="the same for machines")


def run_check(arguments: argparse.Namespace, loaded: LoadedCatalogue) -> int:
    """Print each problem of the catalogue, and return the exit code: FOUND_CODE for a problem, else 0."""
    found_problems = list(find_problems(loaded))
    if arguments.json:
        print(json.dumps({"schema": SCHEMA, "problems": [problem._asdict() for problem in found_problems]}, indent=2))
    else:
        for problem in found_problems:
            print_message(f"{problem.file}: {problem.service}: {problem.what}")
        names = len(read_known_good_lists(loaded.directories)[0].names)
        services = format_count(len(loaded.catalogue.services), "service")
        print_message(f"{format_count(len(found_problems), 'problem')} in {services}; {names:,} known-good names")
    return FOUND_CODE if found_problems else 0


def find_problems(loaded: LoadedCatalogue) -> Iterator[CatalogueProblem]:
    """Yield every fault of the enforced services in a catalogue that loads.

    A front door is an address that users type to reach a service, such as web.whatsapp.com.
    """
    services = loaded.catalogue.services
    for service in services.values():
        if not service.enforce:
            continue
        if not list_blocking_controls(service):
            yield CatalogueProblem(service.id, "is enforced, and no control has anything to look for", service.file)
        if (service.domains or service.urls) and not service.front_doors:
            yield CatalogueProblem(service.id, "is enforced and says no front door (front_doors)", service.file)
        if not service.checked:
            yield CatalogueProblem(service.id, "says no day of checking (checked)", service.file)
        if service.networks and not service.networks_checked:
            yield CatalogueProblem(service.id, "says no day of checking its networks (networks_checked)", service.file)
