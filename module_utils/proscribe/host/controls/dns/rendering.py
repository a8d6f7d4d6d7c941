"""The filter in the words of dnsmasq and of unbound, and the names back out of such a file.

Both answer NXDOMAIN, for every record type (also HTTPS, which carries the keys of encrypted TLS hellos), for a blocked
name and all below it, and ask their upstream for a name that is let through. The nearest of the names decides.

Each file also makes the resolver answer WITNESS with the file's own digest (TXT) and with an address. Whoever asks for
the digest knows whether the resolver that runs has read this very file; whoever looks the name up as programs do knows
whether they reach it (effect.py).
"""

from __future__ import annotations

from ....base.hashing import sha256
from ....base.patterns import MULTILINE, pattern
from ...system import WRITTEN_BY
from .desired import Desired, plain
from .effect import ADDRESS, WITNESS

_DNSMASQ = pattern(r"^local=/([^/]+)/$", MULTILINE)
_UNBOUND = pattern(r'^  local-zone: "([^"]+)\." always_nxdomain$', MULTILINE)


def dnsmasq(desired: Desired) -> str:
    """Lines for dnsmasq. `local` without a server is NXDOMAIN in every version; `#` is the upstream that it has."""
    body = [
        *(f"local=/{name}/" for name in plain(desired.names)),
        *(f"server=/{name}/#" for name in plain(desired.through)),
    ]
    return _text([*body, f'txt-record={WITNESS},"{_digest(body)}"', f"host-record={WITNESS},{ADDRESS}"])


def unbound(desired: Desired) -> str:
    """Lines for unbound. Local zones need none of its modules, so the organisation's chain of modules stays as it is.

    log-local-actions names the zone in a line for each answer out of one, which is how hits are logged.
    """
    body = [f'  local-zone: "{name}." always_nxdomain' for name in plain(desired.names)]
    body += [f'  local-zone: "{name}." transparent' for name in plain(desired.through)]
    records = (f'TXT "{_digest(body)}"', f"A {ADDRESS}")
    witness = [f"  local-data: '{WITNESS}. 0 IN {record}'" for record in records]
    return _text(["server:", "  log-local-actions: yes", *body, *witness])


def blocked(text: str) -> set[str]:
    """The names that a file of either kind blocks."""
    return {*_DNSMASQ.findall(text), *_UNBOUND.findall(text)}


def digest_in(text: str) -> str:
    """The digest that a file makes its resolver answer with; "" if it has none."""
    said = text.partition(WITNESS)[2].partition("\n")[0].split('"')
    return said[1] if len(said) == 3 and not said[1].strip("0123456789abcdef") else ""


def _digest(lines: list[str]) -> str:
    return sha256("\n".join(lines).encode()).hexdigest()[:32]


def _text(lines: list[str]) -> str:
    return "\n".join([f"# {WRITTEN_BY}", *lines, ""])
