"""What programs get: a witness and a blocked name, asked for by the C library as an ordinary user's programs ask.

The witness is a name that only what we have written answers, on this host. If it is not answered with our address,
programs do not go by that. Then the question for a blocked name would leave the host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from ....base.tuples import NamedTuple
from ...system import Host, ObservationError

if TYPE_CHECKING:
    from ...system.names import NameResolution
    from .desired import Desired

# "internal" is reserved for private use (ICANN, 2024); "invalid" will not do, since systemd-resolved answers it itself.
WITNESS = "filter.proscribe.internal"
EXPORT_WITNESS = "export.proscribe.internal"  # of a network's resolver, which must not answer in a host's place
ADDRESS = "127.80.82.83"  # nothing listens there
PATIENCE = 6.0  # seconds for each of the two questions; an answer of this host takes much less than one of them
_IPV4, _BOTH = (
    2,
    0,
)  # AF_INET, AF_UNSPEC; the witness has no address of IPv6, and a question for one would leave the host
_SINKS = {"0.0.0.0", "::"}


class Tried(NamedTuple):
    """What was tried; nothing is wrong with what could not be."""

    idle: str = ""  # why what we have written has no effect
    unseen: str = ""  # why it is not known whether it has
    opened: str = ""  # the blocked name that resolves all the same
    leads: str = ""  # to which address


def of_filter(host: Host, desired: Desired, gives_up: Callable[[], bool], same_letters: bool = True) -> Tried:
    """Ask for the witness, and then for one of the names that are blocked. `gives_up`: whether the resolver answers
    nobody now, and so no name resolves at all. systemd-resolved asks in small letters, so that what is asked here would
    count as a hit: then the witness has to do.
    """
    try:
        witness = host.resolve_name(f"{WITNESS}.", _IPV4, PATIENCE)
        if witness is None or (witness.failure and gives_up()):
            return Tried()
        if ADDRESS not in witness.addresses:
            return _idle(witness)
        if not same_letters:
            return Tried()
        name = _in_turn(host, desired)
        return _opened(name, host.resolve_name(f"{name.upper()}.", _IPV4, PATIENCE))
    except ObservationError as silent:
        return Tried(unseen=str(silent))


def of_file(host: Host, desired: Desired) -> Tried:
    """Ask for one of the names that are blocked. Its address comes from the file, and from nowhere else. Only
    systemd-resolved answers that there is no such name. Then the witness shows whether programs go by the file.
    """
    name = _in_turn(host, desired)
    try:
        found = host.resolve_name(name.upper(), _BOTH, PATIENCE)
        if found is None or (found.addresses and not {*found.addresses} - _SINKS):
            return Tried()
        witness = host.resolve_name(WITNESS, _IPV4, PATIENCE)
    except ObservationError as silent:
        return Tried(unseen=str(silent))
    return _opened(name, found) if witness and ADDRESS in witness.addresses else _idle(witness)


def _idle(witness: NameResolution | None) -> Tried:
    said = witness and (", ".join(witness.addresses) or witness.failure) or "no such name"
    return Tried(idle=f"programs do not go by it: the C library says of {WITNESS}: {said}")


def _opened(name: str, found: NameResolution | None) -> Tried:
    leads = [address for address in found.addresses if address not in _SINKS] if found else []
    return Tried(opened=name, leads=leads[0]) if leads else Tried()


def queried_here(name: str) -> bool:
    """Whether the name of a question that a resolver has logged is spelled as only an observation spells it."""
    return name.isupper()


def _in_turn(host: Host, desired: Desired) -> str:
    """One of the names, and another one the next time: of the services in turn, and of the names of each."""
    services = [names for names in desired.services.values() if not desired.left.keys() >= set(names)]
    moment = int(host.clock())
    mine = [name for name in services[moment % len(services)] if name not in desired.left]
    return mine[moment // len(services) % len(mine)]
