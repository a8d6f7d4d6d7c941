"""Measurement of the share of agreed names that a catalogue handles. Pure.

A name is agreed if lists of two families contain it. The category must be the only subject of one of these lists. Some
lists also have names that nobody uses (`only_popular`). These lists count only for the most requested names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ....compile.catalogue.name_conflicts import list_name_and_parents
from ..independence import MIN_FAMILIES, FamilyCounter, Witness, group_lists_by_name
from ..public_lists import RANKED_LIST, PublicList
from .name_status import HANDLED_STATES, NameStatus

NamesByList = Mapping[str, Mapping[str, int]]  # by list id: each name with its place in the list


class PopularNames(NamedTuple):
    """The most requested names, from rankings and from lists without an order."""

    ranks: Mapping[str, int]  # by name: its rank, or the rank of a name below it if that is better
    unranked_names: frozenset[str]  # names of lists without an order
    list_ids: tuple[str, ...]  # lists that contributed names

    def has_name(self, name: str) -> bool:
        return name in self.ranks or name in self.unranked_names


class ListedName(NamedTuple):
    """A name that several independent lists contain, and its status in the catalogue."""

    name: str
    standing: NameStatus
    popular: bool  # the name is one of the most requested names
    rank: int | None  # None if no ranking has the name
    lists: tuple[str, ...]  # ids of the lists that contain the name


class HandledShare(NamedTuple):
    """The share of some names that the catalogue handles."""

    handled: int
    of: int  # number of all these names

    @property
    def fraction(self) -> float | None:
        """The share as a number from 0 to 1; None if there are no names."""
        return self.handled / self.of if self.of else None


class CategoryResult(NamedTuple):
    """The agreed names of a category, such as `vpn`, and the public lists that contain them."""

    category: str
    lists: Mapping[str, int]  # number of names in each list read
    families: int  # number of families of the lists read
    name_count: int  # different names in all lists read
    listed_names: Sequence[ListedName]  # agreed names, most requested first
    has_popularity: bool  # a list of the most requested names was read

    @property
    def popular_names(self) -> list[ListedName]:
        return [listed_name for listed_name in self.listed_names if listed_name.popular]

    @property
    def missing_names(self) -> list[ListedName]:
        return [listed_name for listed_name in self.listed_names if listed_name.standing.state not in HANDLED_STATES]

    def compute_share(self, covers_all_names: bool) -> HandledShare | None:
        """Return the share of handled names among the most requested agreed names, or among all agreed names.

        Return None if the lists are of too few families, or if the most requested names are needed but unknown.
        """
        if self.families < MIN_FAMILIES or not (covers_all_names or self.has_popularity):
            return None
        return compute_share(self.listed_names if covers_all_names else self.popular_names)


def compute_share(listed_names: Collection[ListedName]) -> HandledShare:
    """Count how many of some names the catalogue handles, and return this number with the total."""
    return HandledShare(
        sum(listed_name.standing.state in HANDLED_STATES for listed_name in listed_names), len(listed_names)
    )


def collect_popular_names(
    sources: Iterable[PublicList], names_by_list: NamesByList, popular_count: int
) -> PopularNames:
    """Return the most requested names, from the public lists with the key `popular`.

    A ranking contributes its first `popular_count` names. A list without an order contributes all of its names. If
    recall.yml declares more than `popular_count` names for such a list, it contributes none. Lists that were not read
    are skipped.
    """
    ranks: dict[str, int] = {}
    unranked_names: set[str] = set()
    list_ids = []
    for source in sources:
        if source.id not in names_by_list or not source.popular:
            continue
        if source.popular == RANKED_LIST:
            for name, rank in names_by_list[source.id].items():
                # A request for a name counts as a request for its parents, too.
                for parent_name in list_name_and_parents(name) if rank <= popular_count else ():
                    ranks[parent_name] = min(rank, ranks.get(parent_name, rank))
        elif int(source.popular) <= popular_count:
            unranked_names.update(names_by_list[source.id])
        else:
            continue
        list_ids.append(source.id)
    return PopularNames(ranks, frozenset(unranked_names), tuple(list_ids))


def measure_category(
    category: str,
    sources: Iterable[PublicList],
    names_by_list: NamesByList,
    popular: PopularNames,
    find_status: Callable[[str], NameStatus],
) -> CategoryResult:
    """Find the agreed names of a category, and return each with its status in the catalogue.

    A name is agreed if lists of MIN_FAMILIES independent families contain it. Names below another agreed name are left
    out. `find_status` returns the status of a name in the catalogue.
    """
    category_lists = {
        source.id: source for source in sources if category in source.categories and source.id in names_by_list
    }
    names_of_lists = {list_id: names_by_list[list_id] for list_id in category_lists}
    family_counter = FamilyCounter(
        {
            list_id: Witness(source.family, source.takes_from, category not in source.about)
            for list_id, source in category_lists.items()
        },
        names_of_lists,
    )
    # Lists that count for the most requested names only.
    silent_lists = frozenset(list_id for list_id, source in category_lists.items() if source.only_popular)
    agreed_names = {}
    lists_by_name = group_lists_by_name(names_of_lists)
    for name, list_ids in lists_by_name.items():
        if family_counter(list_ids, frozenset() if popular.has_name(name) else silent_lists) >= MIN_FAMILIES:
            agreed_names[name] = tuple(list_ids)
    listed_names = [
        ListedName(name, find_status(name), popular.has_name(name), popular.ranks.get(name), list_ids)
        for name, list_ids in agreed_names.items()
        if not any(parent_name in agreed_names for parent_name in list_name_and_parents(name)[1:])
    ]
    # Names without a rank come after all ranked names.
    last_rank = max(popular.ranks.values(), default=0) + 1
    listed_names.sort(
        key=lambda listed_name: (not listed_name.popular, listed_name.rank or last_rank, listed_name.name)
    )
    sizes = {list_id: len(list_names) for list_id, list_names in names_of_lists.items()}
    families = len({source.family for source in category_lists.values()})
    return CategoryResult(category, sizes, families, len(lists_by_name), listed_names, bool(popular.list_ids))
