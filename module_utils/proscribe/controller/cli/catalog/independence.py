"""Which lists vouch for a name by themselves: lists that copy each other are one voice. Pure.

A list that takes names from another vouches for nothing beside it. Which takes from which the table of lists says. A
list that has nearly all names of another is taken for one that copies it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

FAMILIES = 2  # that a name needs
LIKENESS, LEAST = 0.8, 25  # a list of so many names is taken for copied where another has this part of them


class Witness(NamedTuple):
    """A list, and from whom it has its names."""

    family: str  # lists of one family count once
    takes_from: tuple[str, ...] = ()  # ids and families of lists
    mixed: bool = False  # it has other names as well: beside lists of that kind alone it vouches for none


def having(lists: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    """By name, the ids of the lists that have it."""
    found: dict[str, list[str]] = defaultdict(list)
    for id_, names in lists.items():
        for name in names:
            found[name].append(id_)
    return found


class Counting:
    """How many families vouch by themselves for a name that some lists have."""

    def __init__(self, witnesses: Mapping[str, Witness], lists: Mapping[str, Collection[str]]) -> None:
        self._witnesses = witnesses
        self._taken = copied(witnesses, lists)
        self._known: dict[tuple[tuple[str, ...], frozenset[str]], int] = {}  # few groups of lists have most names

    def __call__(self, lists: Sequence[str], silent: frozenset[str] = frozenset()) -> int:
        """How many; 0 where all of the lists are mixed. Lists that are `silent` do not vouch: who takes from them has
        still the name from them.
        """
        key = (tuple(lists), silent)
        if key not in self._known:
            found = [one for one in _first(lists, self._taken) if one not in silent]
            alone = any(not self._witnesses[one].mixed for one in lists if one not in silent)
            self._known[key] = len({self._witnesses[one].family for one in found}) if alone else 0
        return self._known[key]


def copied(witnesses: Mapping[str, Witness], lists: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
    """By list, the lists that it takes names from, at first or second hand."""
    found: dict[str, set[str]] = {}
    for id_, one in witnesses.items():
        said = {other for other, its in witnesses.items() if {other, its.family} & set(one.takes_from)}
        like = {other for other in witnesses if other != id_ and _has_most_of(lists[id_], lists[other])}
        found[id_] = (said | like) - {id_}
    for _ in witnesses:
        for id_, taken in found.items():
            found[id_] = (taken | {more for other in taken for more in found[other]}) - {id_}
    return found


def _has_most_of(names: Collection[str], other: Collection[str]) -> bool:
    """Whether a list has so much of a smaller one that it copies it."""
    if not LEAST <= len(other) <= len(names):
        return False
    return sum(name in names for name in other) >= LIKENESS * len(other)


def _first(lists: Sequence[str], taken: Mapping[str, set[str]]) -> Iterator[str]:
    """The lists that vouch by themselves. Of lists that take from each other, the first one does."""
    first: list[str] = []
    for one in sorted(lists):
        if any(other in taken[one] and one not in taken[other] for other in lists):
            continue
        if not any(other in taken[one] for other in first):
            first.append(one)
            yield one
