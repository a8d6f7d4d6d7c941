"""The number of independent lists that have a name: lists that copy each other count once. Pure.

If a list takes names from another list, and both have a name, only the other list counts. The table of lists
(recall.yml) records these sources. A list that has nearly all names of another list counts as its copy.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

MIN_FAMILIES = 2
# A list of at least MIN_COPIED_NAMES names counts as copied if another list has the share COPY_SHARE of these names.
COPY_SHARE, MIN_COPIED_NAMES = (
    0.8,
    25,
)


class Witness(NamedTuple):
    """A list as evidence for its names: its family, and the lists that its names come from."""

    family: str  # lists of the same family count once
    takes_from: tuple[str, ...] = ()  # ids and families of lists
    is_mixed: bool = False  # it also has names of other subjects: mixed lists alone vouch for no name


def group_lists_by_name(lists: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    """Return the ids of the lists that have a name, for each name."""
    list_ids: dict[str, list[str]] = defaultdict(list)
    for list_id, names in lists.items():
        for name in names:
            list_ids[name].append(list_id)
    return list_ids


class FamilyCounter:
    """A counter of the independent families that vouch for a name."""

    def __init__(self, witnesses: Mapping[str, Witness], lists: Mapping[str, Collection[str]]) -> None:
        """Find out which lists take names from others; `lists` has the names of each list by its id."""
        self._witnesses = witnesses
        self._sources_by_list = find_copied_lists(witnesses, lists)
        # By lists and silent lists (those that do not count). Most names are in the same few combinations of lists.
        self._cached_counts: dict[tuple[tuple[str, ...], frozenset[str]], int] = {}

    def __call__(self, lists: Sequence[str], silent_lists: frozenset[str] = frozenset()) -> int:
        """Return the number of independent families of `lists`, which all have a name; 0 if all of them are mixed.

        Lists in `silent_lists` do not count, and neither do lists that take names from them.
        """
        key = (tuple(lists), silent_lists)
        if key not in self._cached_counts:
            independent_lists = [
                list_id
                for list_id in _select_independent_lists(lists, self._sources_by_list)
                if list_id not in silent_lists
            ]
            has_unmixed_list = any(
                not self._witnesses[list_id].is_mixed for list_id in lists if list_id not in silent_lists
            )
            self._cached_counts[key] = (
                len({self._witnesses[list_id].family for list_id in independent_lists}) if has_unmixed_list else 0
            )
        return self._cached_counts[key]


def find_copied_lists(witnesses: Mapping[str, Witness], lists: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
    """Return for each list the ids of the lists that it takes names from, directly or through other lists.

    A list takes names from the lists that it declares (`takes_from`), and from lists with nearly the same names.
    """
    sources_by_list: dict[str, set[str]] = {}
    for list_id, witness in witnesses.items():
        declared_sources = {
            other_id
            for other_id, other_witness in witnesses.items()
            if {other_id, other_witness.family} & set(witness.takes_from)
        }
        similar_lists = {
            other_id for other_id in witnesses if other_id != list_id and _has_most_of(lists[list_id], lists[other_id])
        }
        sources_by_list[list_id] = (declared_sources | similar_lists) - {list_id}
    # Each round adds the sources of the known sources. After as many rounds as there are lists, none is missing.
    for _ in witnesses:
        for list_id, direct_sources in sources_by_list.items():
            sources_by_list[list_id] = (
                direct_sources
                | {indirect_source for other_id in direct_sources for indirect_source in sources_by_list[other_id]}
            ) - {list_id}
    return sources_by_list


def _has_most_of(names: Collection[str], other_names: Collection[str]) -> bool:
    """Return True if a list has so many names of another list that it counts as a copy of the other.

    The other list must have at least MIN_COPIED_NAMES names, and must not be the larger list.
    """
    if not MIN_COPIED_NAMES <= len(other_names) <= len(names):
        return False
    return sum(name in names for name in other_names) >= COPY_SHARE * len(other_names)


def _select_independent_lists(lists: Sequence[str], sources_by_list: Mapping[str, set[str]]) -> Iterator[str]:
    """Yield the ids of the lists that are independent: of lists that take names from each other, only the first.

    A list that takes names from another one of `lists`, which does not take names from it, is left out.
    """
    independent_lists: list[str] = []
    for list_id in sorted(lists):
        # If two lists take names from each other, neither is the source. So this condition leaves out neither.
        if any(other_id in sources_by_list[list_id] and list_id not in sources_by_list[other_id] for other_id in lists):
            continue
        if not any(other_id in sources_by_list[list_id] for other_id in independent_lists):
            independent_lists.append(list_id)
            yield list_id
