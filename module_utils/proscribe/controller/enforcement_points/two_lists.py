"""For points with two lists of names, each with all below it: one that blocks, and one that allows and comes first.

Most devices are so: a rule that allows stands before the one that blocks. What is blocked below an allowed name could
not be blocked again. So such a name is not allowed, and stays blocked with all below it.

None of these points is known to answer NXDOMAIN, so names that want it are left out. No list is empty: devices keep the
earlier one where they fetch nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from typing import NamedTuple

from ...host.controls.dns.desired import collect_section_names, find_covering_name
from ...model.types.plan import Plan
from .declaration import ExportDecision, ExportOmission
from .dns_names import DNS_CONTROL, collect_dns_names

UNUSED_NAME = "proscribe.invalid"  # a name that nobody can have (RFC 2606), for a list that would be empty
NESTED_REASON = "What is blocked below it could not be blocked again, so all of it stays blocked."


class AllowAndBlockLists(NamedTuple):
    """The names of a decision. None of a list lies below another one of it."""

    blocked_names: tuple[str, ...]
    allowed_names: tuple[str, ...]
    included_rules: tuple[str, ...]
    left_out: tuple[ExportOmission, ...]


def is_any_name(name: str) -> bool:
    """For devices that take every name."""
    return True


def make_two_lists(
    decision: ExportDecision, is_supported: Callable[[str], bool] = is_any_name, misfit_reason: str = ""
) -> AllowAndBlockLists:
    """The lists of a decision. `is_supported` says whether the device takes a name, `misfit_reason` what is wrong with the others.
    Raises ControlError for a name that is none.
    """
    exported_names = collect_dns_names(decision, with_canaries=False)
    blocked_names, allowed_names = _split_names(
        frozenset(exported_names.blocked_names), frozenset(exported_names.open_names)
    )
    reason_by_name = {
        **dict.fromkeys(frozenset(exported_names.open_names) - allowed_names, NESTED_REASON),
        **{name: f"{misfit_reason} It stays blocked." for name in allowed_names if not is_supported(name)},
    }
    left_out = [
        *(
            ExportOmission("", f"name {name}", f"{misfit_reason} It stays open.")
            for name in sorted(blocked_names)
            if not is_supported(name)
        ),
        *(
            ExportOmission("", f"name {name}, open below {find_covering_name(name, blocked_names)}", reason)
            for name, reason in sorted(reason_by_name.items())
        ),
    ]
    return AllowAndBlockLists(
        tuple(sorted(filter(is_supported, blocked_names))) or (UNUSED_NAME,),
        tuple(sorted(filter(is_supported, allowed_names))) or (UNUSED_NAME,),
        exported_names.included_rules,
        (*exported_names.left_out, *left_out),
    )


def find_blocking_name(plan: Plan, host: str, is_supported: Callable[[str], bool] = is_any_name) -> str:
    """The name of the list that blocks a host in a section; "" where it is open."""
    section = plan["controls"].get(DNS_CONTROL)
    if section is None:
        return ""
    desired_names = collect_section_names(section, {}, canaries=False)
    blocked_names, allowed_names = _split_names(desired_names.blocked_names, desired_names.open_names)
    return (
        ""
        if find_covering_name(host, set(filter(is_supported, allowed_names)))
        else find_covering_name(host, set(filter(is_supported, blocked_names)))
    )


def is_host_blocked(plan: Plan, host: str, port: int | None = None) -> bool:
    """Whether a host is blocked in a section, by a point with two lists."""
    return bool(find_blocking_name(plan, host))


def _split_names(blocked_names: Set[str], open_names: Set[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The topmost blocked names, and the open names with nothing blocked below them. Each name of `open_names` lies below
    a blocked one.
    """
    nested_names = {parent for name in blocked_names for parent in _iterate_parents(name) if parent in open_names}
    topmost_names = frozenset(
        name for name in blocked_names if not find_covering_name(name.partition(".")[2], blocked_names)
    )
    return topmost_names, frozenset(open_names - nested_names)


def _iterate_parents(name: str) -> Iterator[str]:
    while name := name.partition(".")[2]:
        yield name
