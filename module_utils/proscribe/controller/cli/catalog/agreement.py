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
    """Return the number of families whose lists contain a name, for each name of at least `min_families`.

    Lists of a family count once. Raises ListFormatError if all the lists are of fewer than `min_families` families.
    """
    # A witness is a list with the facts that decide whether it is independent of the other lists.
    witnesses = {checked_list.publisher.id: _make_witness(checked_list.publisher) for checked_list in lists}
    if (family_count := len({witness.family for witness in witnesses.values()})) < min_families:
        raise ListFormatError(f"its publishers are of {family_count} families, expected {min_families} or more")
    names_by_list = {checked_list.publisher.id: frozenset(checked_list.values) for checked_list in lists}
    family_counter = FamilyCounter(witnesses, names_by_list)
    family_counts = {name: family_counter(list_ids) for name, list_ids in group_lists_by_name(names_by_list).items()}
    return {name: count for name, count in family_counts.items() if count >= min_families}


def _make_witness(publisher: Publisher) -> Witness:
    """Return what decides if a publisher's list counts as independent of others.

    A mixed list also has names of other subjects. Only recall.yml records sources and subjects. A list from elsewhere
    counts as independent, and as not mixed.
    """
    public_list = publisher.public_list
    return (
        Witness(publisher.family, public_list.takes_from, is_mixed=not public_list.about)
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
    # Key: id of a list. Value: the number of the list's values when the feed was last compared with it.
    recorded_counts = {checked_list["with"]: int(checked_list["values"]) for checked_list in feed.compared}
    for checked_list in lists:
        if earlier_count := recorded_counts.get(checked_list.publisher.id):
            difference = len(checked_list.values) - earlier_count
            require_bounded_change(
                earlier_count,
                max(difference, 0),
                max(-difference, 0),
                max_change_percent,
                f"{checked_list.publisher.id}: ",
            )
    family_counts = count_agreeing_families(lists, feed.agreement)
    left_out_names = find_left_out_names(list(family_counts), feed.service, loaded)
    old_family_counts = parse_publisher_counts(Path(feed.file).with_suffix(".txt").read_text(encoding="ascii"))
    # A name without a number in the feed's file was added by a person.
    handwritten_names = {name for name, count in old_family_counts.items() if not count}
    agreed_names = _drop_covered_names(
        {name: count for name, count in family_counts.items() if name not in left_out_names}, handwritten_names
    )
    if not has_all_lists:  # a missing list may still have the earlier names, so they stay
        agreed_names = {**{name: count for name, count in old_family_counts.items() if count}, **agreed_names}
    if not agreed_names:
        raise ListFormatError("no name is in enough of its lists")
    removed_names = [name for name, count in old_family_counts.items() if count and name not in agreed_names]
    if all(checked_list.publisher.id in recorded_counts for checked_list in lists):
        new_names = [name for name in agreed_names if name not in old_family_counts]
        require_bounded_change(
            sum(map(bool, old_family_counts.values())), len(new_names), len(removed_names), max_change_percent
        )
    comments_by_name = {
        **dict.fromkeys(handwritten_names, ""),
        **{name: f" # {count}" for name, count in agreed_names.items()},
    }
    list_path, new_texts = make_feed_files(
        feed, lists, [f"{name}{comments_by_name[name]}" for name in sorted(comments_by_name)], directory
    )
    left_out_note = (
        f"{format_count(len(left_out_names), 'name')} left out: known to be good, shared, decided or of an entry"
        if left_out_names
        else ""
    )
    return CatalogueChange(
        list_path,
        sorted(comments_by_name.keys() - old_family_counts.keys()),
        sorted(removed_names),
        new_texts,
        len(old_family_counts),
        left_out_note,
    )


def _drop_covered_names(family_counts: Mapping[str, int], handwritten_names: Iterable[str]) -> dict[str, int]:
    """Return the names with their numbers of families, without each name below another name of the feed.

    The other name blocks it anyway. It may also be in `handwritten_names`, the names that a person added to the feed.
    """
    all_names = {*family_counts, *handwritten_names}
    return {
        name: count for name, count in family_counts.items() if all_names.isdisjoint(list_name_and_parents(name)[1:])
    }
