"""`./proscribe catalog recall`: how many of the names that independent public lists agree on the catalogue handles."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ....policy_errors import close_to
from ....report.text.layout import screen_width, table
from ....report.text.wording import counted
from ... import Refused, say
from ..chosen import Chosen
from ..independence import FAMILIES
from ..public_lists import CATEGORIES, Source, read_sources
from .measure import Found, Result, Share, measure, popular_names, share
from .reading import Lists, fetch_lists, read_lists
from .standing import STATES, standings

SCHEMA = "proscribe/catalog-recall/1"
BELOW_GOAL = 1
USUAL = 100_000  # names that count as the most asked for


class Goal(NamedTuple):
    """The least share of a category: of the most asked-for names, or of all."""

    category: str
    whole: bool
    least: float

    def __str__(self) -> str:
        return f"{self.category}{':all' if self.whole else ''}={self.least:g}"


class Recall(NamedTuple):
    """What was compared, and what came of it."""

    lists: Lists
    results: Sequence[Result]
    popularity: Sequence[str]  # the lists of the most asked-for names that were used
    most: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `recall`."""
    parser.epilog = (
        "The lists are those of recall.yml, in FOLDER: a clone or a download of each, under the name of its folder\n"
        "there. A name counts if two or more independent lists have it. Lists that are not in FOLDER are named. A\n"
        f"category with lists of fewer than {FAMILIES} publishers is not measured. Exit code {BELOW_GOAL} where a\n"
        "goal is not reached."
    )
    parser.add_argument("folder", metavar="FOLDER", help="the folder of public lists")
    add_choice_arguments(parser)
    parser.add_argument("--fetch", action="store_true", help="fetch the lists over https into FOLDER first")
    parser.add_argument("--ca-file", default="", metavar="FILE", help="certificates to trust (default: the system's)")
    parser.add_argument("--missing", action="store_true", help="print the names that the catalogue does not handle")
    parser.add_argument(
        "--at-least",
        action="append",
        type=_goal,
        default=[],
        metavar="CATEGORY=SHARE",
        help="a goal, such as vpn=0.95 of the most asked-for names, or vpn:all=0.9 of all; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="the same for machines")


def add_choice_arguments(parser: argparse.ArgumentParser) -> None:
    """The choice of names, also for what proposes them."""
    parser.add_argument(
        "--category",
        action="append",
        choices=CATEGORIES,
        metavar="NAME",
        help=f"only these, may be repeated: {', '.join(CATEGORIES)}",
    )
    parser.add_argument(
        "--popular",
        type=_number,
        default=USUAL,
        metavar="N",
        help=f"how many most asked-for names count as such (default: {USUAL})",
    )


def _number(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,6}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of names; expected 1 to 9999999")
    return int(text)


def _goal(text: str) -> Goal:
    found = re.fullmatch(r"([a-z_]+)(:all)?=(0(?:\.[0-9]{1,4})?|1(?:\.0{1,4})?)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no goal; expected CATEGORY=SHARE such as {CATEGORIES[0]}=0.95")
    if found[1] not in CATEGORIES:
        raise argparse.ArgumentTypeError(f"there is no category {found[1]!r}{close_to(found[1], CATEGORIES)}")
    return Goal(found[1], bool(found[2]), float(found[3]))


def run(arguments: argparse.Namespace, chosen: Chosen) -> int:
    """Compare, print, and return the exit code."""
    categories = arguments.category or CATEGORIES
    for goal in arguments.at_least:
        if goal.category not in categories:
            raise Refused(f"--at-least {goal} is about a category that --category leaves out")
    folder = Path(arguments.folder)
    if arguments.fetch:
        for line in fetch_lists(needed(chosen, categories), folder, arguments.ca_file):
            say(line, error=True)
    recall = compared(chosen, folder, categories, arguments.popular)
    below = list(_below(arguments.at_least, recall))
    if arguments.json:
        print(json.dumps(_data(recall, below), indent=2, ensure_ascii=False))
    else:
        _print(recall, arguments.missing)
    for line in below:
        say(line, error=True)
    return BELOW_GOAL if below else 0


def needed(chosen: Chosen, categories: Collection[str]) -> list[Source]:
    """The lists that a measure of some categories reads. Raises PolicyErrors, Refused."""
    sources = read_sources(chosen.directories)
    if not sources:
        raise Refused(f"no catalogue of these has a recall.yml: {', '.join(map(str, chosen.directories))}")
    found = {one.id for one in sources.values() if one.popular or not set(categories).isdisjoint(one.categories)}
    found |= {id_ for one in list(found) for id_ in sources[one].without}
    return [one for one in sources.values() if one.id in found]


def compared(chosen: Chosen, folder: Path, categories: Collection[str], most: int) -> Recall:
    """Compare the catalogue with the lists in a folder. Raises PolicyErrors, Refused."""
    sources = needed(chosen, categories)
    if not folder.is_dir():
        raise Refused(f"{folder} is not a directory; expected the folder of the lists")
    lists = read_lists(sources, folder)
    popular = popular_names(sources, lists.names, most)
    standing = standings(chosen)
    results = [measure(one, sources, lists.names, popular, standing) for one in categories]
    return Recall(lists, results, popular.read, most)


def _below(goals: Iterable[Goal], recall: Recall) -> Iterator[str]:
    """What does not reach its goal."""
    results = {one.category: one for one in recall.results}
    for goal in goals:
        found = results[goal.category].share(goal.whole)
        if found is None or found.value is None:
            yield f"{goal}: not reached, nothing was measured: {_unmeasured(results[goal.category], goal.whole)}"
        elif found.value < goal.least:
            yield f"{goal}: not reached, {found.handled} of {found.of} names are handled ({found.value:.3f})"


def _unmeasured(result: Result, whole: bool) -> str:
    """Why there is no share of a category."""
    if result.families < FAMILIES:
        return f"lists of {result.families} publishers, expected at least {FAMILIES}"
    if not whole and not result.popularity:
        return "no list of the most asked-for names was read"
    return "no two independent lists share a name"


def _print(recall: Recall, missing: bool) -> None:
    width = screen_width()
    heads = ("category", "lists", "families", "names", "handled", "popular", "handled")
    print("\n".join(table([heads, *map(_row, recall.results)], width)))
    print()
    for result in recall.results:
        states = [f"{number:,} {state}" for state, number in _states(result).items() if number]
        say(f"{result.category}: {', '.join(states) or 'nothing'}")
    print()
    of_lists = ("list", "category", "has", "names", "popular", "handled")
    print("\n".join(table([of_lists, *(row for one in recall.results for row in _rows(one))], width)))
    for result in recall.results if missing else ():
        print()
        print("\n".join(_line(result.category, found) for found in result.missing))
    used = ", ".join(recall.popularity) or "no list, so nothing is known of how often a name is asked for"
    say(f"\nnames: those in lists of {FAMILIES} or more independent publishers")
    say(f"popular: of these, those among the {recall.most:,} most asked for of {used}")
    for id_, why in recall.lists.missing.items():
        say(f"missing: {id_}: {why}")
    say(f"{counted(len(recall.lists.names), 'list')} read, {len(recall.lists.missing)} missing")


def _row(result: Result) -> tuple[str, ...]:
    return (
        result.category,
        str(len(result.lists)),
        str(result.families),
        f"{len(result.found):,}",
        _text(result.share(True)),
        f"{len(result.popular):,}" if result.popularity else "-",
        _text(result.share(False)),
    )


def _rows(result: Result) -> Iterator[tuple[str, ...]]:
    for id_, names in result.lists.items():
        found = [one for one in result.found if id_ in one.lists]
        popular = share([one for one in found if one.popular]) if result.popularity else None
        counts = (f"{number:,}" for number in (names, len(found), popular.of if popular else 0))
        yield id_, result.category, *counts, _text(popular)


def _text(found: Share | None) -> str:
    """A share; never rounded up, since a whole is something else."""
    if found is None:
        return "not measured"
    return f"{found.handled:,} ({found.handled * 100 // found.of} %)" if found.of else "-"


def _line(category: str, found: Found) -> str:
    rank = str(found.rank) if found.rank else "popular" if found.popular else "-"
    return f"{category}\t{rank}\t{found.name}\t{found.standing.state}\t{' '.join(found.lists)}"


def _data(recall: Recall, below: Sequence[str]) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "popular": {"names": recall.most, "lists": list(recall.popularity)},
        "categories": {one.category: _result_data(one) for one in recall.results},
        "lists": {id_: len(names) for id_, names in recall.lists.names.items()},
        "missing_lists": dict(recall.lists.missing),
        "below_goal": list(below),
    }


def _result_data(result: Result) -> dict[str, object]:
    shares = {"popular": result.share(False), "all": result.share(True)}
    return {
        "lists": dict(result.lists),
        "families": result.families,
        "names": result.names,
        "shares": {key: one._asdict() | {"share": one.value} if one else None for key, one in shares.items()},
        "states": _states(result),
        "missing": [
            one._asdict() | {"standing": one.standing.state, "entry": one.standing.where} for one in result.missing
        ],
    }


def _states(result: Result) -> dict[str, int]:
    """How many of the most asked-for names have each state."""
    return {state: sum(one.standing.state == state for one in result.popular) for state in STATES}
