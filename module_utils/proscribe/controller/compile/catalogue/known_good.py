"""What nobody may block: the guard that every list passes, before a catalogue is loaded.

`known_good.txt` of a catalogue has names: updates, certificate authorities, time, identity, public bodies, the front
pages of the most used sites, and domains below which each customer has a name. `known_good_networks.txt` has networks
in which such names have their addresses. Entries, amendments, feeds, refreshed lists and an organisation's own
directories are all refused where they would block one. An entry, or an amendment of it, can say that it is meant:
`decided`, with `as: blocked` and the reason. The guard is a net below the rules of claims.py and shared_networks.py.
Pure but for the reading of the lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...policy_errors import PolicyError
from ..reading.networks import NetworkTable, merge_networks, parse_network
from ..reading.yaml_file import KeyPath
from .claims import list_name_and_parents
from .feeds import Feed, read_value_list
from .kinds import get_key_texts
from .release import KNOWN_GOOD_FILE, KNOWN_GOOD_NETWORKS_FILE
from .schema import iterate_decisions

MAX_NAMES_SHOWN = 3  # names that need one
DECISION_HINT = "to block it all the same, name it in `decided` with `as: blocked` and the reason (docs/catalogue.md)"
_NAME_KEYS = ("domains", "urls", "mail_hosts")
# Zones of organisations' own networks (RFC 6761, RFC 6762, and ICANN's of 2024-07-29): a name there is somebody's
# printer or directory server, and another thing in each network.
PRIVATE_ZONES = (".internal", ".local", ".test")


class KnownGoodLists(NamedTuple):
    """What nobody may block, of some catalogues."""

    names: list[str]
    networks: list[str]


class KnownGoodConflict(NamedTuple):
    """What would block something known to be good."""

    service_id: str
    feed_id: str  # its id, "" where the entry itself does
    path: KeyPath  # in the entry; () in a feed
    identifier: str  # the name or network by which it does
    needed_by: tuple[str, ...]  # the names that need it, or the list that the network is in


def read_known_good_lists(directories: Sequence[Path]) -> tuple[KnownGoodLists, list[PolicyError]]:
    """The lists of some catalogues, and what is wrong with them."""
    values_by_file: dict[str, dict[str, None]] = {KNOWN_GOOD_FILE: {}, KNOWN_GOOD_NETWORKS_FILE: {}}
    errors: list[PolicyError] = []
    for directory in directories:
        for file, kind in ((KNOWN_GOOD_FILE, "hosts"), (KNOWN_GOOD_NETWORKS_FILE, "addresses")):
            if (directory / file).exists():
                values, list_errors = read_value_list(directory / file, kind)
                values_by_file[file].update(dict.fromkeys(values))
                errors += list_errors
    return KnownGoodLists(*map(list, values_by_file.values())), errors


def find_conflicts(
    entries: Mapping[str, Mapping[str, object]], feeds: Iterable[Feed], lists: KnownGoodLists
) -> Iterator[KnownGoodConflict]:
    """What of some entries (by id) and of their feeds blocks something known to be good, and is not decided to be
    blocked. Entries that are only reported count as well: an inventory may ask for them.
    """
    decided_names = {id_: _list_decided_names(entry) for id_, entry in entries.items()}
    dependents_by_name: dict[str, list[str]] = {}  # by name, what is known to be good and is it or below it
    for name in lists.names:
        for parent in list_name_and_parents(name):
            dependents_by_name.setdefault(parent, []).append(name)
    network_table = NetworkTable(dict.fromkeys(merge_networks(lists.networks), KNOWN_GOOD_NETWORKS_FILE))

    def find_dependents(identifier: str, permitted: set[str]) -> tuple[str, ...]:
        if "/" not in identifier:
            private_zones = tuple(
                zone for zone in PRIVATE_ZONES if identifier.endswith(zone) and identifier not in permitted
            )
            return private_zones or tuple(
                name
                for name in dependents_by_name.get(identifier, ())
                if not permitted.intersection(list_name_and_parents(name))
            )
        list_name = "" if identifier in permitted else network_table.find_text(parse_network(identifier))
        return (list_name,) if list_name else ()

    for id_, entry in entries.items():
        permitted = {*get_key_texts(entry, "allow_domains"), *decided_names[id_]}
        for path, identifier in _iterate_blocked_values(entry):
            if needed_by := find_dependents(identifier, permitted):
                yield KnownGoodConflict(id_, "", path, identifier, needed_by)
    for feed in feeds:
        for identifier in feed.values:
            if needed_by := find_dependents(identifier, decided_names.get(feed.service, set())):
                yield KnownGoodConflict(feed.service, feed.id, (), identifier, needed_by)


def describe_expected(conflict: KnownGoodConflict) -> str:
    """What was expected instead, in words."""
    if "/" in conflict.identifier:
        return f"a network of this service alone, with no address of {conflict.needed_by[0]}; {DECISION_HINT}"
    if conflict.needed_by[0] in PRIVATE_ZONES:
        zone_note = f"those below {conflict.needed_by[0]} are of the organisation's own network"
        return f"a name of the Internet: {zone_note}; {DECISION_HINT}"
    shown = ", ".join(conflict.needed_by[:MAX_NAMES_SHOWN])
    more = len(conflict.needed_by) - MAX_NAMES_SHOWN
    needed = f"{shown}{f' and {more} more' if more > 0 else ''} of {KNOWN_GOOD_FILE}"
    return f"a name of this service alone: {needed} would be blocked with it; {DECISION_HINT}"


def _iterate_blocked_values(entry: Mapping[str, object]) -> Iterator[tuple[KeyPath, str]]:
    """What an entry blocks whole: the place and the name or network."""
    shared = set(get_key_texts(entry, "shared_domains"))
    for key in _NAME_KEYS:
        for index, identifier in enumerate(get_key_texts(entry, key)):
            if "/" not in identifier and not (key == "mail_hosts" and identifier in shared):
                yield (key, index), identifier
    for index, identifier in enumerate(get_key_texts(entry, "networks")):
        yield ("networks", index), identifier


def _list_decided_names(entry: Mapping[str, object]) -> set[str]:
    return {name for _, decision, names in iterate_decisions(entry) if decision == "blocked" for name in names}
