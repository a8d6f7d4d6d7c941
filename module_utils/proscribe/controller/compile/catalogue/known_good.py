"""A guard against blocking known good names, networks and programs. It checks every list before a catalogue loads.

`known_good.txt` of a catalogue has names: updates, certificate authorities, time, identity, public bodies, and the
front pages of the most used sites. It also has domains below which each customer has a name. `known_good_networks.txt`
has networks in which such names have their addresses. `known_good_programs.txt` has file names of Windows programs that
are not only of a restricted service. An entry has such a name under `processes.windows_shared`.

The guard refuses to block such a name or network. It checks entries, amendments, feeds, refreshed lists and an
organisation's own directories. An entry or its amendment can declare the block as intended: `decided`, with `as:
blocked` and the reason. The guard is a safety net below the rules of name_conflicts.py and shared_networks.py. Pure,
except for reading the lists.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...policy_errors import PolicyError
from ..reading.document_schema import get_key_texts
from ..reading.networks import NetworkTable, merge_networks, parse_network
from ..reading.yaml_file import KeyPath
from .feeds import Feed, read_value_list
from .name_conflicts import list_name_and_parents
from .release import KNOWN_GOOD_FILE, KNOWN_GOOD_NETWORKS_FILE, KNOWN_GOOD_PROGRAMS_FILE
from .schema import iterate_decisions

MAX_NAMES_SHOWN = 3  # dependent names in a message
DECISION_HINT = "to block it all the same, name it in `decided` with `as: blocked` and the reason (docs/catalogue.md)"
_NAME_KEYS = ("domains", "urls", "mail_hosts")
# Zones of organisations' own networks (RFC 6761, RFC 6762, and ICANN's of 2024-07-29). A name there may be a printer or
# a directory server, and differs from network to network.
PRIVATE_ZONES = (".internal", ".local", ".test")
# Key: a list of known good values. Value: the kind of its values (feeds.VALUE_CHECKS). In the order of KnownGoodLists.
_LIST_KINDS = {KNOWN_GOOD_FILE: "hosts", KNOWN_GOOD_NETWORKS_FILE: "addresses", KNOWN_GOOD_PROGRAMS_FILE: "programs"}


class KnownGoodLists(NamedTuple):
    """The names, networks and programs that no entry may block, from several directories of the catalogue."""

    names: list[str]
    networks: list[str]
    programs: list[str]  # file names in lower case


class KnownGoodConflict(NamedTuple):
    """A value of an entry or feed that would block something known to be good."""

    service_id: str
    feed_id: str  # the id of the feed, "" if the entry itself conflicts
    path: KeyPath  # path of the value in the entry; () for a feed
    identifier: str  # the name, network or file name that conflicts
    # the known good names that the block would stop, or the file that lists the network or the file name
    needed_by: tuple[str, ...]


def read_known_good_lists(directories: Sequence[Path]) -> tuple[KnownGoodLists, list[PolicyError]]:
    """Read the known good lists of some catalogues. Return them and the errors in them."""
    values_by_file: dict[str, dict[str, None]] = {file: {} for file in _LIST_KINDS}
    errors: list[PolicyError] = []
    for directory in directories:
        for file, kind in _LIST_KINDS.items():
            if (directory / file).exists():
                values, list_errors = read_value_list(directory / file, kind)
                values_by_file[file].update(dict.fromkeys(values))
                errors += list_errors
    return KnownGoodLists(*map(list, values_by_file.values())), errors


def find_conflicts(
    entries: Mapping[str, Mapping[str, object]], feeds: Iterable[Feed], lists: KnownGoodLists
) -> Iterator[KnownGoodConflict]:
    """Yield each value of an entry or feed that blocks a known good name or network without a decision to block it.

    Also yield each file name that an entry claims alone, although it is in the list of known good programs.

    `entries` has the services' entries by id. Entries that are only reported by default are checked as well, because an
    inventory may enforce them.
    """
    decided_names = {id_: _list_decided_names(entry) for id_, entry in entries.items()}
    dependents_by_name: dict[str, list[str]] = {}  # key: a name; value: the known good names at or below that name
    for name in lists.names:
        for parent in list_name_and_parents(name):
            dependents_by_name.setdefault(parent, []).append(name)
    known_programs, sorted_programs = frozenset(lists.programs), sorted(lists.programs)
    network_table = NetworkTable(dict.fromkeys(merge_networks(lists.networks), KNOWN_GOOD_NETWORKS_FILE))

    def find_dependents(identifier: str, permitted: set[str]) -> tuple[str, ...]:
        """Return the known good names that blocking a name or network would stop; () if there are none.

        For a name in a private network the result is its zone, for a network the file that lists it. Names in
        `permitted` are exempt: the entry leaves them open, or a decision blocks them.
        """
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
        processes = entry.get("processes")
        for index, image in enumerate(get_key_texts(processes, "windows") if isinstance(processes, Mapping) else ()):
            if image.casefold() in known_programs:
                yield KnownGoodConflict(id_, "", ("processes", "windows", index), image, (KNOWN_GOOD_PROGRAMS_FILE,))
        for index, installer in enumerate(get_key_texts(entry, "installers")):
            if _has_matching_name(installer.casefold(), sorted_programs):
                yield KnownGoodConflict(id_, "", ("installers", index), installer, (KNOWN_GOOD_PROGRAMS_FILE,))
    for feed in feeds:
        for identifier in feed.values:
            if needed_by := find_dependents(identifier, decided_names.get(feed.service, set())):
                yield KnownGoodConflict(feed.service, feed.id, (), identifier, needed_by)


def _has_matching_name(pattern: str, names: Sequence[str]) -> bool:
    """Return True if one of the sorted names fits a pattern with at most a single `*`."""
    start, star, end = pattern.partition("*")
    index = bisect.bisect_left(names, start)
    while index < len(names) and names[index].startswith(start):
        if names[index] == pattern or (star and names[index].endswith(end) and len(names[index]) >= len(start + end)):
            return True
        index += 1
    return False


def describe_expected(conflict: KnownGoodConflict) -> str:
    """Return a phrase for an error: the value that would be right, and the good names that would be blocked."""
    if conflict.needed_by == (KNOWN_GOOD_PROGRAMS_FILE,):
        is_installer = conflict.path[0] == "installers"
        expected = "a file name of this installer alone" if is_installer else "this name under windows_shared"
        return f"{expected}: programs of others have it, too ({KNOWN_GOOD_PROGRAMS_FILE})"
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
    """Yield the path and the value of each name or network that an entry blocks as a whole.

    Names with a path, and mail hosts that are shared domains, are left out.
    """
    shared = set(get_key_texts(entry, "shared_domains"))
    for key in _NAME_KEYS:
        for index, identifier in enumerate(get_key_texts(entry, key)):
            if "/" not in identifier and not (key == "mail_hosts" and identifier in shared):
                yield (key, index), identifier
    for index, identifier in enumerate(get_key_texts(entry, "networks")):
        yield ("networks", index), identifier


def _list_decided_names(entry: Mapping[str, object]) -> set[str]:
    """Return the known good names and networks that the entry blocks on purpose (`decided`, `as: blocked`)."""
    return {name for _, decision, names in iterate_decisions(entry) if decision == "blocked" for name in names}
