"""`./proscribe catalog check`: what no load refuses, and is wrong all the same."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import NamedTuple

from ...compile.catalogue.known_good import read_known_good_lists
from ...compile.plans.identifiers import IDENTIFIER_READERS
from ...report.text.wording import counted
from .. import say
from .chosen import Chosen

SCHEMA = "proscribe/catalog-check/1"
FOUND = 1


class Problem(NamedTuple):
    """Something that is wrong with a service."""

    service: str
    what: str
    file: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `check`."""
    parser.epilog = (
        "A catalogue that cannot be loaded is refused with every mistake (exit code 2), and so is one that blocks\n"
        "what nobody may block (known_good.txt). Of one that can, this reports enforced services of which no control\n"
        "has anything, those without a front door, entries and networks without a day of checking. Exit code 1\n"
        "where there is one."
    )
    parser.add_argument("--json", action="store_true", help="the same for machines")


def run(arguments: argparse.Namespace, chosen: Chosen) -> int:
    """Print each problem; returns the exit code."""
    found = list(problems(chosen))
    if arguments.json:
        print(json.dumps({"schema": SCHEMA, "problems": [one._asdict() for one in found]}, indent=2))
    else:
        for one in found:
            say(f"{one.file}: {one.service}: {one.what}")
        names = len(read_known_good_lists(chosen.directories)[0].names)
        services = counted(len(chosen.catalogue.services), "service")
        say(f"{counted(len(found), 'problem')} in {services}; {names:,} known-good names")
    return FOUND if found else 0


def problems(chosen: Chosen) -> Iterator[Problem]:
    """Everything that is wrong with a catalogue that loads."""
    services = chosen.catalogue.services
    for service in services.values():
        if not service.enforce:
            continue
        if not any(find(service) for find in IDENTIFIER_READERS.values()):
            yield Problem(service.id, "is enforced, and no control has anything to look for", service.file)
        if (service.domains or service.urls) and not service.front_doors:
            yield Problem(service.id, "is enforced and says no front door (front_doors)", service.file)
        if not service.checked:
            yield Problem(service.id, "says no day of checking (checked)", service.file)
        if service.networks and not service.networks_checked:
            yield Problem(service.id, "says no day of checking its networks (networks_checked)", service.file)
