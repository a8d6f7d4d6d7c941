"""The inventory as a playbook would read it, for commands without a playbook.

Ansible's own managers read the inventory, with the project's ansible.cfg and the environment. So `group_vars`, vaults,
`-e`, templates and Ansible's precedence work as in a run, and commands compile the same plans as runs.
"""

from __future__ import annotations

import argparse
import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible.cli import CLI
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import trust_as_template
from ansible.utils.collection_loader import AnsibleCollectionConfig
from ansible.utils.context_objects import CLIArgs
from ansible.utils.path import unfrackpath
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from ...model.plan import CONTROLS
from ...wire import installation
from ..compile.inventory.host_selection import select_audience, select_hosts
from ..compile.inventory.host_variables import CompileInput, find_error_place, make_variables_reader, make_zone_finder
from ..compile.inventory.ignored_variables import find_policy_mistakes
from ..compile.inventory.reports_folder import ENVIRONMENT_VARIABLE, VARIABLE, ReportsPlace, find_reports_place
from ..policy_errors import PolicyErrors, propose_similar_names
from ..report.collection.invocation import CallArgument
from . import CommandError

PROJECT_DIRECTORY = installation.PROJECT_DIRECTORY

DEFAULT_INVENTORY = "what ansible.cfg names" if installation.COLLECTION else "inventory/"


class NoServedHosts(CommandError):
    """Error for a selection of hosts that runs leave out completely, by proscribe_hosts or as network devices."""


def add_inventory_options(parser: argparse.ArgumentParser, has_limit: bool = True) -> None:
    """Add ansible-playbook's options that select hosts and read their variables; `--limit` if `has_limit` is true."""
    group = parser.add_argument_group("inventory (as for ansible-playbook)")
    group.add_argument(
        "-i", "--inventory", action="append", default=[], metavar="INVENTORY", help=f"default: {DEFAULT_INVENTORY}"
    )
    if has_limit:
        group.add_argument("-l", "--limit", metavar="HOSTS", default="", help="only these hosts")
    else:
        parser.set_defaults(limit="")
    group.add_argument("-e", "--extra-vars", action="append", default=[], metavar="VARS", help="key=value, or @file")
    group.add_argument("--vault-id", action="append", default=[], dest="vault_ids", metavar="ID")
    group.add_argument(
        "--vault-password-file",
        "--vault-pass-file",
        action="append",
        default=[],
        dest="vault_password_files",
        metavar="FILE",
    )
    group.add_argument("-J", "--ask-vault-password", "--ask-vault-pass", action="store_true", dest="ask_vault_pass")


def list_inventory_options(arguments: argparse.Namespace) -> list[CallArgument]:
    """Return the options that locate and read the inventory, for a proposed command to repeat; without --limit."""
    destinations = {"-i": "inventory", "-e": "extra_vars", "--vault-id": "vault_ids"}
    destinations["--vault-password-file"] = "vault_password_files"
    call_arguments = [
        CallArgument(name, option, text) for option, name in destinations.items() for text in getattr(arguments, name)
    ]
    return call_arguments + ([CallArgument("ask_vault_pass", "-J")] if arguments.ask_vault_pass else [])


def resolve_sources(inventory_names: Sequence[str]) -> list[str]:
    """Return the inventory's sources as Ansible passes them to a playbook: absolute paths, lists of hosts unchanged."""
    if not inventory_names:
        return [str(source) for source in constants.DEFAULT_HOST_LIST]
    return [source if "," in source else unfrackpath(source, follow=False) for source in inventory_names]


@functools.cache
def _load_vault_secrets(vault_ids: tuple[str, ...], password_files: tuple[str, ...], ask_password: bool) -> Any:
    """Return the secrets that decrypt Ansible's vaults.

    They are loaded once per process, as in Ansible, so that nobody types a password twice.
    """
    return CLI.setup_vault_secrets(
        DataLoader(),
        vault_ids=list(vault_ids),
        vault_password_files=list(password_files),
        ask_vault_pass=ask_password,
        auto_prompt=False,
    )


def locate_reports(arguments: argparse.Namespace) -> ReportsPlace:
    """Return the directory of reports for the inventory in `arguments`, and the setting that determines it.

    No inventory is read if `arguments` name none, or if PROSCRIBE_REPORTS sets the directory. Raises the errors of
    `read_compile_input`.
    """
    if os.environ.get(ENVIRONMENT_VARIABLE) or not arguments.inventory:
        return find_reports_place([], [], f"; -i INVENTORY finds what {VARIABLE} names")
    compile_input = read_compile_input(arguments)
    return find_reports_place(compile_input.hosts, compile_input.inventory)


def read_compile_input(
    arguments: argparse.Namespace, project: Path = PROJECT_DIRECTORY, *, group: str = "", only_served: bool = True
) -> CompileInput:
    """Return the input for compiling plans of the hosts that `arguments` select, or of those in `group` among them.

    `add_inventory_options` adds the arguments. Hosts that Proscribe does not serve are included if `only_served` is
    false. Raises CommandError if Ansible cannot read the inventory, a vault or the selection of hosts, or if no host is
    selected. Raises PolicyErrors for a variable that cannot be templated, or that is in a file that Ansible does not
    read.
    """
    inventory_sources = resolve_sources(arguments.inventory)
    try:
        inventory, hostvars = _make_managers(arguments, inventory_sources, project)
        names = [str(host.name) for host in inventory.list_hosts("all")]
        groups = {str(name): frozenset(map(str, hosts)) for name, hosts in inventory.get_groups_dict().items()}
        if mistakes := list(find_policy_mistakes(hostvars, names)):
            raise PolicyErrors(mistakes)
        if group:
            names = _list_group_members(group, groups, names)
        selection = select_hosts(names, hostvars, observes=True) if only_served else select_audience(names, hostvars)
    except AnsibleError as error:
        place = find_error_place(error)
        raise CommandError(f"{place}: {error}" if place else str(error)) from None
    if not names:
        limit_note = f" matches --limit {arguments.limit}" if arguments.limit else ""
        raise CommandError(f"no host of the inventory ({', '.join(inventory_sources) or 'which is empty'}){limit_note}")
    if not selection.hosts:
        raise NoServedHosts(
            f"none of the {len(names)} hosts is served: proscribe_hosts is {selection.pattern!r},"
            f" and {len(selection.not_served)} are network devices"
        )
    return CompileInput(
        project=project,
        mode="audit",
        playbook="audit",
        inventory=inventory_sources,
        limit=arguments.limit,
        controls=list(CONTROLS),
        hosts=selection.hosts,
        groups=groups,
        zone_of=make_zone_finder(hostvars),
        variables_of=make_variables_reader(hostvars),
        playbook_folder=None if installation.COLLECTION else project / "playbooks",
        user_project=installation.locate_user_project(),
        not_served=selection.not_served,
        windows_hosts=selection.windows_hosts,
        pattern=selection.pattern,
        chosen_hosts=selection.chosen_hosts,
        audience=not only_served,
    )


def _make_managers(
    arguments: argparse.Namespace, inventory_sources: list[str], project: Path
) -> tuple[InventoryManager, HostVars]:
    """Return Ansible's inventory and the variables of its hosts, as in a run. Raises AnsibleError."""
    context.CLIARGS = CLIArgs(  # Ansible's managers read the options of a command from this variable
        {
            "extra_vars": tuple(map(trust_as_template, arguments.extra_vars)),  # -e may contain a template, as in a run
            "subset": arguments.limit or None,
            "inventory": inventory_sources,
            "verbosity": 0,
        }
    )
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader()  # an inventory may be the configuration of a plugin, as in Ansible's commands
    loader = DataLoader()
    loader.set_vault_secrets(
        _load_vault_secrets(
            (*constants.DEFAULT_VAULT_IDENTITY_LIST, *arguments.vault_ids),
            tuple(arguments.vault_password_files),
            arguments.ask_vault_pass,
        )
    )
    inventory = InventoryManager(loader=loader, sources=inventory_sources)
    variables = VariableManager(loader=loader, inventory=inventory, version_info=CLI.version_info(gitinfo=False))
    # The base directory is set after the managers read -e, as in a run. So `-e @file` starts at the current directory,
    # and group_vars are also read beside the playbooks.
    loader.set_basedir(str(project / "playbooks"))
    if arguments.limit:
        inventory.subset(arguments.limit)
    return inventory, HostVars(inventory=inventory, variable_manager=variables, loader=loader)


def _list_group_members(group: str, groups: Mapping[str, frozenset[str]], names: Sequence[str]) -> list[str]:
    """Return the hosts among `names` that are in a group of the inventory. Raises CommandError if there are none.

    The group may be one of devices that Ansible does not reach, such as phones. Then one host represents them.
    """
    if group not in groups:
        raise CommandError(f"the inventory has no group {group!r}{propose_similar_names(group, groups)}")
    if not groups[group]:
        raise CommandError(
            f"the group {group!r} has no host, so no policy is decided for it. Add one that represents its devices, and"
            f" leave it out of the runs:\n  {group}: {{hosts: {{{group}-devices: {{}}}}}}\n"
            f'  all: {{vars: {{proscribe_hosts: "all:!{group}"}}}}'
        )
    members = [name for name in names if name in groups[group]]
    if not members:
        raise CommandError(f"no host of the group {group!r} is among those of --limit")
    return members
