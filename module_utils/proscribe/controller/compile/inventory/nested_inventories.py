"""A check for an inventory inside an inventory, such as `inventory/prod/` in `inventory/`.

Ansible takes the hosts of all folders in a source, but variables, waivers and approvers only from beside the source. So
a run over the outer inventory would have the inner hosts without their own policy. It would enforce where a department
only audits, and remove approved services.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ansible.inventory.manager import IGNORED

from ...policy_errors import DescribedValue, PolicyError
from .policy_folders import APPROVERS_FILE, SIGNERS_FILE
from .variable_origins import list_source_paths

# Names that show that a folder is an inventory of its own.
POLICY_NAMES = ("group_vars", "host_vars", "waivers", APPROVERS_FILE, SIGNERS_FILE)
HOSTS_FILE_SUFFIXES = (".yml", ".yaml", ".ini", "")  # endings of a file that may hold the hosts of its folder
MAX_DEPTH = 8  # folders below a source


def find_nested_inventories(sources: Sequence[str]) -> Iterator[PolicyError]:
    """Yield a mistake for each folder inside a source that has its own policy and is no source."""
    places = dict.fromkeys(list_source_paths(sources))
    named_sources = {source.resolve() for source in places}
    for source in places:
        seen_folders = set(named_sources)
        for folder in _iterate_host_folders(source, seen_folders) if source.is_dir() else ():
            if parts := [name for name in POLICY_NAMES if (folder / name).exists()]:
                description = f"{', '.join(parts)}, which no run over the inventory {source} reads"
                expected = f"an inventory of its own: -i {folder}{_describe_hosts_file(source)}"
                yield PolicyError(str(folder), "", DescribedValue(description), expected)


def _describe_hosts_file(source: Path) -> str:
    """Return a hint for the error message: the option `-i` with a hosts file directly in the source.

    The result is "" if the source has no such file.
    """
    files = (
        path
        for path in sorted(source.iterdir())
        if path.suffix in HOSTS_FILE_SUFFIXES and not _is_ignored_name(path.name)
    )
    first = next((path for path in files if path.is_file()), None)
    return f", or -i {first} for the hosts around it" if first else ""


def _iterate_host_folders(folder: Path, seen_folders: set[Path], depth: int = 0) -> Iterator[Path]:
    """Yield each folder below `folder` that Ansible reads hosts from, once, without those in `seen_folders`."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = folder / entry.name
        if _is_ignored_name(entry.name) or not entry.is_dir():
            continue
        if (real := path.resolve()) in seen_folders or depth >= MAX_DEPTH:
            continue
        seen_folders.add(real)
        yield path
        yield from _iterate_host_folders(path, seen_folders, depth + 1)


def _is_ignored_name(name: str) -> bool:
    return bool(IGNORED.search(os.fsencode(name)))
