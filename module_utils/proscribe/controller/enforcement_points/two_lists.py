"""For points with two lists of names, each with all below it: one that blocks, and one that allows and comes first.

Most devices are so: a rule that allows stands before the one that blocks. What is blocked below an allowed name could
not be blocked again. So such a name is not allowed, and stays blocked with all below it.

None of these points is known to answer NXDOMAIN, so names that want it are left out. No list is empty: devices keep the
earlier one where they fetch nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from typing import NamedTuple

from ...host.controls.dns.desired import covering, of_plan
from ...model.types.plan import Plan
from .declaration import Decision, LeftOut
from .dns_names import CONTROL, dns_names

NOBODY = "proscribe.invalid"  # a name that nobody can have (RFC 2606), for a list that would be empty
NESTED = "What is blocked below it could not be blocked again, so all of it stays blocked."


class TwoLists(NamedTuple):
    """The names of a decision. None of a list lies below another one of it."""

    blocked: tuple[str, ...]
    allowed: tuple[str, ...]
    included: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


def any_name(name: str) -> bool:
    """For devices that take every name."""
    return True


def two_lists(decision: Decision, fits: Callable[[str], bool] = any_name, misfit: str = "") -> TwoLists:
    """The lists of a decision. `fits` says whether the device takes a name, `misfit` what is wrong with the others.
    Raises ControlError for a name that is none.
    """
    names = dns_names(decision, canaries=False)
    blocked, allowed = _lists(frozenset(names.blocked), frozenset(names.through))
    whys = {
        **dict.fromkeys(frozenset(names.through) - allowed, NESTED),
        **{name: f"{misfit} It stays blocked." for name in allowed if not fits(name)},
    }
    left_out = [
        *(LeftOut("", f"name {name}", f"{misfit} It stays open.") for name in sorted(blocked) if not fits(name)),
        *(LeftOut("", f"name {name}, open below {covering(name, blocked)}", why) for name, why in sorted(whys.items())),
    ]
    return TwoLists(
        tuple(sorted(filter(fits, blocked))) or (NOBODY,),
        tuple(sorted(filter(fits, allowed))) or (NOBODY,),
        names.included,
        (*names.left_out, *left_out),
    )


def covered(plan: Plan, host: str, fits: Callable[[str], bool] = any_name) -> str:
    """The name of the list that blocks a host in a section; "" where it is open."""
    section = plan["controls"].get(CONTROL)
    if section is None:
        return ""
    desired = of_plan(section, {}, canaries=False)
    blocked, allowed = _lists(desired.names, desired.through)
    return "" if covering(host, set(filter(fits, allowed))) else covering(host, set(filter(fits, blocked)))


def blocks(plan: Plan, host: str, port: int | None = None) -> bool:
    """Whether a host is blocked in a section, by a point with two lists."""
    return bool(covered(plan, host))


def _lists(blocked: Set[str], through: Set[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The topmost blocked names, and the open names with nothing blocked below them. Each name of `through` lies below
    a blocked one.
    """
    nested = {upper for name in blocked for upper in _above(name) if upper in through}
    top = frozenset(name for name in blocked if not covering(name.partition(".")[2], blocked))
    return top, frozenset(through - nested)


def _above(name: str) -> Iterator[str]:
    while name := name.partition(".")[2]:
        yield name
