"""Whose a host is: the hosts of a run by department, for the report."""

from __future__ import annotations

from collections.abc import Mapping, Set

from ..inventory.inventory import Question
from ..inventory.policy_folders import folders_of_registers
from ..restrictions import Restrictions
from ..waivers.authority import read_register

NO_DEPARTMENT = ("all", "ungrouped")  # Ansible's own groups


def departments_of(question: Question, restrictions: Mapping[str, Restrictions] = {}) -> dict[str, list[str]]:
    """The departments with the hosts of this run that each has, by name; a host may be in several, or in none.

    They are those that the approver list names; without a list, the inventory's outermost groups. Raises PolicyErrors
    for a list with mistakes, and for a named folder that is not there.
    """
    in_run = {host.name for host in question.hosts}
    register = read_register(folders_of_registers(question, restrictions), question.groups)
    names = register if register else outermost(question.groups)
    found = {name: sorted(question.groups.get(name, frozenset()) & in_run) for name in sorted(names)}
    return {name: hosts for name, hosts in found.items() if hosts}


def outermost(groups: Mapping[str, Set[str]]) -> list[str]:
    """The groups that lie within no other one. Of groups with the very same hosts, which may be a parent and its only
    child, the one with the shortest name is taken. One group around all others (`[departments:children]`) distinguishes
    no departments: where those in it have all of its hosts, they are taken.
    """
    sets = {name: frozenset(hosts) for name, hosts in groups.items() if name not in NO_DEPARTMENT}
    while len(taken := _outermost(sets)) == 1:
        around = sets[taken[0]]
        inner = {name: hosts for name, hosts in sets.items() if hosts < around}
        if frozenset().union(*inner.values()) != around:
            break
        sets = inner
    return taken


def _outermost(sets: Mapping[str, frozenset[str]]) -> list[str]:
    # Larger groups come first, so that a group can only lie within one that was already taken.
    taken: list[str] = []
    for name in sorted(sets, key=lambda name: (-len(sets[name]), len(name), name)):
        if not any(sets[name] <= sets[other] for other in taken):
            taken.append(name)
    return sorted(taken)
