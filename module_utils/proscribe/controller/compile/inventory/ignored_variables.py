"""Variables of Proscribe in `group_vars` and `host_vars` that Ansible would ignore without a message.

Ansible reads the folders beside the inventory and beside the playbook of a play. For an imported play or a play of
Proscribe, this is the playbook with the play, not the command's.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ansible import constants as C
from ansible import context
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.plugins import get_vars_from_path

from ...ansible_objects import find_part
from ...policy_errors import PolicyError
from ..restrictions.variable_typos import is_policy_variable
from .ignored_files import VARIABLE_FOLDERS, IgnoredFile, VariableFolder, list_files, list_names
from .variable_origins import find_origin, list_source_paths, list_sources

IMPORT_KEYS = ("import_playbook", "ansible.builtin.import_playbook")
MAX_PLAYBOOKS = 1000  # most playbooks that are read: playbooks import further playbooks
MAX_NAMES_SHOWN = 3  # names in a warning


class IgnoredPolicy(NamedTuple):
    """The ignored parts of a policy: mistakes, and warnings that do not stop a run."""

    mistakes: list[PolicyError]
    warnings: list[str]


def find_policy_mistakes(hostvars: Any, names: Iterable[str], task: Any = None) -> list[PolicyError]:
    """Return the mistakes in the policy that Ansible would ignore, without the warnings of `find_ignored_policy`."""
    return find_ignored_policy(hostvars, names, task).mistakes


def find_ignored_policy(hostvars: Any, names: Iterable[str], task: Any = None) -> IgnoredPolicy:
    """Return the parts of the policy that Ansible does not read for the hosts `names` in the play of `task`.

    Without a task (None), the folders beside the command's playbook count. The search covers the folders where users
    usually put variables. A file that cannot be read is left out.
    """
    loader = find_part(hostvars, DataLoader)
    inventory = find_part(hostvars, InventoryManager)
    entities = [*inventory.groups.values(), *filter(None, map(inventory.get_host, names))]
    read_folders = list(
        dict.fromkeys(
            candidate.resolve()
            for candidate in (*_list_playbook_folders(task, loader), *_list_inventory_folders(inventory))
        )
    )
    start_folders = [
        Path.cwd(),
        *(playbook.parent for playbook in _iterate_imported_playbooks(context.CLIARGS.get("args") or (), loader)),
    ]
    unread_folders = [
        candidate
        for candidate in dict.fromkeys(candidate.resolve() for candidate in start_folders)
        if candidate not in read_folders
    ]
    mistakes = [error for folder in unread_folders for error in _check_unread_folder(folder, entities, loader)]
    folders = [VariableFolder(path, loader, inventory.groups, inventory.hosts) for path in read_folders]
    ignored = [candidate for folder in folders for candidate in folder.find_ignored_files()]
    for file in ignored:
        if not file.missing:
            mistakes += [
                PolicyError(find_origin(setting) or str(file.path), variable, setting, file.reason)
                for variable, setting in file.variables.items()
            ]
    warnings = [warning] if (warning := _warn_of_missing_names([file for file in ignored if file.missing])) else []
    return IgnoredPolicy(
        mistakes, [*warnings, *_warn_of_outer_folders(inventory, loader, entities, (*read_folders, *unread_folders))]
    )


def _check_unread_folder(folder: Path, entities: Sequence[Any], loader: Any) -> Iterator[PolicyError]:
    """Yield a mistake for each variable in a folder that Ansible does not read in this play.

    The folder is beside a playbook, or is the working directory of the command.
    """
    for variable, setting in _read_policy_variables(folder, entities, loader).items():
        expected = (
            f"nothing of Proscribe's there: in this play Ansible does not read what is beside {folder}. Set it "
            "beside the inventory, or with vars of the play or of import_playbook"
        )
        yield PolicyError(find_origin(setting) or str(folder), variable, setting, expected)


def _read_policy_variables(folder: Path, entities: Sequence[Any], loader: Any) -> dict[str, object]:
    """Return the variables of Proscribe in `group_vars` and `host_vars` of a folder, for groups and hosts (`entities`).

    A file that cannot be read is left out.
    """
    policy_variables: dict[str, object] = {}
    for entity in entities:
        with contextlib.suppress(AnsibleError):
            variables = get_vars_from_path(loader, str(folder), [entity], "task")
            policy_variables |= {
                str(name): setting for name, setting in variables.items() if is_policy_variable(str(name))
            }
    return policy_variables


def _warn_of_outer_folders(
    inventory: Any, loader: Any, entities: Sequence[Any], known_folders: Sequence[Path]
) -> Iterator[str]:
    """Yield a warning for each parent folder of an inventory folder, if the parent has variables of Proscribe.

    Ansible reads no variables in the parent. A warning is enough: the parent may be an inventory itself, or its files
    may be linked into the inventory folder.
    """
    for source in list_source_paths(list_sources(inventory)):
        folder = source.resolve().parent
        # A parent with a hosts file is an inventory itself, and its variables belong to its own hosts.
        if not source.is_dir() or folder in known_folders or any(map(_is_hosts_file, list_names(folder))):
            continue
        files = [file.resolve() for name in VARIABLE_FOLDERS.values() for file in list_files(folder / name)]
        linked = {
            file.resolve()
            for known_folder in known_folders
            if files
            for name in VARIABLE_FOLDERS.values()
            for file in list_files(known_folder / name)
        }
        if linked.issuperset(files):
            continue
        if variables := _read_policy_variables(folder, entities, loader):
            variable_names = ", ".join(list(variables)[:MAX_NAMES_SHOWN])
            yield (
                f"Ansible does not read {variable_names} in {folder}: for the inventory {source} it reads group_vars "
                f"and"
                " host_vars inside that folder. Move them there"
            )


def _is_hosts_file(entry: str) -> bool:
    """Return True for a name that inventory files usually have."""
    return entry.startswith("hosts") or entry.endswith(".ini")


def _warn_of_missing_names(files: Sequence[IgnoredFile]) -> str:
    """Return a warning about files of groups and hosts that the inventory does not have; "" if there are none.

    Inventories may share their files, so such a file is no mistake.
    """
    if not files:
        return ""
    descriptions = [
        f"{file.missing} ({', '.join(list(file.variables)[:MAX_NAMES_SHOWN])} in {file.path})"
        for file in files[:MAX_NAMES_SHOWN]
    ]
    more = f" and {len(files) - MAX_NAMES_SHOWN} more" if len(files) > MAX_NAMES_SHOWN else ""
    return (
        f"variables of Proscribe count for no host, because the inventory does not have: "
        f"{', '.join(descriptions)}{more}"
    )


def _list_inventory_folders(inventory: Any) -> Iterator[Path]:
    """Yield the folders that Ansible reads for the sources of the inventory."""
    for path in list_source_paths(list_sources(inventory)):
        yield path if path.is_dir() else path.parent


def _list_playbook_folders(task: Any, loader: Any) -> list[Path]:
    """Return the folders beside playbooks that Ansible reads for a task; None stands for the command's playbook.

    Ansible's setting PLAYBOOK_VARS_ROOT decides: only the first folder of the task's search path, or all of them.
    """
    if task is None or C.PLAYBOOK_VARS_ROOT == "top":
        return [Path(loader.get_basedir())]
    search_path = list(map(Path, task.get_search_path()))
    return search_path if C.PLAYBOOK_VARS_ROOT == "all" else search_path[:1]


def _iterate_imported_playbooks(playbooks: Iterable[str], loader: Any) -> Iterator[Path]:
    """Yield each existing file among `playbooks`, and each playbook that such a file imports by path."""
    # Path.absolute(), because Ansible's loader would search beside other playbooks
    pending = [Path(name).absolute() for name in playbooks]
    seen_playbooks: set[Path] = set()
    while pending and len(seen_playbooks) < MAX_PLAYBOOKS:
        candidate = pending.pop()
        if not os.path.isfile(candidate):  # Path.is_file() raises for a name that is too long, such as a template
            continue
        playbook = candidate.parent.resolve() / candidate.name  # a linked playbook imports files beside the link
        if playbook in seen_playbooks:
            continue
        seen_playbooks.add(playbook)
        yield playbook
        for play in loader.load_from_file(str(playbook)) or ():
            if isinstance(play, Mapping):
                pending += [playbook.parent / str(play[key]) for key in IMPORT_KEYS if key in play]
