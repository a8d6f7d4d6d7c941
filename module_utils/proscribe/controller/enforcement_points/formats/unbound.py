"""Local zones for unbound, as hosts that run one get them (host/controls/dns/rendering.py)."""

from __future__ import annotations

from ..declaration import Decision, Format, Rendered
from ..dns_names import blocks, dns_names
from ..header import WITNESS, comment, text, witness


def render(decision: Decision) -> Rendered:
    """A file to be included."""
    names = dns_names(decision)
    lines = [
        *comment(decision, "unbound"),
        "server:",
        *(f'  local-zone: "{name}." always_nxdomain' for name in names.blocked),
        *(f'  local-zone: "{name}." transparent' for name in names.through),
        f"  local-data: '{WITNESS}. 0 IN TXT \"{witness(decision)}\"'",
    ]
    return Rendered({"proscribe.conf": text(lines)}, names.included, names.left_out)


FORMATS = (
    Format(
        name="unbound",
        meant_for="unbound as a network's resolver, on OPNsense and pfSense too",
        controls=("dns",),
        render=render,
        accepted_by="unbound-checkconf and unbound",
        main="proscribe.conf",
        blocks=blocks,
    ),
)
