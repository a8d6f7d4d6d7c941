"""What a team wrote in `group_vars` and `host_vars` that Ansible does not read: it would be ignored without a word.

Ansible reads what is beside the inventory, and what is beside the playbook of a play. For a play that is imported, or
one of Proscribe's, that is the playbook it stands in, and not the one that the command names.
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

from ...ansible_parts import find_part
from ...policy_errors import PolicyError
from ..restrictions.misspelled import is_policy_variable
from .ignored_files import VARIABLE_FOLDERS, IgnoredFile, VariableFolder, list_files, list_names
from .places import find_origin, list_source_paths, list_sources

IMPORT_KEYS = ("import_playbook", "ansible.builtin.import_playbook")
MAX_PLAYBOOKS = 1000  # that import each other
MAX_NAMES_SHOWN = 3  # names in a warning


class IgnoredPolicy(NamedTuple):
    """What of the policy does not count: mistakes, and what is only reported."""

    mistakes: list[PolicyError]
    warnings: list[str]


def find_policy_mistakes(hostvars: Any, names: Iterable[str], task: Any = None) -> list[PolicyError]:
    """Return the mistakes of `find_ignored_policy`."""
    return find_ignored_policy(hostvars, names, task).mistakes


def find_ignored_policy(hostvars: Any, names: Iterable[str], task: Any = None) -> IgnoredPolicy:
    """Find the parts of the policy that are not read for these hosts in the play of this task. They stand where people
    put them. A file that cannot be read is left out, as Ansible itself leaves it out.
    """
    loader = find_part(hostvars, "_loader", DataLoader)
    inventory = find_part(hostvars, "_inventory", InventoryManager)
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
    """Yield the variables in a folder beside a playbook, or where the command was started, that Ansible does not read
    in this play.
    """
    for variable, setting in _read_policy_variables(folder, entities, loader).items():
        expected = (
            f"nothing of Proscribe's there: in this play Ansible does not read what is beside {folder}. Set it "
            "beside the inventory, or with vars of the play or of import_playbook"
        )
        yield PolicyError(find_origin(setting) or str(folder), variable, setting, expected)


def _read_policy_variables(folder: Path, entities: Sequence[Any], loader: Any) -> dict[str, object]:
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
    """Yield a warning for each folder around an inventory that is a folder itself. Ansible reads no variables there. It
    may be an inventory of its own, and its files may be linked into those inside it.
    """
    for source in list_source_paths(list_sources(inventory)):
        folder = source.resolve().parent
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
                f"Ansible does not read {variable_names} in {folder}: for the inventory {source} it reads group_vars and"
                " host_vars inside that folder. Move them there"
            )


def _is_hosts_file(entry: str) -> bool:
    return entry.startswith("hosts") or entry.endswith(".ini")


def _warn_of_missing_names(files: Sequence[IgnoredFile]) -> str:
    """Return a warning about files of groups and hosts that the inventory does not have; "" for none. Inventories may
    share their files, so it is no mistake.
    """
    if not files:
        return ""
    descriptions = [
        f"{file.missing} ({', '.join(list(file.variables)[:MAX_NAMES_SHOWN])} in {file.path})"
        for file in files[:MAX_NAMES_SHOWN]
    ]
    more = f" and {len(files) - MAX_NAMES_SHOWN} more" if len(files) > MAX_NAMES_SHOWN else ""
    return f"variables of Proscribe count for no host, because the inventory does not have: {', '.join(descriptions)}{more}"


def _list_inventory_folders(inventory: Any) -> Iterator[Path]:
    """The folders in which Ansible reads what is beside the sources of the inventory."""
    for path in list_source_paths(list_sources(inventory)):
        yield path if path.is_dir() else path.parent


def _list_playbook_folders(task: Any, loader: Any) -> list[Path]:
    """The folders beside playbooks that Ansible reads for a task."""
    if task is None or C.PLAYBOOK_VARS_ROOT == "top":
        return [Path(loader.get_basedir())]
    search_path = list(map(Path, task.get_search_path()))
    return search_path if C.PLAYBOOK_VARS_ROOT == "all" else search_path[:1]


def _iterate_imported_playbooks(playbooks: Iterable[str], loader: Any) -> Iterator[Path]:
    """The files among some playbooks, and those that they import by a path."""
    pending = [Path(name).absolute() for name in playbooks]  # Ansible would look for them beside other playbooks
    seen_playbooks: set[Path] = set()
    while pending and len(seen_playbooks) < MAX_PLAYBOOKS:
        candidate = pending.pop()
        if not os.path.isfile(
            candidate
        ):  # Path.is_file() takes no name that is too long, as one with a template may be
            continue
        playbook = candidate.parent.resolve() / candidate.name  # a link to a playbook imports what is beside the link
        if playbook in seen_playbooks:
            continue
        seen_playbooks.add(playbook)
        yield playbook
        for play in loader.load_from_file(str(playbook)) or ():
            if isinstance(play, Mapping):
                pending += [playbook.parent / str(play[key]) for key in IMPORT_KEYS if key in play]
