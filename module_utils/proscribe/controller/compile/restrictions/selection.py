"""Settings for the banned services, the hosts, and the exceptions."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from ....model.types.plan import TenantEntry
from ....model.vocabulary import CONTROLS
from ..catalogue.schema import AUDIENCES, BANNED_CATEGORIES, CATEGORIES
from ..reading.value_readers import (
    NamesReader,
    make_choice_reader,
    make_number_reader,
    read_day,
    read_duration_or_forever,
    read_flag,
    read_line,
    read_pattern,
)
from .group_restrictions import GroupRestriction, read_groups_restricted
from .readers import ALL_FEEDS, read_controls, read_feeds, read_removed_ids, read_tenants
from .variable import declare_settings, declare_variable

SIGNATURE_MODES = ("required", "optional", "off")
# what a waiver for a group does on hosts that joined the group later
GROWING, FROZEN = GROUP_MODES = ("growing", "frozen")


@declare_settings
class SelectionSettings:
    """The selection of services and hosts, and the first day of the ban."""

    hosts: str = declare_variable(
        "all",
        read_pattern,
        "The hosts that every run is limited to, as an Ansible pattern such as all:!switches. --limit narrows it. One "
        "for all hosts.",
    )
    categories: tuple[str, ...] = declare_variable(
        list(BANNED_CATEGORIES),
        NamesReader(CATEGORIES, "categories"),
        "The categories of services that are banned.",
    )
    categories_reported: tuple[str, ...] = declare_variable(
        [category for category in CATEGORIES if category not in BANNED_CATEGORIES],
        NamesReader(CATEGORIES, "categories"),
        "The categories of services that are reported where they are found, and not banned.",
    )
    audiences: tuple[str, ...] = declare_variable(
        ["consumer", "both"],
        NamesReader(AUDIENCES, "audiences"),
        "The audiences whose services are banned; enterprise services (WeCom, Slack) only if enterprise is listed.",
    )
    services_include: tuple[str, ...] = declare_variable(
        [], NamesReader((), "service ids"), "Service ids added to the categories."
    )
    services_exclude: tuple[str, ...] = declare_variable(
        [], NamesReader((), "service ids"), "Service ids removed from the categories."
    )
    groups_restricted: tuple[GroupRestriction, ...] = declare_variable(
        [],
        read_groups_restricted,
        "Services that apps and firewall restrict for the members of some groups of the host's users only: a list of "
        "{services, groups, controls}. See below.",
    )
    effective_from: datetime.date = declare_variable(
        "2024-10-31",
        read_day,
        "The first day of the ban; before it, everything is reported as upcoming and nothing is enforced.",
    )
    controls: Mapping[str, str] = declare_variable(
        dict.fromkeys(CONTROLS, "enforce"),
        read_controls,
        "Per control: enforce, audit (report only) or off (not checked).",
    )
    tenants: Mapping[str, tuple[str | TenantEntry, ...]] = declare_variable(
        {"google": [], "microsoft": []},
        read_tenants,
        "The organisation's own tenants, which stay reachable: at Google by domain, at Microsoft as {id: <tenant id>, "
        "domains: [...]}, the own one first. See below.",
    )
    catalog: str = declare_variable(
        "",
        read_line,
        "A folder with a release of the catalogue, in the place of the project's own; relative to the inventory's "
        "folder.",
    )
    catalog_dirs: tuple[str, ...] = declare_variable(
        [],
        NamesReader((), "directories"),
        "Folders with the organisation's own service files, relative to the inventory's folder.",
    )
    catalog_max_age: int = declare_variable(  # seconds
        "180d",
        read_duration_or_forever,
        "After how long without a check of an entry, of its networks or of a feed a run says so, or forever. One for "
        "all hosts.",
    )
    feeds: str | tuple[str, ...] = declare_variable(
        ALL_FEEDS, read_feeds, "The feeds that are blocked with their services: all, off, or a list of their ids."
    )
    zone: str = declare_variable("", read_line, "The network zone of the host; waivers can be scoped by it.")


@declare_settings
class WaiverSettings:
    """The folders of waivers and the limits of a waiver."""

    waivers_dir: str = declare_variable(
        "",
        read_line,
        "A folder of waivers beside those of the inventories, relative to the inventory's folder; docs/waivers.md.",
    )
    waivers_removed: tuple[str, ...] = declare_variable(
        [],
        read_removed_ids,
        "The ids of waivers that the last run had and that were removed on purpose, or all; for one run, with -e.",
    )
    waiver_max_days: int = declare_variable(
        365, make_number_reader(1, 3660, "days"), "The longest duration of a waiver, in days. One for all hosts."
    )
    waiver_signatures: str = declare_variable(
        "optional",
        make_choice_reader(*SIGNATURE_MODES),
        "Whether a waiver has to be signed by its approver: required, optional (a signature that is there has to be "
        "valid), or off. One for all hosts.",
    )
    waiver_blanket: bool = declare_variable(
        False, read_flag, "Whether a waiver may cover every host of the inventory. One for all hosts."
    )
    waiver_groups: str = declare_variable(
        "growing",
        make_choice_reader(*GROUP_MODES),
        "What a waiver for a group or a zone is on hosts that joined after it was signed: growing (it opens them, and "
        "each run names them), or frozen (it does not). One for all hosts.",
    )
