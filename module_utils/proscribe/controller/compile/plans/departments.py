"""Whose a host is: the hosts of a run by department, for the report."""

from __future__ import annotations

from collections.abc import Mapping, Set

from ..inventory.inventory import CompileInput
from ..inventory.policy_folders import find_approver_folders
from ..restrictions import Restrictions
from ..waivers.authority import read_approver_list

NO_DEPARTMENT = ("all", "ungrouped")  # Ansible's own groups


def list_departments(
    compile_input: CompileInput, restrictions: Mapping[str, Restrictions] = {}
) -> dict[str, list[str]]:
    """The departments with the hosts of this run that each has, by name; a host may be in several, or in none.

    They are those that the approver list names; without a list, the inventory's outermost groups. Raises PolicyErrors
    for a list with mistakes, and for a named folder that is not there.
    """
    in_run = {host.name for host in compile_input.hosts}
    approver_list = read_approver_list(find_approver_folders(compile_input, restrictions), compile_input.groups)
    names = approver_list if approver_list else find_outermost_groups(compile_input.groups)
    hosts_by_department = {name: sorted(compile_input.groups.get(name, frozenset()) & in_run) for name in sorted(names)}
    return {name: hosts for name, hosts in hosts_by_department.items() if hosts}


def find_outermost_groups(groups: Mapping[str, Set[str]]) -> list[str]:
    """The groups that lie within no other one. Of groups with the very same hosts, which may be a parent and its only
    child, the one with the shortest name is taken. One group around all others (`[departments:children]`) distinguishes
    no departments: where those in it have all of its hosts, they are taken.
    """
    sets = {name: frozenset(hosts) for name, hosts in groups.items() if name not in NO_DEPARTMENT}
    while len(outermost_names := _find_outermost_sets(sets)) == 1:
        outer_hosts = sets[outermost_names[0]]
        inner_groups = {name: hosts for name, hosts in sets.items() if hosts < outer_hosts}
        if frozenset().union(*inner_groups.values()) != outer_hosts:
            break
        sets = inner_groups
    return outermost_names


def _find_outermost_sets(sets: Mapping[str, frozenset[str]]) -> list[str]:
    # Larger groups come first, so that a group can only lie within one that was already taken.
    chosen_names: list[str] = []
    for name in sorted(sets, key=lambda name: (-len(sets[name]), len(name), name)):
        if not any(sets[name] <= sets[chosen_name] for chosen_name in chosen_names):
            chosen_names.append(name)
    return sorted(chosen_names)
