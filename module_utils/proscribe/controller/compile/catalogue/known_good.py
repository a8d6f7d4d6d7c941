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
from ..reading.networks import NetworkTable, merged, parsed
from ..reading.yaml_file import KeyPath
from .claims import above
from .feeds import Feed, read_list
from .kinds import texts
from .release import KNOWN_GOOD, KNOWN_GOOD_NETWORKS
from .schema import decisions

MOST_SHOWN = 3  # names that need one
MEANT = "to block it all the same, name it in `decided` with `as: blocked` and the reason (docs/catalogue.md)"
_NAMES = ("domains", "urls", "mail_hosts")
# Zones of organisations' own networks (RFC 6761, RFC 6762, and ICANN's of 2024-07-29): a name there is somebody's
# printer or directory server, and another thing in each network.
OWN_ZONES = (".internal", ".local", ".test")


class Lists(NamedTuple):
    """What nobody may block, of some catalogues."""

    names: list[str]
    networks: list[str]


class Blocked(NamedTuple):
    """What would block something known to be good."""

    service: str
    feed: str  # its id, "" where the entry itself does
    path: KeyPath  # in the entry; () in a feed
    value: str  # the name or network by which it does
    needed_by: tuple[str, ...]  # the names that need it, or the list that the network is in


def read_lists(directories: Sequence[Path]) -> tuple[Lists, list[PolicyError]]:
    """The lists of some catalogues, and what is wrong with them."""
    read: dict[str, dict[str, None]] = {KNOWN_GOOD: {}, KNOWN_GOOD_NETWORKS: {}}
    errors: list[PolicyError] = []
    for directory in directories:
        for file, kind in ((KNOWN_GOOD, "hosts"), (KNOWN_GOOD_NETWORKS, "addresses")):
            if (directory / file).exists():
                found, wrong = read_list(directory / file, kind)
                read[file].update(dict.fromkeys(found))
                errors += wrong
    return Lists(*map(list, read.values())), errors


def blocked(entries: Mapping[str, Mapping[str, object]], feeds: Iterable[Feed], lists: Lists) -> Iterator[Blocked]:
    """What of some entries (by id) and of their feeds blocks something known to be good, and is not decided to be
    blocked. Entries that are only reported count as well: an inventory may ask for them.
    """
    meant = {id_: _meant(entry) for id_, entry in entries.items()}
    needed: dict[str, list[str]] = {}  # by name, what is known to be good and is it or below it
    for name in lists.names:
        for one in above(name):
            needed.setdefault(one, []).append(name)
    table = NetworkTable(dict.fromkeys(merged(lists.networks), KNOWN_GOOD_NETWORKS))

    def needing(value: str, permitted: set[str]) -> tuple[str, ...]:
        if "/" not in value:
            own = tuple(zone for zone in OWN_ZONES if value.endswith(zone) and value not in permitted)
            return own or tuple(name for name in needed.get(value, ()) if not permitted.intersection(above(name)))
        listed = "" if value in permitted else table.of(parsed(value))
        return (listed,) if listed else ()

    for id_, entry in entries.items():
        permitted = {*texts(entry, "allow_domains"), *meant[id_]}
        for path, value in _values(entry):
            if needed_by := needing(value, permitted):
                yield Blocked(id_, "", path, value, needed_by)
    for feed in feeds:
        for value in feed.values:
            if needed_by := needing(value, meant.get(feed.service, set())):
                yield Blocked(feed.service, feed.id, (), value, needed_by)


def expected(found: Blocked) -> str:
    """What was expected instead, in words."""
    if "/" in found.value:
        return f"a network of this service alone, with no address of {found.needed_by[0]}; {MEANT}"
    if found.needed_by[0] in OWN_ZONES:
        own = f"those below {found.needed_by[0]} are of the organisation's own network"
        return f"a name of the Internet: {own}; {MEANT}"
    shown = ", ".join(found.needed_by[:MOST_SHOWN])
    more = len(found.needed_by) - MOST_SHOWN
    needed = f"{shown}{f' and {more} more' if more > 0 else ''} of {KNOWN_GOOD}"
    return f"a name of this service alone: {needed} would be blocked with it; {MEANT}"


def _values(entry: Mapping[str, object]) -> Iterator[tuple[KeyPath, str]]:
    """What an entry blocks whole: the place and the name or network."""
    shared = set(texts(entry, "shared_domains"))
    for key in _NAMES:
        for index, value in enumerate(texts(entry, key)):
            if "/" not in value and not (key == "mail_hosts" and value in shared):
                yield (key, index), value
    for index, value in enumerate(texts(entry, "networks")):
        yield ("networks", index), value


def _meant(entry: Mapping[str, object]) -> set[str]:
    return {name for _, decided, names in decisions(entry) if decided == "blocked" for name in names}
