"""Test of the effect on programs: the C library resolves a witness name and a blocked name.

It does so as for an ordinary user's program. The witness is a name that only Proscribe's file on this host resolves. If
its address is not WITNESS_ADDRESS, programs do not use that file. Then the query for a blocked name would leave the
host.
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
# Witness name of the exports for a network's resolver. It differs, because that resolver must not answer in place of a
# host's filter.
EXPORT_WITNESS_NAME = "export.proscribe.internal"
WITNESS_ADDRESS = "127.80.82.83"  # no service listens there
RESOLVE_TIMEOUT_SECONDS = 6.0  # for each of the two names; an answer from this host takes much less than a second
# AF_INET, AF_UNSPEC. The witness name is resolved for IPv4 only: it has no IPv6 address, so a query for that would
# leave the host.
_IPV4_FAMILY, _ANY_FAMILY = (
    2,
    0,
)
_SINK_ADDRESSES = {"0.0.0.0", "::"}


class FilterEffect(NamedTuple):
    """Result of the test. All texts are empty if no fault was found, or if the test was not possible."""

    idle_reason: str = ""  # reason why Proscribe's file has no effect
    unseen_reason: str = ""  # reason why the effect is unknown
    resolved_name: str = ""  # blocked name that still resolves
    resolved_address: str = ""  # address that it resolves to


def probe_filter_effect(
    host: Host, desired_names: DesiredNames, is_unavailable: Callable[[], bool], is_case_preserved: bool = True
) -> FilterEffect:
    """Resolve the witness name, and then a blocked name, on a host with a DNS filter.

    `is_unavailable` returns whether the resolver answers no query at the moment. Then no name resolves at all, which is
    no fault of the filter. The blocked name is queried in capital letters, so that the log of refusals shows that it is
    a test. If `is_case_preserved` is False, only the witness is resolved. The reason: systemd-resolved queries in small
    letters, so the test would count as a user's attempt.
    """
    try:
        witness = host.resolve_name(f"{WITNESS_NAME}.", _IPV4_FAMILY, RESOLVE_TIMEOUT_SECONDS)
        # None: a test directory has no C library, so the effect cannot be tested
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
    """Resolve a blocked name on a host where only the hosts file blocks it.

    The file works if the answer has the sink addresses and no other. systemd-resolved instead answers that there is no
    such name. Then the witness name shows whether programs use the file.
    """
    blocked_name = _choose_test_name(host, desired_names)
    try:
        # capital letters mark the query as Proscribe's test (`is_observation_query`)
        resolution = host.resolve_name(blocked_name.upper(), _ANY_FAMILY, RESOLVE_TIMEOUT_SECONDS)
        # None: a test directory has no C library, so the effect cannot be tested
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
    """Return the effect of a file that programs do not use.

    The reason is the answer of the C library for the witness name.
    """
    answer = witness and (", ".join(witness.addresses) or witness.failure) or "no such name"
    return FilterEffect(idle_reason=f"programs do not go by it: the C library says of {WITNESS_NAME}: {answer}")


def _make_open_effect(name: str, resolution: NameResolution | None) -> FilterEffect:
    """Return the effect of a file with which a blocked name (`name`) still has a real address.

    If the name has no real address, the effect has no faults.
    """
    real_addresses = (
        [address for address in resolution.addresses if address not in _SINK_ADDRESSES] if resolution else []
    )
    return FilterEffect(resolved_name=name, resolved_address=real_addresses[0]) if real_addresses else FilterEffect()


def is_observation_query(name: str) -> bool:
    """Return whether a logged name is in capital letters, as only Proscribe's own test writes it."""
    return name.isupper()


def _choose_test_name(host: Host, desired_names: DesiredNames) -> str:
    """Return a blocked name for the test; another name at another time.

    The services take turns, second by second, and so do the names of a service. Exempt names are left out.
    """
    # by service: its names; services whose names are all exempt are left out
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
