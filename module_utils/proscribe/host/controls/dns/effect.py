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
    from .desired import DesiredNames

# "internal" is reserved for private use (ICANN, 2024); "invalid" will not do, since systemd-resolved answers it itself.
WITNESS_NAME = "filter.proscribe.internal"
EXPORT_WITNESS_NAME = "export.proscribe.internal"  # of a network's resolver, which must not answer in a host's place
WITNESS_ADDRESS = "127.80.82.83"  # nothing listens there
RESOLVE_TIMEOUT_SECONDS = (
    6.0  # seconds for each of the two questions; an answer of this host takes much less than one of them
)
_IPV4_FAMILY, _ANY_FAMILY = (
    2,
    0,
)  # AF_INET, AF_UNSPEC; the witness has no address of IPv6, and a question for one would leave the host
_SINK_ADDRESSES = {"0.0.0.0", "::"}


class FilterEffect(NamedTuple):
    """What was tried; nothing is wrong with what could not be."""

    idle_reason: str = ""  # why what we have written has no effect
    unseen_reason: str = ""  # why it is not known whether it has
    resolved_name: str = ""  # the blocked name that resolves all the same
    resolved_address: str = ""  # to which address


def probe_filter_effect(
    host: Host, desired_names: DesiredNames, is_unavailable: Callable[[], bool], is_case_preserved: bool = True
) -> FilterEffect:
    """Ask for the witness, and then for one of the names that are blocked. `is_unavailable`: whether the resolver answers
    nobody now, and so no name resolves at all. systemd-resolved asks in small letters, so that what is asked here would
    count as a hit: then the witness has to do.
    """
    try:
        witness = host.resolve_name(f"{WITNESS_NAME}.", _IPV4_FAMILY, RESOLVE_TIMEOUT_SECONDS)
        if witness is None or (witness.failure and is_unavailable()):
            return FilterEffect()
        if WITNESS_ADDRESS not in witness.addresses:
            return _make_idle_effect(witness)
        if not is_case_preserved:
            return FilterEffect()
        blocked_name = _choose_test_name(host, desired_names)
        return _make_open_effect(
            blocked_name, host.resolve_name(f"{blocked_name.upper()}.", _IPV4_FAMILY, RESOLVE_TIMEOUT_SECONDS)
        )
    except ObservationError as silence:
        return FilterEffect(unseen_reason=str(silence))


def probe_hosts_file_effect(host: Host, desired_names: DesiredNames) -> FilterEffect:
    """Ask for one of the names that are blocked. Its address comes from the file, and from nowhere else. Only
    systemd-resolved answers that there is no such name. Then the witness shows whether programs go by the file.
    """
    blocked_name = _choose_test_name(host, desired_names)
    try:
        resolution = host.resolve_name(blocked_name.upper(), _ANY_FAMILY, RESOLVE_TIMEOUT_SECONDS)
        if resolution is None or (resolution.addresses and not {*resolution.addresses} - _SINK_ADDRESSES):
            return FilterEffect()
        witness = host.resolve_name(WITNESS_NAME, _IPV4_FAMILY, RESOLVE_TIMEOUT_SECONDS)
    except ObservationError as silence:
        return FilterEffect(unseen_reason=str(silence))
    return (
        _make_open_effect(blocked_name, resolution)
        if witness and WITNESS_ADDRESS in witness.addresses
        else _make_idle_effect(witness)
    )


def _make_idle_effect(witness: NameResolution | None) -> FilterEffect:
    answer = witness and (", ".join(witness.addresses) or witness.failure) or "no such name"
    return FilterEffect(idle_reason=f"programs do not go by it: the C library says of {WITNESS_NAME}: {answer}")


def _make_open_effect(name: str, resolution: NameResolution | None) -> FilterEffect:
    real_addresses = (
        [address for address in resolution.addresses if address not in _SINK_ADDRESSES] if resolution else []
    )
    return FilterEffect(resolved_name=name, resolved_address=real_addresses[0]) if real_addresses else FilterEffect()


def is_observation_query(name: str) -> bool:
    """Whether the name of a question that a resolver has logged is spelled as only an observation spells it."""
    return name.isupper()


def _choose_test_name(host: Host, desired_names: DesiredNames) -> str:
    """One of the names, and another one the next time: of the services in turn, and of the names of each."""
    service_names = [
        names
        for names in desired_names.names_by_service.values()
        if not desired_names.spared_names.keys() >= set(names)
    ]
    clock_seconds = int(host.clock())
    blocked_names = [
        name for name in service_names[clock_seconds % len(service_names)] if name not in desired_names.spared_names
    ]
    return blocked_names[clock_seconds // len(service_names) % len(blocked_names)]
