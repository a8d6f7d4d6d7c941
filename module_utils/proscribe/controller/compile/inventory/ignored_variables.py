"""What a team wrote in `group_vars` and `host_vars` that Ansible does not read: it would be ignored without a word.

Ansible reads what is beside the inventory, and what is beside the playbook of a play. For a play that is imported, or
one of Proscribe's, that is the playbook it stands in, and not the one that the command names.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible import context
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.plugins import get_vars_from_path

from ...ansible_parts import part_of
from ...policy_errors import PolicyError
from .in_play import of_policy
from .places import origin, paths_of, sources_of

IMPORTS = ("import_playbook", "ansible.builtin.import_playbook")
MOST_PLAYBOOKS = 1000  # that import each other


def unread(hostvars: Any, names: Iterable[str], task: Any = None) -> Iterator[PolicyError]:
    """The parts of the policy that are not read for these hosts in the play of this task, though they stand where
    people put them. That is beside a playbook that the command names, beside one that these import, or where the
    command was started. A file that cannot be read is left out, as Ansible itself leaves it out.
    """
    loader = part_of(hostvars, "_loader", DataLoader)
    inventory = part_of(hostvars, "_inventory", InventoryManager)
    entities = [*inventory.groups.values(), *filter(None, map(inventory.get_host, names))]
    read = {folder.resolve() for folder in (*_beside_plays(task, loader), *_beside_inventory(inventory))}
    folders = [Path.cwd(), *(playbook.parent for playbook in _with_imported(context.CLIARGS.get("args") or (), loader))]
    for folder in dict.fromkeys(one.resolve() for one in folders):
        if folder in read:
            continue
        found: dict[str, object] = {}
        for entity in entities:
            with contextlib.suppress(AnsibleError):
                found |= of_policy(get_vars_from_path(loader, str(folder), [entity], "task"))
        for variable, value in found.items():
            expected = (
                f"nothing of Proscribe's there: in this play Ansible does not read what is beside {folder}. Set it "
                "beside the inventory, or with vars of the play or of import_playbook"
            )
            yield PolicyError(origin(value) or str(folder), variable, value, expected)


def _beside_inventory(inventory: Any) -> Iterator[Path]:
    """The folders beside the sources of the inventory."""
    for path in paths_of(sources_of(inventory)):
        yield from (path, path.parent)


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
