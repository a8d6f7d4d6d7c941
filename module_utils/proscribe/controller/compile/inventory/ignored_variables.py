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

from ...ansible_parts import part_of
from ...policy_errors import PolicyError
from ..restrictions.misspelled import is_of_policy
from .ignored_files import KINDS, Folder, IgnoredFile, list_files, list_names
from .places import origin, paths_of, sources_of

IMPORTS = ("import_playbook", "ansible.builtin.import_playbook")
MOST_PLAYBOOKS = 1000  # that import each other
SHOWN = 3  # names in a warning


class IgnoredPolicy(NamedTuple):
    """What of the policy does not count: mistakes, and what is only reported."""

    mistakes: list[PolicyError]
    warnings: list[str]


def unread(hostvars: Any, names: Iterable[str], task: Any = None) -> list[PolicyError]:
    """Return the mistakes of `find_ignored_policy`."""
    return find_ignored_policy(hostvars, names, task).mistakes


def find_ignored_policy(hostvars: Any, names: Iterable[str], task: Any = None) -> IgnoredPolicy:
    """Find the parts of the policy that are not read for these hosts in the play of this task. They stand where people
    put them. A file that cannot be read is left out, as Ansible itself leaves it out.
    """
    loader = part_of(hostvars, "_loader", DataLoader)
    inventory = part_of(hostvars, "_inventory", InventoryManager)
    entities = [*inventory.groups.values(), *filter(None, map(inventory.get_host, names))]
    read = list(dict.fromkeys(one.resolve() for one in (*_beside_plays(task, loader), *_beside_inventory(inventory))))
    started = [Path.cwd(), *(playbook.parent for playbook in _with_imported(context.CLIARGS.get("args") or (), loader))]
    unread_folders = [one for one in dict.fromkeys(one.resolve() for one in started) if one not in read]
    mistakes = [error for folder in unread_folders for error in _of_unread_folder(folder, entities, loader)]
    folders = [Folder(path, loader, inventory.groups, inventory.hosts) for path in read]
    ignored = [one for folder in folders for one in folder.find_ignored_files()]
    for file in ignored:
        if not file.missing:
            mistakes += [
                PolicyError(origin(value) or str(file.path), variable, value, file.reason)
                for variable, value in file.variables.items()
            ]
    warnings = [warning] if (warning := _warn_of_missing_names([file for file in ignored if file.missing])) else []
    return IgnoredPolicy(
        mistakes, [*warnings, *_around_inventory(inventory, loader, entities, (*read, *unread_folders))]
    )


def _of_unread_folder(folder: Path, entities: Sequence[Any], loader: Any) -> Iterator[PolicyError]:
    """Yield the variables in a folder beside a playbook, or where the command was started, that Ansible does not read
    in this play.
    """
    for variable, value in _variables_in(folder, entities, loader).items():
        expected = (
            f"nothing of Proscribe's there: in this play Ansible does not read what is beside {folder}. Set it "
            "beside the inventory, or with vars of the play or of import_playbook"
        )
        yield PolicyError(origin(value) or str(folder), variable, value, expected)


def _variables_in(folder: Path, entities: Sequence[Any], loader: Any) -> dict[str, object]:
    found: dict[str, object] = {}
    for entity in entities:
        with contextlib.suppress(AnsibleError):
            variables = get_vars_from_path(loader, str(folder), [entity], "task")
            found |= {str(name): value for name, value in variables.items() if is_of_policy(str(name))}
    return found


def _around_inventory(inventory: Any, loader: Any, entities: Sequence[Any], known: Sequence[Path]) -> Iterator[str]:
    """Yield a warning for each folder around an inventory that is a folder itself. Ansible reads no variables there. It
    may be an inventory of its own, and its files may be linked into those inside it.
    """
    for source in paths_of(sources_of(inventory)):
        folder = source.resolve().parent
        if not source.is_dir() or folder in known or any(map(_is_hosts_file, list_names(folder))):
            continue
        files = [file.resolve() for name in KINDS.values() for file in list_files(folder / name)]
        linked = {
            file.resolve() for one in known if files for name in KINDS.values() for file in list_files(one / name)
        }
        if linked.issuperset(files):
            continue
        if variables := _variables_in(folder, entities, loader):
            named = ", ".join(list(variables)[:SHOWN])
            yield (
                f"Ansible does not read {named} in {folder}: for the inventory {source} it reads group_vars and"
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
    named = [f"{file.missing} ({', '.join(list(file.variables)[:SHOWN])} in {file.path})" for file in files[:SHOWN]]
    more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
    return f"variables of Proscribe count for no host, because the inventory does not have: {', '.join(named)}{more}"


def _beside_inventory(inventory: Any) -> Iterator[Path]:
    """The folders in which Ansible reads what is beside the sources of the inventory."""
    for path in paths_of(sources_of(inventory)):
        yield path if path.is_dir() else path.parent


def _beside_plays(task: Any, loader: Any) -> list[Path]:
    """The folders beside playbooks that Ansible reads for a task."""
    if task is None or C.PLAYBOOK_VARS_ROOT == "top":
        return [Path(loader.get_basedir())]
    searched = list(map(Path, task.get_search_path()))
    return searched if C.PLAYBOOK_VARS_ROOT == "all" else searched[:1]


def _with_imported(playbooks: Iterable[str], loader: Any) -> Iterator[Path]:
    """The files among some playbooks, and those that they import by a path."""
    waiting = [Path(one).absolute() for one in playbooks]  # Ansible would look for them beside other playbooks
    seen: set[Path] = set()
    while waiting and len(seen) < MOST_PLAYBOOKS:
        named = waiting.pop()
        if not os.path.isfile(named):  # Path.is_file() takes no name that is too long, as one with a template may be
            continue
        playbook = named.parent.resolve() / named.name  # a link to a playbook imports what is beside the link
        if playbook in seen:
            continue
        seen.add(playbook)
        yield playbook
        for play in loader.load_from_file(str(playbook)) or ():
            if isinstance(play, Mapping):
                waiting += [playbook.parent / str(play[key]) for key in IMPORTS if key in play]
