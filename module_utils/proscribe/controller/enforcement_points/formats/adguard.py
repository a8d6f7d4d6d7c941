"""A filter list in the syntax of AdGuard's DNS filtering.

An exception there counts before every rule, however close, and $important turns that round once. So what is blocked
below an exception is important, and what is open below that is an important exception, which nothing counts before:
one with something blocked below it cannot be expressed, and stays blocked.
"""

from __future__ import annotations

from ....host.controls.dns.desired import covering
from ..declaration import Decision, Format, LeftOut, Rendered
from ..dns_names import blocks, dns_names, levels
from ..header import comment, text

IMPORTANT = "$important"


def render(decision: Decision) -> Rendered:
    """The list."""
    names = dns_names(decision)
    blocked, through = frozenset(names.blocked), frozenset(names.through)
    depth = {name: number for number, level in enumerate(levels([*names.blocked, *names.through])) for name in level}
    nested = {above for name in names.blocked if (above := covering(name.partition(".")[2], through))}
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


FORMAT = Format(
    name="adguard",
    meant_for="AdGuard Home, AdGuard DNS and what reads their filter lists",
    controls=("dns",),
    render=render,
    main="proscribe.txt",
    blocks=blocks,
)
