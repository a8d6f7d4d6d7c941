"""Which lists vouch for a name by themselves: lists that copy each other are one voice. Pure.

A list that takes names from another vouches for nothing beside it. Which takes from which the table of lists says. A
list that has nearly all names of another is taken for one that copies it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

MIN_FAMILIES = 2  # that a name needs
COPY_SHARE, MIN_COPIED_NAMES = (
    0.8,
    25,
)  # a list of so many names is taken for copied where another has this part of them


class Witness(NamedTuple):
    """A list, and from whom it has its names."""

    family: str  # lists of one family count once
    takes_from: tuple[str, ...] = ()  # ids and families of lists
    is_mixed: bool = False  # it has other names as well: beside lists of that kind alone it vouches for none


def group_lists_by_name(lists: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    """By name, the ids of the lists that have it."""
    list_ids: dict[str, list[str]] = defaultdict(list)
    for list_id, names in lists.items():
        for name in names:
            list_ids[name].append(list_id)
    return list_ids


class FamilyCounter:
    """How many families vouch by themselves for a name that some lists have."""

    def __init__(self, witnesses: Mapping[str, Witness], lists: Mapping[str, Collection[str]]) -> None:
        self._witnesses = witnesses
        self._sources_by_list = find_copied_lists(witnesses, lists)
        self._cached_counts: dict[
            tuple[tuple[str, ...], frozenset[str]], int
        ] = {}  # few groups of lists have most names

    def __call__(self, lists: Sequence[str], silent_lists: frozenset[str] = frozenset()) -> int:
        """How many; 0 where all of the lists are mixed. Lists that are `silent_lists` do not vouch: who takes from them has
        still the name from them.
        """
        key = (tuple(lists), silent_lists)
        if key not in self._cached_counts:
            first_lists = [
                list_id
                for list_id in _select_independent_lists(lists, self._sources_by_list)
                if list_id not in silent_lists
            ]
            has_unmixed = any(not self._witnesses[list_id].is_mixed for list_id in lists if list_id not in silent_lists)
            self._cached_counts[key] = (
                len({self._witnesses[list_id].family for list_id in first_lists}) if has_unmixed else 0
            )
        return self._cached_counts[key]


def find_copied_lists(witnesses: Mapping[str, Witness], lists: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
    """By list, the lists that it takes names from, at first or second hand."""
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
    for _ in witnesses:
        for list_id, direct_sources in sources_by_list.items():
            sources_by_list[list_id] = (
                direct_sources
                | {indirect_source for other_id in direct_sources for indirect_source in sources_by_list[other_id]}
            ) - {list_id}
    return sources_by_list


def _has_most_of(names: Collection[str], other_names: Collection[str]) -> bool:
    """Whether a list has so much of a smaller one that it copies it."""
    if not MIN_COPIED_NAMES <= len(other_names) <= len(names):
        return False
    return sum(name in names for name in other_names) >= COPY_SHARE * len(other_names)


def _select_independent_lists(lists: Sequence[str], sources_by_list: Mapping[str, set[str]]) -> Iterator[str]:
    """The lists that vouch by themselves. Of lists that take from each other, the first one does."""
    independent_lists: list[str] = []
    for list_id in sorted(lists):
        if any(other_id in sources_by_list[list_id] and list_id not in sources_by_list[other_id] for other_id in lists):
            continue
        if not any(other_id in sources_by_list[list_id] for other_id in independent_lists):
            independent_lists.append(list_id)
            yield list_id
