"""Which hosts of a run Proscribe observes: those of the pattern `proscribe_hosts`, but for those that it cannot serve.

A network device has nothing to observe. The inventory says how it is reached, so it is known without a connection; it
is counted apart and is never compliant. A Windows host is one of the hosts where a run observes, and not served where a
run only changes hosts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager

from ...ansible_parts import find_part
from ...policy_errors import PolicyError, PolicyErrors
from ..restrictions import PREFIX
from .inventory import HostVariables

ALL_HOSTS = "all"
VARIABLE = f"{PREFIX}hosts"


class HostSelection(NamedTuple):
    """The hosts of a run."""

    hosts: list[HostVariables]  # that are observed, in the inventory's order
    not_served: dict[str, str]  # by name, why not
    pattern: str  # proscribe_hosts
    chosen_hosts: frozenset[str] = (
        frozenset()
    )  # all hosts of the inventory that it chooses; none where that is every host
    windows_hosts: tuple[str, ...] = ()  # those of `hosts` that are Windows hosts

    @property
    def names(self) -> list[str]:
        """What a play that follows has for its hosts: their names."""
        return [host.name for host in self.hosts]


def select_hosts(names: Iterable[str], hostvars: Any, observes: bool = False) -> HostSelection:
    """Those of some hosts that the inventory's `proscribe_hosts` chooses, out of Ansible's `hostvars`. Windows hosts
    are among them only where what the hosts are for `observes` them.

    Raises PolicyErrors where hosts have different patterns, or one that fits no host.
    """

    def match_hosts(pattern: str) -> set[str]:
        inventory = find_part(hostvars, "_inventory", InventoryManager)
        matched_hosts = inventory.get_hosts(pattern, ignore_limits=True, ignore_restrictions=True)
        return {str(host.name) for host in matched_hosts}

    shared: dict[str, Mapping[str, object]] = {}
    return choose_hosts(
        [HostVariables.read_hostvars(name, hostvars, shared=shared) for name in names], match_hosts, observes
    )


def select_audience(names: Iterable[str], hostvars: Any) -> HostSelection:
    """All of some hosts, whether Proscribe serves them or not: those that a decision is for which others enforce."""
    shared: dict[str, Mapping[str, object]] = {}
    return HostSelection([HostVariables.read_hostvars(name, hostvars, shared=shared) for name in names], {}, ALL_HOSTS)


def choose_hosts(
    hosts: Sequence[HostVariables], match_hosts: Callable[[str], set[str]], observes: bool
) -> HostSelection:
    """As `select_hosts`; `match_hosts` gives the names of the inventory's hosts that a pattern fits."""
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
    """The one pattern of all hosts. A value that is none is reported when restrictions are read; until then all are
    taken.
    """
    hosts_by_pattern: dict[str, HostVariables] = {}
    for host in hosts:
        pattern = host.values.get(VARIABLE, ALL_HOSTS)
        hosts_by_pattern.setdefault(pattern if isinstance(pattern, str) and pattern.strip() else ALL_HOSTS, host)
    if len(hosts_by_pattern) < 2:
        return next(iter(hosts_by_pattern), ALL_HOSTS)
    (first_pattern, first_host), (second_pattern, second_host) = list(hosts_by_pattern.items())[:2]
    expected = f"the same for all hosts; {first_host.name} has {first_pattern!r}. It selects the hosts of a run: set it for all"
    raise PolicyErrors([PolicyError(second_host.locate_variable(VARIABLE), VARIABLE, second_pattern, expected)])
