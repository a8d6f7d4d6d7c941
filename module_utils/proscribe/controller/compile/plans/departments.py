"""The departments of a run's hosts, for the report."""

from __future__ import annotations

from collections.abc import Mapping, Set

from ..inventory.host_variables import CompileInput
from ..inventory.policy_folders import find_approver_folders
from ..restrictions import Restrictions
from ..waivers.approvers import read_approver_list

NO_DEPARTMENT = ("all", "ungrouped")  # groups that Ansible makes by itself


def list_departments(
    compile_input: CompileInput, restrictions: Mapping[str, Restrictions] = {}
) -> dict[str, list[str]]:
    """Return the hosts of this run in each department, by the department's name.

    A host may be in several departments, or in none. The departments are those of the organisation's approver list.
    Without an approver list they are the inventory's outermost groups. `restrictions` are those of each host; they have
    the folders of approver lists. Raises PolicyErrors for an approver list with mistakes, and for a missing folder.
    """
    in_run = {host.name for host in compile_input.hosts}
    approver_list = read_approver_list(find_approver_folders(compile_input, restrictions), compile_input.groups)
    names = approver_list if approver_list else find_outermost_groups(compile_input.groups)
    hosts_by_department = {name: sorted(compile_input.groups.get(name, frozenset()) & in_run) for name in sorted(names)}
    return {name: hosts for name, hosts in hosts_by_department.items() if hosts}


def find_outermost_groups(groups: Mapping[str, Set[str]]) -> list[str]:
    """Return the groups of the inventory that lie within no other group.

    Groups with the same hosts may be a parent and its only child; the shortest name is taken. A single group around all
    others (`[departments:children]`) does not separate departments. Then its subgroups are taken, if they together have
    all hosts of that group.
    """
    hosts_by_group = {name: frozenset(hosts) for name, hosts in groups.items() if name not in NO_DEPARTMENT}
    while len(outermost_names := _find_outermost_sets(hosts_by_group)) == 1:
        outer_hosts = hosts_by_group[outermost_names[0]]
        inner_groups = {name: hosts for name, hosts in hosts_by_group.items() if hosts < outer_hosts}
        if frozenset().union(*inner_groups.values()) != outer_hosts:
            break
        hosts_by_group = inner_groups
    return outermost_names


def _find_outermost_sets(hosts_by_group: Mapping[str, frozenset[str]]) -> list[str]:
    """Return the sorted names of the groups that lie in no other group.

    Of equal groups, only one is returned.
    """
    # Larger groups come first. So any group that contains the current group was already compared.
    chosen_names: list[str] = []
    for name in sorted(hosts_by_group, key=lambda name: (-len(hosts_by_group[name]), len(name), name)):
        if not any(hosts_by_group[name] <= hosts_by_group[chosen_name] for chosen_name in chosen_names):
            chosen_names.append(name)
    return sorted(chosen_names)
