"""Which hosts of a run Proscribe looks at: those of the pattern `proscribe_hosts`, but for those that it cannot serve.

A network device and a Windows host have no Linux to look at. What the inventory says of how they are reached tells
them, so that nobody connects to them at all; they are counted apart and are never compliant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from ansible.errors import AnsibleError

from ..policy_errors import PolicyError, PolicyErrors
from .inventory import HostVariables
from .restrictions import PREFIX

EVERY = "all"
VARIABLE = f"{PREFIX}hosts"


class Selection(NamedTuple):
    """The hosts of a run."""

    hosts: list[HostVariables]  # that are looked at, in the inventory's order
    not_served: dict[str, str]  # by name, why not
    pattern: str  # proscribe_hosts
    about: frozenset[str] = frozenset()  # all hosts of the inventory that it chooses; none where that is every host

    @property
    def names(self) -> list[str]:
        """What a play that follows has for its hosts: their names."""
        return [host.name for host in self.hosts]


def select(names: Iterable[str], hostvars: Any) -> Selection:
    """Those of some hosts that the inventory's `proscribe_hosts` chooses, out of Ansible's `hostvars`.

    Raises PolicyErrors where hosts have different patterns, or one that fits no host.
    """

    def matching(pattern: str) -> set[str]:
        found = hostvars._inventory.get_hosts(pattern, ignore_limits=True, ignore_restrictions=True)
        return {str(host.name) for host in found}

    return chosen([HostVariables.of(name, hostvars) for name in names], matching)


def chosen(hosts: Sequence[HostVariables], matching: Callable[[str], set[str]]) -> Selection:
    """As `select`; `matching` gives the names of the inventory's hosts that a pattern fits."""
    pattern = _pattern(hosts)
    about: frozenset[str] = frozenset()
    if pattern != EVERY:
        where = hosts[0].where(VARIABLE)
        try:
            named = matching(pattern)
        except AnsibleError as wrong:
            expected = f"a pattern as --limit has it ({str(wrong).splitlines()[0]})"
            raise PolicyErrors([PolicyError(where, VARIABLE, pattern, expected)]) from None
        if not named:
            raise PolicyErrors([PolicyError(where, VARIABLE, pattern, "a pattern that fits a host of the inventory")])
        about = frozenset(named)
        hosts = [host for host in hosts if host.name in about]
    unserved = {host.name: host.unserved for host in hosts if host.unserved}
    return Selection([host for host in hosts if not host.unserved], unserved, pattern, about)


def _pattern(hosts: Sequence[HostVariables]) -> str:
    """The one pattern of all hosts. What is none is told when restrictions are read; until then all are taken."""
    found: dict[str, HostVariables] = {}
    for host in hosts:
        value = host.values.get(VARIABLE, EVERY)
        found.setdefault(value if isinstance(value, str) and value.strip() else EVERY, host)
    if len(found) < 2:
        return next(iter(found), EVERY)
    (first, one), (second, other) = list(found.items())[:2]
    expected = f"the same for all hosts; {one.name} has {first!r}. It says which hosts a run is about: set it for all"
    raise PolicyErrors([PolicyError(other.where(VARIABLE), VARIABLE, second, expected)])
