"""The selection of a run's hosts: the hosts that the pattern `proscribe_hosts` selects, except unserved hosts.

A network device has nothing to observe, so Proscribe does not serve it. The inventory has its connection type, so no
connection is needed to recognise the device. The device is counted apart and is never compliant. A run that observes
includes Windows hosts. A run that only changes hosts does not serve them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager

from ...ansible_objects import find_part
from ...policy_errors import PolicyError, PolicyErrors
from ..restrictions import PREFIX
from .host_variables import HostVariables

ALL_HOSTS = "all"
VARIABLE = f"{PREFIX}hosts"


class HostSelection(NamedTuple):
    """The hosts of a run."""

    hosts: list[HostVariables]  # to observe, in the inventory's order
    not_served: dict[str, str]  # key: name of an unserved host; value: the reason
    pattern: str  # the value of proscribe_hosts
    # All hosts of the inventory that `pattern` selects; empty if it selects every host.
    chosen_hosts: frozenset[str] = frozenset()
    windows_hosts: tuple[str, ...] = ()  # the Windows hosts among `hosts`

    @property
    def names(self) -> list[str]:
        """The names of the hosts, for the `hosts` of a later play."""
        return [host.name for host in self.hosts]


def select_hosts(names: Iterable[str], hostvars: Any, observes: bool = False) -> HostSelection:
    """Return the hosts among `names` that `proscribe_hosts` selects, from Ansible's `hostvars`.

    Windows hosts are included only if the run observes hosts (`observes`), because Proscribe never changes them. Raises
    PolicyErrors if hosts have different patterns, or if a pattern selects no host.
    """

    def match_hosts(pattern: str) -> set[str]:
        """Return the hosts of the whole inventory that a pattern selects, without regard to --limit."""
        inventory = find_part(hostvars, InventoryManager)
        matched_hosts = inventory.get_hosts(pattern, ignore_limits=True, ignore_restrictions=True)
        return {str(host.name) for host in matched_hosts}

    shared: dict[str, Mapping[str, object]] = {}
    return choose_hosts(
        [HostVariables.read_hostvars(name, hostvars, shared=shared) for name in names], match_hosts, observes
    )


def select_audience(names: Iterable[str], hostvars: Any) -> HostSelection:
    """Return a selection of all these hosts, also of hosts that Proscribe does not serve.

    The policy for these hosts is enforced elsewhere, for example on a proxy.
    """
    shared: dict[str, Mapping[str, object]] = {}
    return HostSelection([HostVariables.read_hostvars(name, hostvars, shared=shared) for name in names], {}, ALL_HOSTS)


def choose_hosts(
    hosts: Sequence[HostVariables], match_hosts: Callable[[str], set[str]], observes: bool
) -> HostSelection:
    """Select the hosts as `select_hosts` does, from variables that were already read.

    `match_hosts` returns the names of the hosts that a pattern selects.
    """
    pattern = _find_common_pattern(hosts)
    chosen_names: frozenset[str] = frozenset()
    if pattern != ALL_HOSTS:
        place = hosts[0].locate_variable(VARIABLE)
        try:
            matched_names = match_hosts(pattern)
        except AnsibleError as error:
            expected = f"a pattern as --limit takes it ({str(error).splitlines()[0]})"
            raise PolicyErrors([PolicyError(place, VARIABLE, pattern, expected)]) from None
        if not matched_names:
            raise PolicyErrors([PolicyError(place, VARIABLE, pattern, "a pattern that fits a host of the inventory")])
        chosen_names = frozenset(matched_names)
        hosts = [host for host in hosts if host.name in chosen_names]
    windows = tuple(host.name for host in hosts if host.is_windows and observes)
    unserved = {
        host.name: host.unserved_reason for host in hosts if host.unserved_reason and host.name not in set(windows)
    }
    return HostSelection(
        [host for host in hosts if host.name not in unserved], unserved, pattern, chosen_names, windows
    )


def _find_common_pattern(hosts: Sequence[HostVariables]) -> str:
    """Return the pattern that all hosts share. Raises PolicyErrors if they differ.

    A value that is no pattern selects all hosts here. The reader of restrictions reports it later.
    """
    hosts_by_pattern: dict[str, HostVariables] = {}
    for host in hosts:
        pattern = host.values.get(VARIABLE, ALL_HOSTS)
        hosts_by_pattern.setdefault(pattern if isinstance(pattern, str) and pattern.strip() else ALL_HOSTS, host)
    if len(hosts_by_pattern) < 2:
        return next(iter(hosts_by_pattern), ALL_HOSTS)
    (first_pattern, first_host), (second_pattern, second_host) = list(hosts_by_pattern.items())[:2]
    expected = (
        f"the same for all hosts; {first_host.name} has {first_pattern!r}. It selects the hosts of a run: set "
        f"it for all"
    )
    raise PolicyErrors([PolicyError(second_host.locate_variable(VARIABLE), VARIABLE, second_pattern, expected)])
