"""An inventory inside an inventory: `inventory/prod/` in `inventory/`.

Ansible takes the hosts of all folders in a source, but variables, waivers and approvers only from beside the source
itself. So a run over the outer one would have the hosts of the inner one without their own policy: a department that is
only audited would be enforced, and what was approved would be removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ansible.inventory.manager import IGNORED

from ...policy_errors import Described, PolicyError
from .places import paths_of
from .policy_folders import REGISTER, SIGNERS

# What says that a folder is an inventory of its own.
OWN = ("group_vars", "host_vars", "waivers", REGISTER, SIGNERS)
HOSTS = (".yml", ".yaml", ".ini", "")  # how a file is called that may hold the hosts around it
DEEPEST = 8  # folders below a source


def nested(sources: Sequence[str]) -> Iterator[PolicyError]:
    """A mistake for each folder inside a source that has a policy of its own and is no source itself."""
    places = dict.fromkeys(paths_of(sources))
    named = {source.resolve() for source in places}
    for source in places:
        seen = set(named)
        for folder in _folders(source, seen) if source.is_dir() else ():
            if parts := [name for name in OWN if (folder / name).exists()]:
                found = f"{', '.join(parts)}, which no run over the inventory {source} reads"
                expected = f"an inventory of its own: -i {folder}{_around(source)}"
                yield PolicyError(str(folder), "", Described(found), expected)


def _around(source: Path) -> str:
    """How the hosts of the source itself are named without those of the folders in it."""
    files = (one for one in sorted(source.iterdir()) if one.suffix in HOSTS and not _ignored(one.name))
    first = next((one for one in files if one.is_file()), None)
    return f", or -i {first} for the hosts around it" if first else ""


def _folders(folder: Path, seen: set[Path], deep: int = 0) -> Iterator[Path]:
    """The folders below one that Ansible takes hosts from, each once, without those of `seen`."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = folder / entry.name
        if _ignored(entry.name) or not entry.is_dir():
            continue
        if (real := path.resolve()) in seen or deep >= DEEPEST:
            continue
        seen.add(real)
        yield path
        yield from _folders(path, seen, deep + 1)


def _ignored(name: str) -> bool:
    return bool(IGNORED.search(os.fsencode(name)))
