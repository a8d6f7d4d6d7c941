"""`./proscribe catalog list`, `show` and `find_stale_entries`."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ....base.duration import format_duration, parse_duration
from ....wire.installation import CATALOGUE
from ...compile.catalogue.entries import Compared
from ...compile.catalogue.freshness import ENTRY, FEED, NETWORKS, StaleEntry, find_accepted_entries, find_stale_entries
from ...compile.catalogue.loading import Service
from ...compile.catalogue.schema import CATEGORIES
from ...compile.plans.identifiers import IDENTIFIER_READERS
from ...report.text.command import Subcommand
from ...report.text.layout import fitted, screen_width, table
from ...report.text.wording import clean
from .. import say
from ..next_command import format_suggestions, propose
from .chosen import Chosen
from .publishers import all_publishers, of_item

LIST_SCHEMA, SERVICE_SCHEMA, STALE_SCHEMA = "proscribe/catalog-list/1", "proscribe/service/1", "proscribe/stale/1"
FOUND = 1  # stale: something is
_INTO = {ENTRY: ("domains",), NETWORKS: ("networks",), FEED: ("feed",)}  # which lists are about what is stale


def add_list_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `list`."""
    parser.add_argument(
        "--category", choices=CATEGORIES, metavar="NAME", help=f"only the services of one: {', '.join(CATEGORIES)}"
    )
    parser.add_argument("--json", action="store_true", help="the same for machines")


def list_all(arguments: argparse.Namespace, chosen: Chosen) -> int:
    """Every service, by category."""
    services = [one for one in chosen.catalogue.services.values() if arguments.category in (None, one.category)]
    services.sort(key=lambda one: (CATEGORIES.index(one.category), one.id))
    if arguments.json:
        listed = [{"id": one.id, "name": one.name, "category": one.category, **_facts(one)} for one in services]
        release = chosen.catalogue.release._asdict()
        print(json.dumps({"schema": LIST_SCHEMA, "release": release, "services": listed}, indent=2))
        return 0
    head = ("service", "category", "enforced", "checked", "controls")
    rows = [
        (one.id, one.category, "yes" if one.enforce else "no", one.checked or "never", _controls(one))
        for one in services
    ]
    print("\n".join(table([head, *rows], screen_width())))
    return 0


def _facts(service: Service) -> dict[str, object]:
    return {
        "audience": service.audience,
        "enforce": service.enforce,
        "checked": service.checked or None,
        "networks_checked": service.networks_checked or None,
        "controls": _controls(service).split(", ") if _controls(service) != "none" else [],
        "file": service.file,
    }


def _controls(service: Service) -> str:
    return ", ".join(control for control, find in IDENTIFIER_READERS.items() if find(service)) or "none"


def add_show_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `show`."""
    parser.add_argument("service", metavar="SERVICE", help="the id of a service, such as telegram")
    parser.add_argument("--json", action="store_true", help="the same for machines")


def show(arguments: argparse.Namespace, chosen: Chosen) -> int:
    """One service, with where its values come from."""
    service = chosen.service(arguments.service)
    feeds = [feed for feed in chosen.catalogue.feeds.values() if feed.service == service.id]
    if arguments.json:
        listed = [
            {
                "id": one.id,
                "kind": one.kind,
                "checked": one.checked,
                "values": len(one.values),
                "agreement": one.agreement or None,
                "compared": one.compared,
            }
            for one in feeds
        ]
        print(json.dumps({"schema": SERVICE_SCHEMA, **dataclasses.asdict(service), "feeds": listed}, indent=2))
        return 0
    lines = [f"{service.id}  {service.name}, {service.category}", f"  file: {service.file}"]
    for key, value in dataclasses.asdict(service).items():
        if value and key not in ("id", "name", "category", "file", "origins", "decided", "unverified", "compared"):
            lines += _of_key(key, value, service.origins)
    lines += _of_key("unverified", service.unverified, {}) if service.unverified else []
    for decision in service.decided:
        lines.append(f"  {decision['as']}: {', '.join(decision['names'])}: {decision['why']}")
    lines += _compared(service.compared)
    for one in feeds:
        agreement = f", an agreement of {one.agreement}" if one.agreement else ""
        lines.append(f"  feed {one.id}: {len(one.values):,} {one.kind}{agreement}, checked {one.checked}")
        lines += [f"  {line}" for line in _compared(one.compared)]
    print(fitted("\n".join(map(clean, lines)), screen_width()))
    return 0


def _compared(records: Iterable[Compared]) -> list[str]:
    return [
        f"  compared with {one['with']} on {one['day']}: {one['values']} values, sha256 {one['sha256']}"
        + (f", {one['version']}" if "version" in one else "")
        for one in records
    ]


def _of_key(key: str, value: Any, origins: Mapping[str, str]) -> list[str]:
    if isinstance(value, Mapping):
        return [line for inner, one in value.items() for line in _of_key(f"{key}.{inner}", one, origins)]
    if isinstance(value, str | bool):
        return [f"  {key}: {str(value).lower() if isinstance(value, bool) else value}"]
    values: Iterable[Any] = value
    return [f"  {key}:", *(f"    {one}{_origin(one, origins)}" for one in values)]


def _origin(value: object, origins: Mapping[str, str]) -> str:
    return f"  ({origins[value]})" if isinstance(value, str) and value in origins else ""


def add_stale_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `find_stale_entries`."""
    parser.epilog = (
        "Each line has the command that refreshes it, or says that no publisher has a list. What somebody accepts\n"
        "(checked_accepted) comes last, and is not stale. Exit code 1 where something is stale, 0 where nothing is."
    )
    parser.add_argument(
        "--max-age", type=_days, default="180d", metavar="LENGTH", help="as proscribe_catalog_max_age (default: 180d)"
    )
    parser.add_argument("--json", action="store_true", help="the same for machines")


def _days(text: str) -> int:
    try:
        return parse_duration(text) // 86400
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def list_stale(arguments: argparse.Namespace, chosen: Chosen) -> int:
    """What is enforced and was not checked for too long, the oldest first, with what to do; then what is accepted."""
    ids = {one.id for one in chosen.catalogue.services.values() if one.enforce}
    today = datetime.datetime.now(datetime.timezone.utc).date()
    found = find_stale_entries(chosen.catalogue, ids, today, arguments.max_age)
    left = find_accepted_entries(chosen.catalogue, ids, today, arguments.max_age)
    publishers = all_publishers(chosen.directories)
    lists = {one: of_item(publishers, _INTO[one.what], one.id) for one in found}
    if arguments.json:
        listed = [{**one._asdict(), "publishers": lists[one]} for one in found]
        others = [{**one._asdict(), "until": word["until"], "why": word["why"]} for one, word in left]
        print(json.dumps({"schema": STALE_SCHEMA, "stale": listed, "accepted": others}, indent=2))
        return FOUND if found else 0
    for one in found:
        for line in _to_do(one, lists[one], arguments):
            say(line)
    for one, word in left:
        say(f"{one}; accepted until {word['until']}: {word['why']}")
    if not found:
        others_than = " or is accepted" if left else ""
        say(f"everything that is enforced was checked within {format_duration(arguments.max_age * 86400)}{others_than}")
    return FOUND if found else 0


def _to_do(one: StaleEntry, publishers: Sequence[str], arguments: argparse.Namespace) -> list[str]:
    """Return lines with what is stale, and the command that refreshes it where a publisher has a list."""
    if not publishers:
        return [f"{one}; no publisher has a list: compare it by hand, or accept it (checked_accepted)"]
    options: dict[str, str | Sequence[str]] = {}
    options |= {"catalog": arguments.catalog} if arguments.catalog != str(CATALOGUE) else {}
    options |= {"dir": arguments.dir} if arguments.dir else {}
    return [
        f"{one}; this refreshes it:",
        *format_suggestions(propose("catalog", Subcommand("refresh", options, {"list": publishers}))),
    ]
