"""A feed that is an agreement: the names that lists of several families have.

Lists that copy each other count once (independence.py). A name gets the number of families that vouch for it. A line
without a number was written by a person: it stays, whatever the lists have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...compile.catalogue.claims import list_name_and_parents
from ...compile.catalogue.feeds import Feed, parse_publisher_counts
from ...report.text.wording import counted
from .believing import Believed, left_out, require_bounded
from .changing import Change, of_feed
from .chosen import Chosen
from .formats import Unreadable
from .independence import Counting, Witness, having
from .publishers import Publisher


def agreed(lists: Sequence[Believed], families: int) -> dict[str, int]:
    """By name that so many families have: how many do. Raises Unreadable where there are not so many families."""
    witnesses = {one.publisher.id: _witness(one.publisher) for one in lists}
    if (found := len({one.family for one in witnesses.values()})) < families:
        raise Unreadable(f"its publishers are of {found} families, expected {families} or more")
    names = {one.publisher.id: frozenset(one.values) for one in lists}
    count = Counting(witnesses, names)
    numbers = {name: count(having_it) for name, having_it in having(names).items()}
    return {name: number for name, number in numbers.items() if number >= families}


def _witness(publisher: Publisher) -> Witness:
    listed = publisher.listed
    return Witness(publisher.family, listed.takes_from, not listed.about) if listed else Witness(publisher.family)


def of_agreement(
    feed: Feed, lists: Sequence[Believed], chosen: Chosen, directory: Path, most: int, whole: bool = True
) -> Change:
    """What an agreement of lists changes in its feed. Where these are not all of its lists (`whole`), no name goes: the
    others may have it. Raises Unreadable.
    """
    recorded = {one["with"]: int(one["values"]) for one in feed.compared}
    for one in lists:
        if before := recorded.get(one.publisher.id):
            change = len(one.values) - before
            require_bounded(before, max(change, 0), max(-change, 0), most, f"{one.publisher.id}: ")
    numbers = agreed(lists, feed.agreement)
    left = left_out(list(numbers), feed.service, chosen)
    old = parse_publisher_counts(Path(feed.file).with_suffix(".txt").read_text(encoding="ascii"))
    by_hand = {name for name, number in old.items() if not number}
    taken = _highest({name: number for name, number in numbers.items() if name not in left}, by_hand)
    if not whole:
        taken = {**{name: number for name, number in old.items() if number}, **taken}
    if not taken:
        raise Unreadable("no name is in enough of its lists")
    gone = [name for name, number in old.items() if number and name not in taken]
    if all(one.publisher.id in recorded for one in lists):
        new = [name for name in taken if name not in old]
        require_bounded(sum(map(bool, old.values())), len(new), len(gone), most)
    lines = {**dict.fromkeys(by_hand, ""), **{name: f" # {number}" for name, number in taken.items()}}
    listed, text = of_feed(feed, lists, [f"{name}{lines[name]}" for name in sorted(lines)], directory)
    words = f"{counted(len(left), 'name')} left out: known to be good, shared, decided or of an entry" if left else ""
    return Change(listed, sorted(lines.keys() - old.keys()), sorted(gone), text, len(old), words)


def _highest(numbers: Mapping[str, int], by_hand: Iterable[str]) -> dict[str, int]:
    """Without the names below another one, which are blocked with that."""
    all_names = {*numbers, *by_hand}
    return {name: number for name, number in numbers.items() if all_names.isdisjoint(list_name_and_parents(name)[1:])}
