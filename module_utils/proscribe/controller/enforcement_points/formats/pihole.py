"""Two subscribed lists for Pi-hole 6 in the style of Adblock Plus: a denylist and an allowlist, which comes first."""

from __future__ import annotations

import re

from ..declaration import Decision, Device, Format, Rendered
from ..header import comment, text
from ..two_lists import blocks, two_lists

# FTL's valid_domain: two letters or more behind the last dot, with no hyphen at their ends.
_NAME = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*(?!-)[a-z0-9_-]{1,62}[a-z0-9_]", re.ASCII)


def render(decision: Decision) -> Rendered:
    """The lists."""
    names = two_lists(decision, lambda name: bool(_NAME.fullmatch(name)), "Pi-hole does not take its form.")
    head = comment(decision, "pihole")
    files = {
        "blocked.txt": text([*head, *(f"||{name}^" for name in names.blocked)]),
        "allowed.txt": text([*head, *(f"@@||{name}^" for name in names.allowed)]),
    }
    return Rendered(files, names.included, names.left_out)


FORMAT = Format(
    name="pihole",
    meant_for="Pi-hole 6 and newer: a subscribed denylist and a subscribed allowlist",
    controls=("dns",),
    render=render,
    accepted_by="AdGuard's engine for the same syntax (2.2), nightly",
    main="blocked.txt, allowed.txt",
    blocks=blocks,
    device=Device(
        below="`||example.com^`",
        exceptions="`allowed.txt`, `@@||example.com^`: subscribed allowlists come before subscribed denylists",
        fetched="by Pi-hole, from a web server: weekly, or by `pihole updateGravity` from a timer",
        pages=(
            "https://docs.pi-hole.net/database/domain-database/",
            "https://github.com/pi-hole/FTL/blob/master/src/tools/gravity-parseList.c",
            "https://github.com/pi-hole/pi-hole/blob/master/advanced/Templates/pihole.cron",
        ),
        read="2026-11-30",
    ),
)
