"""A filter list in the syntax of AdGuard's DNS filtering.

An exception there counts before every rule, however close, and $important turns that round once. So what is blocked
below an exception is important, and what is open below that is an important exception, which nothing counts before:
one with something blocked below it cannot be expressed, and stays blocked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ....host.controls.dns.desired import covering
from ..declaration import Decision, Format, LeftOut, Rendered
from ..dns_names import blocks, dns_names
from ..header import comment, text

IMPORTANT = "$important"


def render(decision: Decision) -> Rendered:
    """The list."""
    names = dns_names(decision)
    blocked, through = frozenset(names.blocked), frozenset(names.through)
    depth = _depths([*names.blocked, *names.through])
    nested = {above for name in names.blocked if (above := _above(name, through))}
    lines, left_out = [], list(names.left_out)
    for name in names.blocked:
        lines.append(f"||{name}^{IMPORTANT if depth[name] else ''}")
    for name in names.through:
        if depth[name] == 1:
            lines.append(f"@@||{name}^")
        elif name in nested:
            why = "What is blocked below it could not be blocked again, so all of it stays blocked."
            left_out.append(LeftOut("", f"name {name}, open below {covering(name, blocked)}", why))
        else:
            lines.append(f"@@||{name}^{IMPORTANT}")
    return Rendered({"proscribe.txt": text([*comment(decision, "adguard", "!"), *lines])}, names.included, left_out)


def _above(name: str, names: Iterable[str]) -> str:
    return covering(name.partition(".")[2], frozenset(names))


def _depths(names: Iterable[str]) -> Mapping[str, int]:
    """How many of the names lie above each one."""
    listed = frozenset(names)
    depths: dict[str, int] = {}
    for name in sorted(listed, key=lambda one: one.count(".")):
        above = _above(name, listed)
        depths[name] = depths[above] + 1 if above else 0
    return depths


FORMATS = (
    Format(
        name="adguard",
        meant_for="AdGuard Home, AdGuard DNS and what reads their filter lists",
        controls=("dns",),
        render=render,
        main="proscribe.txt",
        blocks=blocks,
    ),
)
