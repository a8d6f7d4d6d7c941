"""Command `./proscribe catalog stats`: numbers of identifiers per service, by platform and by use.

The identifiers serve to observe, remove or block a service; unverified ones are counted, too.
"""

from __future__ import annotations

import argparse
import json
from typing import NamedTuple

from ...compile.catalogue.catalogue_loader import Catalogue, Service
from ...compile.catalogue.schema import CATEGORIES
from ...compile.reading.package_names import NAMES
from ...report.text.terminal_layout import format_table, get_screen_width
from .. import print_message
from .loaded_catalogue import LoadedCatalogue

SCHEMA = "proscribe/catalog-stats/1"
# Package systems of other platforms: Windows hosts and Macs are only observed, Android names are data for other tools.
PLATFORM_SYSTEMS = {"windows": ("winget", "choco", "appx"), "macos": ("brew", "brew_cask"), "android": ("android",)}


class IdentifierCounts(NamedTuple):
    """The numbers of a service's identifiers, by purpose."""

    seen: int  # on Linux: packages, programs, files, vendor marks
    removed: int  # of these, packages that can be removed, and files that can be moved
    blocked: int  # domains, pages and extensions that browsers and the DNS filter refuse
    networks: int  # networks that the firewall refuses
    feeds: int  # values of feeds
    windows: int
    macos: int
    android: int
    unverified: int

    @property
    def nothing_known(self) -> bool:
        """Return True if no control on Linux has an identifier of the service."""
        return not (self.seen or self.blocked or self.networks or self.feeds)


def count_identifiers(service: Service, catalogue: Catalogue) -> IdentifierCounts:
    """Count the identifiers of a service and of its feeds, by purpose and platform."""
    packages = sum(len(names) for system, names in service.packages.items() if system in NAMES)
    files = len(service.paths) + len(service.desktop_files)
    programs = len(service.processes) + sum(map(len, service.markers.values()))
    extensions = sum(map(len, service.browser_extensions.values()))
    platform_counts = {
        platform: sum(len(service.packages.get(key, ())) for key in keys) for platform, keys in PLATFORM_SYSTEMS.items()
    }
    registered_count = sum(map(len, service.windows_registered.values()))
    images = (*service.windows_processes, *service.windows_shared_processes)
    platform_counts["windows"] += len(service.windows_programs) + len(images) + registered_count
    platform_counts["macos"] += len(service.bundle_ids) + len(service.signing_ids) + len(service.team_ids)
    return IdentifierCounts(
        seen=packages + files + programs,
        removed=packages + len(service.paths),
        blocked=len(service.domains) + len(service.urls) + len(service.mail_hosts) + extensions,
        networks=len(service.networks),
        feeds=sum(len(feed.values) for feed in catalogue.feeds.values() if feed.service == service.id),
        unverified=_count_leaves(service.unverified),
        **platform_counts,
    )


def _count_leaves(node: object) -> int:
    """Count the texts in all lists of an entry's `unverified`, at any depth; its `notes` do not count."""
    if isinstance(node, dict):
        return sum(_count_leaves(child) for key, child in node.items() if key != "notes")
    return len(node) if isinstance(node, list) else 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `stats`."""
    parser.add_argument(
        "--category", choices=CATEGORIES, metavar="NAME", help=f"only the services of one: {', '.join(CATEGORIES)}"
    )
    parser.add_argument("--json", action="store_true", help="the same for machines")


def run_stats(arguments: argparse.Namespace, loaded: LoadedCatalogue) -> int:
    """Print the number of identifiers of each service, as a table or as JSON, and return 0.

    The output also names the enforced services without any identifier for Linux.
    """
    catalogue = loaded.catalogue
    services = [service for service in catalogue.services.values() if arguments.category in (None, service.category)]
    counts_by_service = {service.id: count_identifiers(service, catalogue) for service in services}
    unknown_services = sorted(
        service.id for service in services if service.enforce and counts_by_service[service.id].nothing_known
    )
    total = {
        name: sum(getattr(counts, name) for counts in counts_by_service.values()) for name in IdentifierCounts._fields
    }
    if arguments.json:
        service_entries = {
            service_id: {**counts._asdict(), "nothing_known": counts.nothing_known}
            for service_id, counts in counts_by_service.items()
        }
        document = {
            "schema": SCHEMA,
            "release": catalogue.release._asdict(),
            "services": service_entries,
            "total": total,
        }
        print(json.dumps(document | {"nothing_known": unknown_services}, indent=2))
        return 0
    table_rows = [
        (service_id, *(f"{count or '-'}" for count in counts)) for service_id, counts in counts_by_service.items()
    ]
    table_rows.append(("total", *(f"{count:,}" for count in total.values())))
    print("\n".join(format_table([("service", *IdentifierCounts._fields), *table_rows], get_screen_width())))
    print_message(
        f"\nnothing is known of {len(unknown_services)} enforced "
        f"services{': ' if unknown_services else ''}{', '.join(unknown_services)}"
    )
    return 0
