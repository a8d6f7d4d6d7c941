"""Command `./proscribe catalog recall`: the share of agreed names that the catalogue handles.

A name is agreed if several independent public lists contain it. The catalogue handles a name if it blocks the name,
reports it, or leaves it open for a reason (name_status.py).
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ....policy_errors import propose_similar_names
from ....report.text.terminal_layout import format_table, get_screen_width
from ....report.text.wording import format_count
from ... import CommandError, print_message
from ..independence import MIN_FAMILIES
from ..loaded_catalogue import LoadedCatalogue
from ..public_lists import LIST_SUBJECTS, PublicList, read_public_lists
from .list_reader import ListContents, fetch_lists, read_lists
from .measurement import (
    CategoryResult,
    HandledShare,
    ListedName,
    collect_popular_names,
    compute_share,
    measure_category,
)
from .name_status import NAME_STATES, make_status_finder

SCHEMA = "proscribe/catalog-recall/1"
BELOW_GOAL_CODE = 1  # exit code if a goal is missed
DEFAULT_POPULAR_COUNT = 100_000  # first names of a ranking that count as the most requested


class RecallGoal(NamedTuple):
    """A goal of `--at-least`: the least share of handled names in a category.

    It is a share of the most requested names, or of all names (`covers_all_names`). Its text is `vpn=0.95` or
    `vpn:all=0.95`.
    """

    category: str
    covers_all_names: bool
    min_share: float  # 0 to 1

    def __str__(self) -> str:
        return f"{self.category}{':all' if self.covers_all_names else ''}={self.min_share:g}"


class RecallReport(NamedTuple):
    """The public lists that the catalogue was compared with, and the results for each category."""

    lists: ListContents
    results: Sequence[CategoryResult]
    popularity: Sequence[str]  # ids of the lists of the most requested names that were used
    popular_count: int  # first names of a ranking that count as the most requested


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `./proscribe catalog recall` to its parser."""
    parser.epilog = (
        "The lists are those of recall.yml, in FOLDER: a clone or a download of each, under the name of its folder\n"
        "there. A name counts if two or more independent lists have it. Lists that are not in FOLDER are named. A\n"
        f"category with lists of fewer than {MIN_FAMILIES} publishers is not measured. Exit code {BELOW_GOAL_CODE} "
        f"where a\n"
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
        type=_parse_goal,
        default=[],
        metavar="CATEGORY=SHARE",
        help="a goal, such as vpn=0.95 of the most asked-for names, or vpn:all=0.9 of all; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="the same for machines")


def add_choice_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that select names, `--category` and `--popular`, to the parser of `recall` or `propose`."""
    parser.add_argument(
        "--category",
        action="append",
        choices=LIST_SUBJECTS,
        metavar="NAME",
        help=f"only these, may be repeated: {', '.join(LIST_SUBJECTS)}",
    )
    parser.add_argument(
        "--popular",
        type=_parse_name_count,
        default=DEFAULT_POPULAR_COUNT,
        metavar="N",
        help=f"how many most asked-for names count as such (default: {DEFAULT_POPULAR_COUNT})",
    )


def _parse_name_count(text: str) -> int:
    """Parse the value of `--popular`, a number of names from 1.

    Raises ArgumentTypeError for any other text.
    """
    if not re.fullmatch(r"[1-9][0-9]{0,6}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of names; expected 1 to 9999999")
    return int(text)


def _parse_goal(text: str) -> RecallGoal:
    """Parse a value of `--at-least`, such as `vpn=0.95` or `vpn:all=0.9`.

    Raises ArgumentTypeError for a text of another form, and for an unknown category.
    """
    goal_match = re.fullmatch(r"([a-z_]+)(:all)?=(0(?:\.[0-9]{1,4})?|1(?:\.0{1,4})?)", text)
    if not goal_match:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no goal; expected CATEGORY=SHARE such as {LIST_SUBJECTS[0]}=0.95"
        )
    if goal_match[1] not in LIST_SUBJECTS:
        raise argparse.ArgumentTypeError(
            f"there is no category {goal_match[1]!r}{propose_similar_names(goal_match[1], LIST_SUBJECTS)}"
        )
    return RecallGoal(goal_match[1], bool(goal_match[2]), float(goal_match[3]))


def run_recall(arguments: argparse.Namespace, loaded: LoadedCatalogue) -> int:
    """Compare the catalogue with public lists, print the report, and return the exit code.

    The exit code is BELOW_GOAL_CODE if a goal of `--at-least` is missed. Raises CommandError, PolicyErrors.
    """
    categories = arguments.category or LIST_SUBJECTS
    for goal in arguments.at_least:
        if goal.category not in categories:
            raise CommandError(f"--at-least {goal} is about a category that --category leaves out")
    folder = Path(arguments.folder)
    if arguments.fetch:
        for line in fetch_lists(select_needed_lists(loaded, categories), folder, arguments.ca_file):
            print_message(line, error=True)
    recall = compare_catalogue(loaded, folder, categories, arguments.popular)
    missed_goals = list(_describe_missed_goals(arguments.at_least, recall))
    if arguments.json:
        print(json.dumps(_make_report_data(recall, missed_goals), indent=2, ensure_ascii=False))
    else:
        _print_report(recall, arguments.missing)
    for line in missed_goals:
        print_message(line, error=True)
    return BELOW_GOAL_CODE if missed_goals else 0


def select_needed_lists(loaded: LoadedCatalogue, categories: Collection[str]) -> list[PublicList]:
    """Return the public lists of recall.yml that are needed to measure some categories.

    These are the lists about the categories, and the lists of the most requested names. Such a list may leave out the
    names of other lists (`without`), so these are needed, too. Raises PolicyErrors for mistakes in recall.yml,
    CommandError if no catalogue has one.
    """
    sources = read_public_lists(loaded.directories)
    if not sources:
        raise CommandError(f"no catalogue of these has a recall.yml: {', '.join(map(str, loaded.directories))}")
    needed_ids = {
        public_list.id
        for public_list in sources.values()
        if public_list.popular or not set(categories).isdisjoint(public_list.categories)
    }
    needed_ids |= {other_id for list_id in list(needed_ids) for other_id in sources[list_id].without}
    return [public_list for public_list in sources.values() if public_list.id in needed_ids]


def compare_catalogue(
    loaded: LoadedCatalogue, folder: Path, categories: Collection[str], popular_count: int
) -> RecallReport:
    """Compare the catalogue with the public lists in a folder, and return the results for each category.

    The first `popular_count` names of a ranking count as the most requested. Raises PolicyErrors for mistakes in
    recall.yml, CommandError if it or the folder is missing.
    """
    sources = select_needed_lists(loaded, categories)
    if not folder.is_dir():
        raise CommandError(f"{folder} is not a directory; expected the folder of the lists")
    lists = read_lists(sources, folder)
    popular = collect_popular_names(sources, lists.names_by_list, popular_count)
    find_status = make_status_finder(loaded)
    results = [
        measure_category(category, sources, lists.names_by_list, popular, find_status) for category in categories
    ]
    return RecallReport(lists, results, popular.list_ids, popular_count)


def _describe_missed_goals(goals: Iterable[RecallGoal], recall: RecallReport) -> Iterator[str]:
    """Yield a line for the screen for each goal of `--at-least` that is missed, with the reason."""
    results = {result.category: result for result in recall.results}
    for goal in goals:
        handled_share = results[goal.category].compute_share(goal.covers_all_names)
        if handled_share is None or handled_share.fraction is None:
            yield (
                f"{goal}: not reached, nothing was measured: "
                f"{_explain_missing_share(results[goal.category], goal.covers_all_names)}"
            )
        elif handled_share.fraction < goal.min_share:
            yield (
                f"{goal}: not reached, {handled_share.handled} of {handled_share.of} names are handled "
                f"({handled_share.fraction:.3f})"
            )


def _explain_missing_share(result: CategoryResult, covers_all_names: bool) -> str:
    """Return the reason why a category has no share of handled names, for a message about a missed goal."""
    if result.families < MIN_FAMILIES:
        return f"lists of {result.families} publishers, expected at least {MIN_FAMILIES}"
    if not covers_all_names and not result.has_popularity:
        return "no list of the most asked-for names was read"
    return "no two independent lists share a name"


def _print_report(recall: RecallReport, show_missing: bool) -> None:
    """Print the report for people: a table of categories, counts of states, a table of lists, and notes.

    With `show_missing`, each name that the catalogue does not handle is printed, too.
    """
    width = get_screen_width()
    header = ("category", "lists", "families", "names", "handled", "popular", "handled")
    print("\n".join(format_table([header, *map(_make_result_row, recall.results)], width)))
    print()
    for result in recall.results:
        states = [f"{number:,} {state}" for state, number in _count_states(result).items() if number]
        print_message(f"{result.category}: {', '.join(states) or 'nothing'}")
    print()
    list_header = ("list", "category", "has", "names", "popular", "handled")
    print(
        "\n".join(
            format_table([list_header, *(row for result in recall.results for row in _make_list_rows(result))], width)
        )
    )
    for result in recall.results if show_missing else ():
        print()
        print("\n".join(_format_missing_name(result.category, listed_name) for listed_name in result.missing_names))
    popularity_note = ", ".join(recall.popularity) or "no list, so nothing is known of how often a name is asked for"
    print_message(f"\nnames: those in lists of {MIN_FAMILIES} or more independent publishers")
    print_message(f"popular: of these, those among the {recall.popular_count:,} most asked for of {popularity_note}")
    for list_id, reason in recall.lists.reasons_by_list.items():
        print_message(f"missing: {list_id}: {reason}")
    print_message(
        f"{format_count(len(recall.lists.names_by_list), 'list')} read, {len(recall.lists.reasons_by_list)} missing"
    )


def _make_result_row(result: CategoryResult) -> tuple[str, ...]:
    """Return the row of a category in the first table: counts and shares as text.

    The shares are those of all agreed names, then of the most requested ones.
    """
    return (
        result.category,
        str(len(result.lists)),
        str(result.families),
        f"{len(result.listed_names):,}",
        _format_share(result.compute_share(True)),
        f"{len(result.popular_names):,}" if result.has_popularity else "-",
        _format_share(result.compute_share(False)),
    )


def _make_list_rows(result: CategoryResult) -> Iterator[tuple[str, ...]]:
    """Yield a row of the second table for each list that was read about a category.

    The numbers are the names of the list, its agreed names, and the most requested of these.
    """
    for list_id, names in result.lists.items():
        agreed_names = [listed_name for listed_name in result.listed_names if list_id in listed_name.lists]
        popular_share = (
            compute_share([listed_name for listed_name in agreed_names if listed_name.popular])
            if result.has_popularity
            else None
        )
        counts = (f"{number:,}" for number in (names, len(agreed_names), popular_share.of if popular_share else 0))
        yield list_id, result.category, *counts, _format_share(popular_share)


def _format_share(handled_share: HandledShare | None) -> str:
    """Return a share as text: `158 (45 %)`, `-` for no names, or `not measured`.

    The percentage is rounded down, so that only a complete share is shown as 100 %.
    """
    if handled_share is None:
        return "not measured"
    return (
        f"{handled_share.handled:,} ({handled_share.handled * 100 // handled_share.of} %)" if handled_share.of else "-"
    )


def _format_missing_name(category: str, listed_name: ListedName) -> str:
    rank = str(listed_name.rank) if listed_name.rank else "popular" if listed_name.popular else "-"
    return f"{category}\t{rank}\t{listed_name.name}\t{listed_name.standing.state}\t{' '.join(listed_name.lists)}"


def _make_report_data(recall: RecallReport, missed_goals: Sequence[str]) -> dict[str, object]:
    """Return the report as data for `--json`.

    `missed_goals` are the lines about missed goals.
    """
    return {
        "schema": SCHEMA,
        "popular": {"names": recall.popular_count, "lists": list(recall.popularity)},
        "categories": {result.category: _make_result_data(result) for result in recall.results},
        "lists": {list_id: len(names) for list_id, names in recall.lists.names_by_list.items()},
        "missing_lists": dict(recall.lists.reasons_by_list),
        "below_goal": list(missed_goals),
    }


def _make_result_data(result: CategoryResult) -> dict[str, object]:
    """Return the results of a category as data for `--json`.

    A share is None if it was not measured.
    """
    shares = {"popular": result.compute_share(False), "all": result.compute_share(True)}
    return {
        "lists": dict(result.lists),
        "families": result.families,
        "names": result.name_count,
        "shares": {
            key: handled_share._asdict() | {"share": handled_share.fraction} if handled_share else None
            for key, handled_share in shares.items()
        },
        "states": _count_states(result),
        "missing": [
            listed_name._asdict() | {"standing": listed_name.standing.state, "entry": listed_name.standing.source}
            for listed_name in result.missing_names
        ],
    }


def _count_states(result: CategoryResult) -> dict[str, int]:
    """Return the number of a category's most requested names in each state (NAME_STATES)."""
    return {
        state: sum(listed_name.standing.state == state for listed_name in result.popular_names) for state in NAME_STATES
    }
