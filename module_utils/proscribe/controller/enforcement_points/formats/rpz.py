"""A response policy zone: for BIND, Knot Resolver, PowerDNS Recursor, Unbound with RPZ, and DNS appliances.

"CNAME ." is NXDOMAIN, "CNAME rpz-passthru." leaves a name alone. A wildcard of a zone does not reach below a name that
exists in it (RFC 4592, 2.2.2). A name exists, too, where another one lies below. So each such name is listed with what
the nearest listed name above it says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ....host.controls.dns.desired import covering
from ....host.controls.dns.effect import EXPORT_WITNESS
from ..declaration import Decision, Format, LeftOut, NotExportable, Rendered
from ..dns_names import blocks, dns_names
from ..header import comment, text, witness

BLOCKED, OPEN = "CNAME .", "CNAME rpz-passthru."
# A name of the zone and the zone's own have 255 bytes together (RFC 1035); a wildcard and 40 for the zone are left.
LONGEST = 210
# Names with such an end are triggers of other kinds: addresses, name servers, clients.
TRIGGERS = ("rpz-",)


def render(decision: Decision) -> Rendered:
    """The zone; it has whatever name the server gives it."""
    names = dns_names(decision)
    for name in (*names.blocked, *names.through):
        if name.rpartition(".")[2].startswith(TRIGGERS):
            raise NotExportable(f"rpz: {name} would be a trigger and no name")
    said = {**dict.fromkeys(names.blocked, BLOCKED), **dict.fromkeys(names.through, OPEN)}
    short = {name: what for name, what in said.items() if len(name) <= LONGEST}
    zone = {**short, **{name: short[covering(name, short.keys())] for name in _between(short)}}
    lines = [
        *comment(decision, "rpz", ";"),
        "$TTL 300",
        # The serial grows with each export: seconds since 1970, which fit until 2106.
        f"@ SOA localhost. root.localhost. {int(decision.at.timestamp())} 3600 600 86400 300",
        "@ NS localhost.",
        f'{EXPORT_WITNESS} TXT "{witness(decision)}"',
    ]
    for name in sorted(zone):
        lines += [f"{name} {zone[name]}", f"*.{name} {zone[name]}"]
    left_out = [
        LeftOut("", f"name {name}", "It is too long for a name of a policy zone.")
        for name in sorted(said.keys() - short.keys())
    ]
    return Rendered({"proscribe.rpz": text(lines)}, names.included, [*names.left_out, *left_out])


def _between(names: Iterable[str]) -> Iterator[str]:
    """The names that exist in a zone only because one of these lies below them and another one above."""
    listed = frozenset(names)
    for name in listed:
        upper = covering(name.partition(".")[2], listed)
        between = name.partition(".")[2]
        while upper and between != upper:
            yield between
            between = between.partition(".")[2]


FORMAT = Format(
    name="rpz",
    meant_for="name servers with response policy zones: BIND, Knot Resolver, PowerDNS Recursor, DNS appliances",
    controls=("dns",),
    render=render,
    accepted_by="named-checkzone and named (BIND 9.20)",
    main="proscribe.rpz",
    blocks=blocks,
)
