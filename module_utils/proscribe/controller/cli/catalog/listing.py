"""Commands `./proscribe catalog list`, `show` and `stale`."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ....base.duration import format_duration, parse_duration
from ....wire.installation import CATALOGUE
from ...compile.catalogue.catalogue_loader import Service
from ...compile.catalogue.entry_types import Compared
from ...compile.catalogue.freshness import ENTRY, FEED, NETWORKS, StaleEntry, find_accepted_entries, find_stale_entries
from ...compile.catalogue.schema import CATEGORIES
from ...compile.plans.identifiers import list_blocking_controls
from ...report.text.shell_commands import LauncherSubcommand
from ...report.text.terminal_layout import fit_lines, format_table, get_screen_width
from ...report.text.wording import clean_text
from .. import print_message
from ..suggestions import format_suggestions, propose_command
from .loaded_catalogue import LoadedCatalogue
from .publishers import read_publishers, select_publisher_ids

LIST_SCHEMA, SERVICE_SCHEMA, STALE_SCHEMA = "proscribe/catalog-list/1", "proscribe/service/1", "proscribe/stale/1"
STALE_CODE = 1  # exit code of `stale` if an entry is stale
# By kind of stale entry: the destinations of lists (`into` in publishers.yml) that refresh it.
_PUBLISHED_KINDS = {
    ENTRY: ("domains",),
    NETWORKS: ("networks",),
    FEED: ("feed",),
}


def add_list_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `list`."""
    parser.add_argument(
        "--category", choices=CATEGORIES, metavar="NAME", help=f"only the services of one: {', '.join(CATEGORIES)}"
    )
    parser.add_argument("--json", action="store_true", help="the same for machines")


def list_services(arguments: argparse.Namespace, loaded: LoadedCatalogue) -> int:
    """Print every service, sorted by category, as a table or as JSON, and return 0."""
    services = [
        service for service in loaded.catalogue.services.values() if arguments.category in (None, service.category)
    ]
    services.sort(key=lambda service: (CATEGORIES.index(service.category), service.id))
    if arguments.json:
        service_entries = [
            {"id": service.id, "name": service.name, "category": service.category, **_make_service_facts(service)}
            for service in services
        ]
        release = loaded.catalogue.release._asdict()
        print(json.dumps({"schema": LIST_SCHEMA, "release": release, "services": service_entries}, indent=2))
        return 0
    header = ("service", "category", "enforced", "checked", "controls")
    rows = [
        (
            service.id,
            service.category,
            "yes" if service.enforce else "no",
            service.checked or "never",
            _format_controls(service),
        )
        for service in services
    ]
    print("\n".join(format_table([header, *rows], get_screen_width())))
    return 0


def _make_service_facts(service: Service) -> dict[str, object]:
    """Return the facts about a service for `catalog list --json`, without id, name and category.

    A day of checking is None if the service was never checked.
    """
    return {
        "audience": service.audience,
        "enforce": service.enforce,
        "checked": service.checked or None,
        "networks_checked": service.networks_checked or None,
        "controls": _format_controls(service).split(", ") if _format_controls(service) != "none" else [],
        "file": service.file,
    }


def _format_controls(service: Service) -> str:
    """Return the controls for which the catalogue has identifiers of a service, as text; `none` without any."""
    return ", ".join(list_blocking_controls(service)) or "none"


def add_show_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `show`."""
    parser.add_argument("service", metavar="SERVICE", help="the id of a service, such as telegram")
    parser.add_argument("--json", action="store_true", help="the same for machines")


def show_service(arguments: argparse.Namespace, loaded: LoadedCatalogue) -> int:
    """Print a service with the origins of its values, as text or as JSON, and return 0."""
    service = loaded.find_service(arguments.service)
    feeds = [feed for feed in loaded.catalogue.feeds.values() if feed.service == service.id]
    if arguments.json:
        feed_entries = [
            {
                "id": service_feed.id,
                "kind": service_feed.kind,
                "checked": service_feed.checked,
                "values": len(service_feed.values),
                "agreement": service_feed.agreement or None,
                "compared": service_feed.compared,
            }
            for service_feed in feeds
        ]
        print(json.dumps({"schema": SERVICE_SCHEMA, **dataclasses.asdict(service), "feeds": feed_entries}, indent=2))
        return 0
    lines = [f"{service.id}  {service.name}, {service.category}", f"  file: {service.file}"]
    for key, field_value in dataclasses.asdict(service).items():
        if field_value and key not in (
            "id",
            "name",
            "category",
            "file",
            "origins",
            "decided",
            "unverified",
            "compared",
        ):
            lines += _format_key(key, field_value, service.origins)
    lines += _format_key("unverified", service.unverified, {}) if service.unverified else []
    for decision in service.decided:
        lines.append(f"  {decision['as']}: {', '.join(decision['names'])}: {decision['why']}")
    lines += _format_comparisons(service.compared)
    for service_feed in feeds:
        agreement = f", an agreement of {service_feed.agreement}" if service_feed.agreement else ""
        lines.append(
            f"  feed {service_feed.id}: {len(service_feed.values):,} {service_feed.kind}{agreement}, checked "
            f"{service_feed.checked}"
        )
        lines += [f"  {line}" for line in _format_comparisons(service_feed.compared)]
    print(fit_lines("\n".join(map(clean_text, lines)), get_screen_width()))
    return 0


def _format_comparisons(records: Iterable[Compared]) -> list[str]:
    """Return a line for each comparison with a publisher's list."""
    return [
        f"  compared with {comparison['with']} on {comparison['day']}: {comparison['values']} values, sha256 "
        f"{comparison['sha256']}" + (f", {comparison['version']}" if "version" in comparison else "")
        for comparison in records
    ]


def _format_key(key: str, content: Any, origins: Mapping[str, str]) -> list[str]:
    """Return the lines for a key of an entry and its content.

    A mapping gives the lines of its keys, named `packages.apt`. A list gives a line for each value, with its origin.
    `origins` has the amendment file by value.
    """
    if isinstance(content, Mapping):
        return [
            line
            for inner_key, element in content.items()
            for line in _format_key(f"{key}.{inner_key}", element, origins)
        ]
    if isinstance(content, str | bool):
        return [f"  {key}: {str(content).lower() if isinstance(content, bool) else content}"]
    values: Iterable[Any] = content
    return [f"  {key}:", *(f"    {element}{_format_origin(element, origins)}" for element in values)]


def _format_origin(element: object, origins: Mapping[str, str]) -> str:
    """Return the amendment file that added a value, in brackets; "" for a value of the entry's own file."""
    return f"  ({origins[element]})" if isinstance(element, str) and element in origins else ""


def add_stale_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `stale`."""
    parser.epilog = (
        "Each line has the command that refreshes it, or says that no publisher has a list. What somebody accepts\n"
        "(checked_accepted) comes last, and is not stale. Exit code 1 where something is stale, 0 where nothing is."
    )
    parser.add_argument(
        "--max-age",
        type=_parse_days,
        default="180d",
        metavar="LENGTH",
        help="as proscribe_catalog_max_age (default: 180d)",
    )
    parser.add_argument("--json", action="store_true", help="the same for machines")


def _parse_days(text: str) -> int:
    """Parse a duration such as `180d`, and return its whole days.

    Raises ArgumentTypeError for a text that is no duration.
    """
    try:
        return parse_duration(text) // 86400
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def list_stale(arguments: argparse.Namespace, loaded: LoadedCatalogue) -> int:
    """Print the enforced entries that were not checked for too long, each with its remedy, then the accepted ones.

    The oldest come first. Return STALE_CODE if an entry is stale, else 0.
    """
    service_ids = {service.id for service in loaded.catalogue.services.values() if service.enforce}
    today = datetime.datetime.now(datetime.timezone.utc).date()
    stale_entries = find_stale_entries(loaded.catalogue, service_ids, today, arguments.max_age)
    accepted_entries = find_accepted_entries(loaded.catalogue, service_ids, today, arguments.max_age)
    publishers = read_publishers(loaded.directories)
    publishers_by_entry = {
        stale_entry: select_publisher_ids(publishers, _PUBLISHED_KINDS[stale_entry.what], stale_entry.id)
        for stale_entry in stale_entries
    }
    if arguments.json:
        stale_data = [
            {**stale_entry._asdict(), "publishers": publishers_by_entry[stale_entry]} for stale_entry in stale_entries
        ]
        accepted_data = [
            {**stale_entry._asdict(), "until": acceptance["until"], "why": acceptance["why"]}
            for stale_entry, acceptance in accepted_entries
        ]
        print(json.dumps({"schema": STALE_SCHEMA, "stale": stale_data, "accepted": accepted_data}, indent=2))
        return STALE_CODE if stale_entries else 0
    for stale_entry in stale_entries:
        for line in _describe_refresh(stale_entry, publishers_by_entry[stale_entry], arguments):
            print_message(line)
    for stale_entry, acceptance in accepted_entries:
        print_message(f"{stale_entry}; accepted until {acceptance['until']}: {acceptance['why']}")
    if not stale_entries:
        accepted_note = " or is accepted" if accepted_entries else ""
        print_message(
            f"everything that is enforced was checked within "
            f"{format_duration(arguments.max_age * 86400)}{accepted_note}"
        )
    return STALE_CODE if stale_entries else 0


def _describe_refresh(stale_entry: StaleEntry, publishers: Sequence[str], arguments: argparse.Namespace) -> list[str]:
    """Return lines for the screen with a stale entry and the command that refreshes it, if a publisher has a list."""
    if not publishers:
        return [f"{stale_entry}; no publisher has a list: compare it by hand, or accept it (checked_accepted)"]
    options: dict[str, str | Sequence[str]] = {}
    options |= {"catalog": arguments.catalog} if arguments.catalog != str(CATALOGUE) else {}
    options |= {"dir": arguments.dir} if arguments.dir else {}
    return [
        f"{stale_entry}; this refreshes it:",
        *format_suggestions(propose_command("catalog", LauncherSubcommand("refresh", options, {"list": publishers}))),
    ]
