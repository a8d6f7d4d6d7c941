"""Lines for dnsmasq, as hosts that run one get them (host/controls/dns/rendering.py)."""

from __future__ import annotations

from ..declaration import Decision, Format, Rendered
from ..dns_names import blocks, dns_names
from ..header import WITNESS, comment, text, witness


def render(decision: Decision) -> Rendered:
    """A file for the folder of drop-ins. `local` without a server is NXDOMAIN; `#` is the upstream that it has."""
    names = dns_names(decision)
    lines = [
        *comment(decision, "dnsmasq"),
        *(f"local=/{name}/" for name in names.blocked),
        *(f"server=/{name}/#" for name in names.through),
        f'txt-record={WITNESS},"{witness(decision)}"',
    ]
    return Rendered({"proscribe.conf": text(lines)}, names.included, names.left_out)


FORMATS = (
    Format(
        name="dnsmasq",
        meant_for="dnsmasq as a network's resolver: OpenWrt and most small routers",
        controls=("dns",),
        render=render,
        accepted_by="dnsmasq --test and dnsmasq",
        main="proscribe.conf",
        blocks=blocks,
    ),
)
