"""How many of the names that independent lists agree on a catalogue handles. Pure.

A name counts where lists of two families vouch for it, of which at least one is about its category alone. A list that
takes names from another vouches for nothing beside it. Which takes from which the table says. A list that has nearly
all names of another is taken for one that copies it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ....compile.catalogue.claims import above
from .sources import RANKED, Source
from .standing import HANDLED, Standing

FAMILIES = 2  # that a name needs, and a category
LIKENESS, LEAST = 0.8, 25  # a list of so many names is taken for copied where another has this part of them

Names = Mapping[str, Mapping[str, int]]  # by list, each with its place in it


class Popular(NamedTuple):
    """The most asked-for names."""

    ranks: Mapping[str, int]  # the rank of a name, or of the first name below it
    others: frozenset[str]  # of lists without order
    read: tuple[str, ...]  # the lists

    def has(self, name: str) -> bool:
        return name in self.ranks or name in self.others


class Found(NamedTuple):
    """A name that independent lists have, and what the catalogue makes of it."""

    name: str
    standing: Standing
    popular: bool
    rank: int | None  # None for a name that no list with order has
    lists: tuple[str, ...]


class Share(NamedTuple):
    """How many of some names are handled."""

    handled: int
    of: int

    @property
    def value(self) -> float | None:
        return self.handled / self.of if self.of else None


class Result(NamedTuple):
    """What was found of a category."""

    category: str
    lists: Mapping[str, int]  # how many names each list has that was read
    families: int
    names: int  # of all lists
    found: Sequence[Found]  # the most asked-for first
    popularity: bool  # whether a list of the most asked-for names was read

    @property
    def popular(self) -> list[Found]:
        return [one for one in self.found if one.popular]

    @property
    def missing(self) -> list[Found]:
        return [one for one in self.found if one.standing.state not in HANDLED]

    def share(self, whole: bool) -> Share | None:
        """The share of the most asked-for names, or of all; None where nothing was measured."""
        if self.families < FAMILIES or not (whole or self.popularity):
            return None
        return share(self.found if whole else self.popular)


def share(found: Collection[Found]) -> Share:
    """How many of some names are handled."""
    return Share(sum(one.standing.state in HANDLED for one in found), len(found))


def popular_names(sources: Iterable[Source], names: Names, most: int) -> Popular:
    """The most asked-for names: of a list with order the first ones, of another all, where it has no more."""
    ranks: dict[str, int] = {}
    others: set[str] = set()
    read = []
    for source in sources:
        if source.id not in names or not source.popular:
            continue
        if source.popular == RANKED:
            for name, rank in names[source.id].items():
                for one in above(name) if rank <= most else ():  # a name is asked for where one below it is
                    ranks[one] = min(rank, ranks.get(one, rank))
        elif int(source.popular) <= most:
            others.update(names[source.id])
        else:
            continue
        read.append(source.id)
    return Popular(ranks, frozenset(others), tuple(read))


def measure(
    category: str,
    sources: Iterable[Source],
    names: Names,
    popular: Popular,
    standing: Callable[[str], Standing],
) -> Result:
    """What the catalogue has of a category."""
    about = {one.id: one for one in sources if category in one.categories and one.id in names}
    of_lists = {id_: names[id_] for id_ in about}
    having: dict[str, list[str]] = defaultdict(list)
    for id_, listed in of_lists.items():
        for name in listed:
            having[name].append(id_)
    taken = copied(about, of_lists)
    alone = {id_ for id_, one in about.items() if category in one.about}
    known: dict[tuple[str, ...], bool] = {}  # by the lists that have a name; few such groups have most names
    agreed = {}
    for name, lists in having.items():
        group = tuple(lists)
        if group not in known:
            known[group] = not alone.isdisjoint(group) and len(witnesses(group, taken, about)) >= FAMILIES
        if known[group]:
            agreed[name] = group
    found = [
        Found(name, standing(name), popular.has(name), popular.ranks.get(name), lists)
        for name, lists in agreed.items()
        if not any(one in agreed for one in above(name)[1:])
    ]
    most = max(popular.ranks.values(), default=0) + 1
    found.sort(key=lambda one: (not one.popular, one.rank or most, one.name))
    sizes = {id_: len(listed) for id_, listed in of_lists.items()}
    families = len({one.family for one in about.values()})
    return Result(category, sizes, families, len(having), found, bool(popular.read))


def copied(sources: Mapping[str, Source], names: Names) -> dict[str, set[str]]:
    """By list, the lists that it takes names from, at first or second hand."""
    found: dict[str, set[str]] = {}
    for id_, source in sources.items():
        said = {other.id for other in sources.values() if {other.id, other.family} & set(source.takes_from)}
        like = {other for other in sources if other != id_ and _has_most_of(names[id_], names[other])}
        found[id_] = (said | like) - {id_}
    for _ in sources:
        for id_, taken in found.items():
            found[id_] = (taken | {more for other in taken for more in found[other]}) - {id_}
    return found


def _has_most_of(names: Mapping[str, int], other: Mapping[str, int]) -> bool:
    """Whether a list has so much of a smaller one that it copies it."""
    if not LEAST <= len(other) <= len(names):
        return False
    return sum(name in names for name in other) >= LIKENESS * len(other)


def witnesses(lists: Sequence[str], taken: Mapping[str, set[str]], sources: Mapping[str, Source]) -> set[str]:
    """The families that vouch for a name by themselves. Of lists that take from each other, the first one does."""
    first: list[str] = []
    for one in sorted(lists):
        if any(other in taken[one] and one not in taken[other] for other in lists):
            continue
        if not any(other in taken[one] for other in first):
            first.append(one)
    return {sources[one].family for one in first}
