"""Two lists of names for an enforcement point: a blocking list, and an allowing list that takes precedence.

A listed name covers all names below it. Most devices are like this: a rule that allows comes before the rule that
blocks. So nothing below an allowed name can be blocked. If a name should be open, but some name below it blocked, the
name is not allowed. Then it stays blocked with all names below it.

None of these points is known to answer NXDOMAIN, so names that require it are left out. No list is empty, because
devices keep the earlier list if they fetch an empty one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from typing import NamedTuple

from ...host.controls.dns.names_to_block import collect_section_names, find_covering_name
from ...model.types.plan import Plan
from .dns_names import DNS_CONTROL, collect_dns_names
from .format_declaration import ExportDecision, ExportOmission

UNUSED_NAME = "proscribe.invalid"  # a reserved name (RFC 2606), for a list that would be empty
NESTED_REASON = "What is blocked below it could not be blocked again, so all of it stays blocked."


class AllowAndBlockLists(NamedTuple):
    """The names for a point with two lists.

    No blocked name is below another blocked name.
    """

    blocked_names: tuple[str, ...]
    allowed_names: tuple[str, ...]
    included_rules: tuple[str, ...]
    left_out: tuple[ExportOmission, ...]


def is_any_name(name: str) -> bool:
    """Return True, for devices that accept every name."""
    return True


def make_two_lists(
    decision: ExportDecision, is_supported: Callable[[str], bool] = is_any_name, misfit_reason: str = ""
) -> AllowAndBlockLists:
    """Return the blocking and the allowing list for an export.

    Raises ControlError for an invalid name. `is_supported` returns True if the device accepts a name. `misfit_reason`
    is the reason that reports give for names that the device does not accept.
    """
    exported_names = collect_dns_names(decision, with_canaries=False)
    blocked_names, allowed_names = _split_names(
        frozenset(exported_names.blocked_names), frozenset(exported_names.open_names)
    )
    reason_by_open_name = {
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
            for name, reason in sorted(reason_by_open_name.items())
        ),
    ]
    return AllowAndBlockLists(
        tuple(sorted(filter(is_supported, blocked_names))) or (UNUSED_NAME,),
        tuple(sorted(filter(is_supported, allowed_names))) or (UNUSED_NAME,),
        exported_names.included_rules,
        (*exported_names.left_out, *left_out),
    )


def find_blocking_name(plan: Plan, host: str, is_supported: Callable[[str], bool] = is_any_name) -> str:
    """Return the name in the blocking list that blocks a host; "" if the point does not block the host."""
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
    """Return True if a point with two lists blocks a host.

    `port` is not used.
    """
    return bool(find_blocking_name(plan, host))


def _split_names(blocked_names: Set[str], open_names: Set[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the blocked names that are below no other blocked name, and the open names with no blocked name below."""
    enclosing_names = {parent for name in blocked_names for parent in _iterate_parents(name) if parent in open_names}
    topmost_names = frozenset(
        name for name in blocked_names if not find_covering_name(name.partition(".")[2], blocked_names)
    )
    return topmost_names, frozenset(open_names - enclosing_names)


def _iterate_parents(name: str) -> Iterator[str]:
    while name := name.partition(".")[2]:
        yield name
