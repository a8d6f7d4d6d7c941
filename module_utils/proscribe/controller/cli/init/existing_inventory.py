"""An existing inventory for a new policy repository: its path, and its groups that are departments.

The inventory is only read, never changed.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterable, Mapping, Set
from pathlib import Path

from ...compile.inventory.host_variables import CompileInput
from ...compile.plans.departments import NO_DEPARTMENT, find_outermost_groups
from ...policy_errors import UnexpectedValue
from .. import inventory

POLICY_FOLDER = "inventory/prod"  # directory of the policy's files, as in examples/policy-repository
FALLBACK_FOLDER = "proscribe"  # used for the policy's files if an inventory is in POLICY_FOLDER
DEFAULT_SOURCES = (f"{POLICY_FOLDER}/hosts.yml", POLICY_FOLDER, "inventory")
# A path that can be an element of a comma-separated list in ansible.cfg.
SOURCE_PATTERN = re.compile(r"[^\x00-\x1f\x7f,;#$%{}\"'`\\]{1,1000}")
# The name of an existing group, as Ansible accepts it. Names of new groups have a stricter rule (answers.py).
GROUP_PATTERN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


def find_default_source(directory: Path) -> str:
    """Return the path of an inventory in a usual place below `directory`, relative to it; "" for none."""
    return next((name for name in DEFAULT_SOURCES if (directory / name).exists()), "")


def read_source(typed_path: str, directory: Path) -> str:
    """Return the path of an existing inventory for ansible.cfg in `directory`; "" for an empty `typed_path`.

    The result is relative to `directory`, or absolute for a path outside of it. A relative `typed_path` starts at
    `directory`. If nothing exists there, it starts at the current directory.

    Raises UnexpectedValue for a missing path and for characters that ansible.cfg cannot have. A directory that would
    contain the policy's files is refused as well.
    """
    if not typed_path:
        return ""
    places = [
        Path(os.path.normpath(base_directory / Path(typed_path).expanduser()))
        for base_directory in (directory, Path.cwd())
    ]
    path = next((place for place in places if place.exists()), None)
    if path is None:
        raise UnexpectedValue(
            "", typed_path, f"an inventory in {directory}, or a path from here: a file, a folder or a script"
        )
    if path.is_dir() and (directory / FALLBACK_FOLDER).resolve().is_relative_to(path.resolve()):
        raise UnexpectedValue(
            "", typed_path, f"a folder that has inventories only: it would have the policy of {directory}, too"
        )
    source = str(path.relative_to(directory) if path.is_relative_to(directory) else path)
    if not SOURCE_PATTERN.fullmatch(source) or not source.isprintable() or source != source.strip():
        raise UnexpectedValue("", source, "a path that ansible.cfg can name: no comma, quote, or any of ; # $ % { } `")
    return source


def choose_policy_folder(directory: Path, source: str) -> str:
    """Return the path, relative to `directory`, for the policy's files: `inventory/prod`, or `proscribe`.

    `source` is the path of an existing inventory, "" for none. With an existing inventory, the result is `proscribe` if
    `inventory/prod` exists, or if it lies inside `source`.
    """
    folder = directory / POLICY_FOLDER
    is_taken = os.path.lexists(folder) or folder.resolve().is_relative_to((directory / source).resolve())
    return FALLBACK_FOLDER if source and is_taken else POLICY_FOLDER


def read_inventory(sources: Iterable[Path]) -> CompileInput:
    """Return the compile input (hosts and their variables) of these inventories. Raises CommandError, PolicyErrors."""
    options = argparse.ArgumentParser()
    inventory.add_inventory_options(options)
    return inventory.read_compile_input(
        options.parse_args([argument for source in sources for argument in ("-i", str(source))])
    )


def find_clear_departments(groups: Mapping[str, Set[str]]) -> list[str]:
    """Return the names of the groups that can only be departments; [] if this is not clear.

    `groups` has the hosts of each group. The result is clear only if no host is in two groups, and if no group is
    within another group. Groups of all hosts are exempt. Otherwise departments cannot be distinguished from sites,
    platforms or teams.
    """
    hosts_by_group = {name: frozenset(hosts) for name, hosts in groups.items() if hosts and name not in NO_DEPARTMENT}
    departments = find_outermost_groups(hosts_by_group)
    other_host_sets = [hosts for name, hosts in hosts_by_group.items() if name not in departments]
    all_hosts = frozenset().union(*hosts_by_group.values())
    # True if no host is in two of the departments.
    is_flat = sum(len(hosts_by_group[name]) for name in departments) == len(all_hosts)
    # A single department divides nothing if there are other groups. Another group of only some hosts may be the real
    # division.
    if len(departments) == 1 and other_host_sets or any(hosts != all_hosts for hosts in other_host_sets):
        return []
    return departments if is_flat and all(map(GROUP_PATTERN.fullmatch, departments)) else []
