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

from ...ansible_parts import part_of
from ...policy_errors import PolicyError, PolicyErrors
from ..restrictions import PREFIX
from .inventory import HostVariables

EVERY = "all"
VARIABLE = f"{PREFIX}hosts"


class Selection(NamedTuple):
    """The hosts of a run."""

    hosts: list[HostVariables]  # that are observed, in the inventory's order
    not_served: dict[str, str]  # by name, why not
    pattern: str  # proscribe_hosts
    about: frozenset[str] = frozenset()  # all hosts of the inventory that it chooses; none where that is every host
    windows: tuple[str, ...] = ()  # those of `hosts` that are Windows hosts

    @property
    def names(self) -> list[str]:
        """What a play that follows has for its hosts: their names."""
        return [host.name for host in self.hosts]


def select(names: Iterable[str], hostvars: Any, observes: bool = False) -> Selection:
    """Those of some hosts that the inventory's `proscribe_hosts` chooses, out of Ansible's `hostvars`. Windows hosts
    are among them only where what the hosts are for `observes` them.

    Raises PolicyErrors where hosts have different patterns, or one that fits no host.
    """

    def matching(pattern: str) -> set[str]:
        inventory = part_of(hostvars, "_inventory", InventoryManager)
        found = inventory.get_hosts(pattern, ignore_limits=True, ignore_restrictions=True)
        return {str(host.name) for host in found}

    shared: dict[str, Mapping[str, object]] = {}
    return chosen([HostVariables.of(name, hostvars, shared=shared) for name in names], matching, observes)


def audience(names: Iterable[str], hostvars: Any) -> Selection:
    """All of some hosts, whether Proscribe serves them or not: those that a decision is for which others enforce."""
    shared: dict[str, Mapping[str, object]] = {}
    return Selection([HostVariables.of(name, hostvars, shared=shared) for name in names], {}, EVERY)


def chosen(hosts: Sequence[HostVariables], matching: Callable[[str], set[str]], observes: bool) -> Selection:
    """As `select`; `matching` gives the names of the inventory's hosts that a pattern fits."""
    pattern = _pattern(hosts)
    about: frozenset[str] = frozenset()
    if pattern != EVERY:
        where = hosts[0].where(VARIABLE)
        try:
            named = matching(pattern)
        except AnsibleError as wrong:
            expected = f"a pattern as --limit takes it ({str(wrong).splitlines()[0]})"
            raise PolicyErrors([PolicyError(where, VARIABLE, pattern, expected)]) from None
        if not named:
            raise PolicyErrors([PolicyError(where, VARIABLE, pattern, "a pattern that fits a host of the inventory")])
        about = frozenset(named)
        hosts = [host for host in hosts if host.name in about]
    windows = tuple(host.name for host in hosts if host.windows and observes)
    unserved = {host.name: host.unserved for host in hosts if host.unserved and host.name not in set(windows)}
    return Selection([host for host in hosts if host.name not in unserved], unserved, pattern, about, windows)


def _pattern(hosts: Sequence[HostVariables]) -> str:
    """The one pattern of all hosts. A value that is none is reported when restrictions are read; until then all are
    taken.
    """
    found: dict[str, HostVariables] = {}
    for host in hosts:
        value = host.values.get(VARIABLE, EVERY)
        found.setdefault(value if isinstance(value, str) and value.strip() else EVERY, host)
    if len(found) < 2:
        return next(iter(found), EVERY)
    (first, one), (second, other) = list(found.items())[:2]
    expected = f"the same for all hosts; {one.name} has {first!r}. It selects the hosts of a run: set it for all"
    raise PolicyErrors([PolicyError(other.where(VARIABLE), VARIABLE, second, expected)])
