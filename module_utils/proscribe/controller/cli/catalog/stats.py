"""`./proscribe catalog stats`: per service and platform what can be seen, removed and blocked, and what is unknown."""

from __future__ import annotations

import argparse
import json
from typing import NamedTuple

from ...compile.catalogue.loading import Catalogue, Service
from ...compile.catalogue.schema import CATEGORIES
from ...compile.reading.package_names import NAMES
from ...report.text.layout import screen_width, table
from .. import say
from .chosen import Chosen

SCHEMA = "proscribe/catalog-stats/1"
# Other platforms' names: Windows hosts and Macs are only observed, the others are data for other tools.
ELSEWHERE = {"windows": ("winget", "choco", "appx"), "macos": ("brew", "brew_cask"), "android": ("android",)}


class Counts(NamedTuple):
    """How many identifiers a service has, by what they are for."""

    seen: int  # on Linux: packages, programs, files, marks of their makers
    removed: int  # of these, packages of a system that can remove them, and files that can be moved
    blocked: int  # domains, pages and extensions that browsers and the DNS filter refuse
    networks: int  # that the firewall refuses
    feeds: int  # values of feeds
    windows: int
    macos: int
    android: int
    unverified: int

    @property
    def nothing_known(self) -> bool:
        """Whether no control on Linux has anything."""
        return not (self.seen or self.blocked or self.networks or self.feeds)


def counts(service: Service, catalogue: Catalogue) -> Counts:
    """What is known of a service."""
    packages = sum(len(names) for system, names in service.packages.items() if system in NAMES)
    files = len(service.paths) + len(service.desktop_files)
    programs = len(service.processes) + sum(map(len, service.markers.values()))
    extensions = sum(map(len, service.browser_extensions.values()))
    elsewhere = {
        platform: sum(len(service.packages.get(key, ())) for key in keys) for platform, keys in ELSEWHERE.items()
    }
    registered = sum(map(len, service.windows_registered.values()))
    elsewhere["windows"] += len(service.windows_programs) + len(service.windows_processes) + registered
    elsewhere["macos"] += len(service.bundle_ids) + len(service.signing_ids) + len(service.team_ids)
    return Counts(
        seen=packages + files + programs,
        removed=packages + len(service.paths),
        blocked=len(service.domains) + len(service.urls) + len(service.mail_hosts) + extensions,
        networks=len(service.networks),
        feeds=sum(len(feed.values) for feed in catalogue.feeds.values() if feed.service == service.id),
        unverified=_leaves(service.unverified),
        **elsewhere,
    )


def _leaves(value: object) -> int:
    if isinstance(value, dict):
        return sum(_leaves(one) for key, one in value.items() if key != "notes")
    return len(value) if isinstance(value, list) else 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `stats`."""
    parser.add_argument(
        "--category", choices=CATEGORIES, metavar="NAME", help=f"only the services of one: {', '.join(CATEGORIES)}"
    )
    parser.add_argument("--json", action="store_true", help="the same for machines")


def run(arguments: argparse.Namespace, chosen: Chosen) -> int:
    """Count, and print the table."""
    catalogue = chosen.catalogue
    services = [one for one in catalogue.services.values() if arguments.category in (None, one.category)]
    found = {one.id: counts(one, catalogue) for one in services}
    unknown = sorted(one.id for one in services if one.enforce and found[one.id].nothing_known)
    total = {name: sum(getattr(one, name) for one in found.values()) for name in Counts._fields}
    if arguments.json:
        listed = {id_: {**one._asdict(), "nothing_known": one.nothing_known} for id_, one in found.items()}
        content = {"schema": SCHEMA, "release": catalogue.release._asdict(), "services": listed, "total": total}
        print(json.dumps(content | {"nothing_known": unknown}, indent=2))
        return 0
    rows = [(id_, *(f"{value or '-'}" for value in one)) for id_, one in found.items()]
    rows.append(("total", *(f"{n:,}" for n in total.values())))
    print("\n".join(table([("service", *Counts._fields), *rows], screen_width())))
    say(f"\nnothing is known of {len(unknown)} enforced services{': ' if unknown else ''}{', '.join(unknown)}")
    return 0
