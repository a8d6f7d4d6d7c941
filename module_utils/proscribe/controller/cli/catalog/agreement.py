"""Refresh of agreement feeds: a name is in such a feed if lists of several independent publishers contain it.

Lists of the same family, and lists that copy each other, count once (independence.py). In the feed's file, each name
has a comment with the number of families (`name.example # 3`). A person added each name without a number. Such a name
is never removed, whatever the lists contain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...compile.catalogue.feeds import Feed, parse_publisher_counts
from ...compile.catalogue.name_conflicts import list_name_and_parents
from ...report.text.wording import format_count
from .catalogue_changes import CatalogueChange, make_feed_files
from .independence import FamilyCounter, Witness, group_lists_by_name
from .list_checks import CheckedList, find_left_out_names, require_bounded_change
from .list_formats import ListFormatError
from .loaded_catalogue import LoadedCatalogue
from .publishers import Publisher


def count_agreeing_families(lists: Sequence[CheckedList], min_families: int) -> dict[str, int]:
    """Return by name the number of families whose lists contain it, for names of at least `min_families` families.

    Lists of a family count once. Raises ListFormatError if all the lists are of fewer than `min_families` families.
    """
    witnesses = {checked_list.publisher.id: _make_witness(checked_list.publisher) for checked_list in lists}
    if (family_count := len({checked_list.family for checked_list in witnesses.values()})) < min_families:
        raise ListFormatError(f"its publishers are of {family_count} families, expected {min_families} or more")
    names = {checked_list.publisher.id: frozenset(checked_list.values) for checked_list in lists}
    family_counter = FamilyCounter(witnesses, names)
    numbers = {name: family_counter(list_ids) for name, list_ids in group_lists_by_name(names).items()}
    return {name: number for name, number in numbers.items() if number >= min_families}


def _make_witness(publisher: Publisher) -> Witness:
    public_list = publisher.public_list
    return (
        Witness(publisher.family, public_list.takes_from, not public_list.about)
        if public_list
        else Witness(publisher.family)
    )


def make_agreement_change(
    feed: Feed,
    lists: Sequence[CheckedList],
    loaded: LoadedCatalogue,
    directory: Path,
    max_change_percent: int,
    has_all_lists: bool = True,
) -> CatalogueChange:
    """Return the change that fills an agreement feed from its publishers' lists, for the feed's files in `directory`.

    The feed then has the names of at least `feed.agreement` families, and the names that a person added. Unless
    `has_all_lists` is true, no name is removed, because a missing list may have it. Raises ListFormatError if no name
    is in enough lists, or if a list or the feed changes too much (`max_change_percent`). This limit applies to a list
    only if the feed was compared with it before. It applies to the feed only if this is true of all lists.
    """
    recorded = {checked_list["with"]: int(checked_list["values"]) for checked_list in feed.compared}
    for checked_list in lists:
        if earlier_count := recorded.get(checked_list.publisher.id):
            difference = len(checked_list.values) - earlier_count
            require_bounded_change(
                earlier_count,
                max(difference, 0),
                max(-difference, 0),
                max_change_percent,
                f"{checked_list.publisher.id}: ",
            )
    numbers = count_agreeing_families(lists, feed.agreement)
    left_out_names = find_left_out_names(list(numbers), feed.service, loaded)
    old_numbers = parse_publisher_counts(Path(feed.file).with_suffix(".txt").read_text(encoding="ascii"))
    handwritten_names = {name for name, number in old_numbers.items() if not number}
    taken_names = _drop_covered_names(
        {name: number for name, number in numbers.items() if name not in left_out_names}, handwritten_names
    )
    if not has_all_lists:
        taken_names = {**{name: number for name, number in old_numbers.items() if number}, **taken_names}
    if not taken_names:
        raise ListFormatError("no name is in enough of its lists")
    removed_names = [name for name, number in old_numbers.items() if number and name not in taken_names]
    if all(checked_list.publisher.id in recorded for checked_list in lists):
        new_names = [name for name in taken_names if name not in old_numbers]
        require_bounded_change(
            sum(map(bool, old_numbers.values())), len(new_names), len(removed_names), max_change_percent
        )
    lines = {**dict.fromkeys(handwritten_names, ""), **{name: f" # {number}" for name, number in taken_names.items()}}
    list_path, text = make_feed_files(feed, lists, [f"{name}{lines[name]}" for name in sorted(lines)], directory)
    left_out_note = (
        f"{format_count(len(left_out_names), 'name')} left out: known to be good, shared, decided or of an entry"
        if left_out_names
        else ""
    )
    return CatalogueChange(
        list_path,
        sorted(lines.keys() - old_numbers.keys()),
        sorted(removed_names),
        text,
        len(old_numbers),
        left_out_note,
    )


def _drop_covered_names(numbers: Mapping[str, int], handwritten_names: Iterable[str]) -> dict[str, int]:
    """Return `numbers` (families by name) without each name below another one, which blocks it anyway.

    The other name may also be in `handwritten_names`, which a person added to the feed.
    """
    all_names = {*numbers, *handwritten_names}
    return {name: number for name, number in numbers.items() if all_names.isdisjoint(list_name_and_parents(name)[1:])}
