"""How many of the names that independent lists agree on a catalogue handles. Pure.

A name counts where lists of two families vouch for it, of which at least one is about its category alone. What a list
has beside names that are in use counts only where it is asked for (`only_popular`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ....compile.catalogue.claims import list_name_and_parents
from ..independence import FAMILIES, Counting, Witness, having
from ..public_lists import RANKED, Source
from .standing import HANDLED, Standing

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
                for one in (
                    list_name_and_parents(name) if rank <= most else ()
                ):  # a name is asked for where one below it is
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
    count = Counting(
        {id_: Witness(one.family, one.takes_from, category not in one.about) for id_, one in about.items()}, of_lists
    )
    silent = frozenset(id_ for id_, one in about.items() if one.only_popular)
    agreed = {}
    listed = having(of_lists)
    for name, lists in listed.items():
        if count(lists, frozenset() if popular.has(name) else silent) >= FAMILIES:
            agreed[name] = tuple(lists)
    found = [
        Found(name, standing(name), popular.has(name), popular.ranks.get(name), lists)
        for name, lists in agreed.items()
        if not any(one in agreed for one in list_name_and_parents(name)[1:])
    ]
    most = max(popular.ranks.values(), default=0) + 1
    found.sort(key=lambda one: (not one.popular, one.rank or most, one.name))
    sizes = {id_: len(listed) for id_, listed in of_lists.items()}
    families = len({one.family for one in about.values()})
    return Result(category, sizes, families, len(listed), found, bool(popular.read))
