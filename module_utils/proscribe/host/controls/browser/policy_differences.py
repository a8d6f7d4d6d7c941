"""Differences between the policies of a file and those of the plan, as text for an operator. Pure.

The text names a policy and counts the entries of its lists. The text names no site, so that a hundred rules (one for
each service) share one cause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

from ....model.plan import format_canonical
from ..policy_values import is_same_json

if TYPE_CHECKING:
    from ..policy_values import Policies

MAX_DIFFERENCES = 4
SITE_LIST_POLICIES = ("URLBlocklist", "WebsiteFilter")  # these come before all others
MAX_VALUE_CHARACTERS = 60
MAX_TABLE_DEPTH = 3


def describe_differences(current: Policies, desired: Policies) -> str:
    """Describe the differences from the desired policies; "" if there are none."""
    differences = list(_compare_policies("", current, desired, MAX_TABLE_DEPTH))
    hidden_count = len(differences) - MAX_DIFFERENCES
    return "; ".join([*differences[:MAX_DIFFERENCES], *([f"and {hidden_count} more"] if hidden_count > 0 else [])])


def shorten_value(policy_value: object) -> str:
    """Return a value as JSON, cut after MAX_VALUE_CHARACTERS."""
    return _shorten_text(format_canonical(policy_value))


def _compare_policies(prefix: str, current: Policies, desired: Policies, depth: int) -> Iterator[str]:
    """Yield the differences of two tables of policies. `prefix` comes before each name: the path of an inner table."""
    for key in sorted({*current, *desired}, key=lambda key: (key not in SITE_LIST_POLICIES, key)):
        name = prefix + _shorten_text(key)
        if key not in current:
            yield f"{name} is not set"
        elif key not in desired:
            yield f"{name} is not the plan's"
        elif not is_same_json(current[key], desired[key]):
            yield from _compare_value(name, current[key], desired[key], depth)


def _compare_value(name: str, current: object, desired: object, depth: int) -> Iterator[str]:
    """Yield the differences of a value. Inner tables are compared entry by entry as long as `depth` is not 0."""
    if isinstance(current, dict) and isinstance(desired, dict) and depth:
        yield from _compare_policies(f"{name}.", current, desired, depth - 1)
    elif isinstance(current, list) and isinstance(desired, list):
        yield f"{name} {_compare_lists(current, desired)}"
    else:
        yield f"{name} is {shorten_value(current)} instead of {shorten_value(desired)}"


def _compare_lists(current: list[object], desired: list[object]) -> str:
    """Describe how a list differs from the desired list, by numbers of entries."""
    present_entries, required_entries = set(map(format_canonical, current)), set(map(format_canonical, desired))
    missing_count, additional_count = len(required_entries - present_entries), len(present_entries - required_entries)
    parts = [f"is without {missing_count:,} of {len(required_entries):,} entries"] * bool(missing_count)
    parts += [f"has {additional_count:,} more"] * bool(additional_count)
    return " and ".join(parts) or "has its entries in another order, or twice"


def _shorten_text(text: str) -> str:
    return text if len(text) <= MAX_VALUE_CHARACTERS else f"{text[:MAX_VALUE_CHARACTERS]}..."
