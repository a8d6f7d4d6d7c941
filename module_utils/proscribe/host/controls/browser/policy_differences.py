"""Differences between the policies of a file and those of the plan, in words for an operator. Pure.

The words name a policy and count the entries of its lists. They name no site: a hundred rules then share one cause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

from ....model.plan import format_canonical
from ..policy_tables import is_same_json

if TYPE_CHECKING:
    from ..policy_tables import Policies

MOST_DIFFERENCES = 4  # that are described
LISTS_OF_SITES = ("URLBlocklist", "WebsiteFilter")  # described before all others
LONGEST_VALUE = 60  # characters
DEEPEST = 3  # tables in tables


def describe_differences(current: Policies, desired: Policies) -> str:
    """Return how policies differ from the desired ones; "" where they do not."""
    found = list(_compare_policies("", current, desired, DEEPEST))
    more = len(found) - MOST_DIFFERENCES
    return "; ".join([*found[:MOST_DIFFERENCES], *([f"and {more} more"] if more > 0 else [])])


def shorten_value(value: object) -> str:
    """Return a value as JSON, without what is beyond LONGEST_VALUE."""
    return _cut(format_canonical(value))


def _compare_policies(prefix: str, current: Policies, desired: Policies, depth: int) -> Iterator[str]:
    for key in sorted({*current, *desired}, key=lambda key: (key not in LISTS_OF_SITES, key)):
        name = prefix + _cut(key)
        if key not in current:
            yield f"{name} is not set"
        elif key not in desired:
            yield f"{name} is not the plan's"
        elif not is_same_json(current[key], desired[key]):
            yield from _compare_value(name, current[key], desired[key], depth)


def _compare_value(name: str, current: object, desired: object, depth: int) -> Iterator[str]:
    if isinstance(current, dict) and isinstance(desired, dict) and depth:
        yield from _compare_policies(f"{name}.", current, desired, depth - 1)
    elif isinstance(current, list) and isinstance(desired, list):
        yield f"{name} {_compare_lists(current, desired)}"
    else:
        yield f"{name} is {shorten_value(current)} instead of {shorten_value(desired)}"


def _compare_lists(current: list[object], desired: list[object]) -> str:
    present, required = set(map(format_canonical, current)), set(map(format_canonical, desired))
    missing, more = len(required - present), len(present - required)
    parts = [f"is without {missing:,} of {len(required):,} entries"] * bool(missing)
    parts += [f"has {more:,} more"] * bool(more)
    return " and ".join(parts) or "has its entries in another order, or twice"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."
