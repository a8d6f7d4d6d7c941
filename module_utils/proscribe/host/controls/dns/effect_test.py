"""Effect on programs: the C library resolves a witness and a blocked name, as an ordinary user's programs do.

The witness is a name that only Proscribe's file on this host answers. If the answer is not Proscribe's address,
programs do not use that file. Then the question for a blocked name would leave the host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from ....base.named_tuple import NamedTuple
from ...system import Host, ObservationError

if TYPE_CHECKING:
    from ...system.name_resolution import NameResolution
    from .names_to_block import DesiredNames

# "internal" is reserved for private use (ICANN, 2024). "invalid" is unusable, because systemd-resolved answers it
# itself.
WITNESS_NAME = "filter.proscribe.internal"
# For a network's resolver, which must not answer in place of the host's filter.
EXPORT_WITNESS_NAME = "export.proscribe.internal"
WITNESS_ADDRESS = "127.80.82.83"  # no service listens there
RESOLVE_TIMEOUT_SECONDS = 6.0  # for each of the two questions; an answer of this host takes much less than a second
# AF_INET, AF_UNSPEC; the witness has no IPv6 address, and a question for its IPv6 address would leave the host
_IPV4_FAMILY, _ANY_FAMILY = (
    2,
    0,
)
_SINK_ADDRESSES = {"0.0.0.0", "::"}


class FilterEffect(NamedTuple):
    """Result of a trial. A trial that could not be made is no fault."""

    idle_reason: str = ""  # reason why Proscribe's file has no effect
    unseen_reason: str = ""  # reason why the effect is unknown
    resolved_name: str = ""  # blocked name that still resolves
    resolved_address: str = ""  # address that it resolves to


def probe_filter_effect(
    host: Host, desired_names: DesiredNames, is_unavailable: Callable[[], bool], is_case_preserved: bool = True
) -> FilterEffect:
    """Resolve the witness, and then a blocked name.

    `is_unavailable` returns whether the resolver answers no question now, so that no name resolves at all. If
    `is_case_preserved` is False, only the witness is resolved. The reason: systemd-resolved asks in small letters, so
    the trial would count as a hit.
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
    """Resolve a blocked name, whose address comes from the hosts file alone.

    Only systemd-resolved answers that there is no such name. Then the witness shows whether programs use the file.
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
    """Return whether a logged name is in capital letters, as only an observation writes it."""
    return name.isupper()


def _choose_test_name(host: Host, desired_names: DesiredNames) -> str:
    """Return a blocked name. It changes with the time: the services take turns, and so do the names of each service."""
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
