"""Origins of a host's variables, as far as Ansible has them: a file and a line.

Ansible (2.19 and newer) tags most values with their origin. If two files set a variable, its key comes from the first
file and its value from the last. So the tag of the value decides. Null, true and false have no tag. For these the
sources are read once more, in Ansible's order.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible import context
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.manager import VariableManager

from ...ansible_objects import find_part

TAGS_MODULE: Any = None  # an internal module of Ansible that may move
with contextlib.suppress(ImportError):
    TAGS_MODULE = importlib.import_module("ansible._internal._datatag._tags")
Origin = getattr(TAGS_MODULE, "Origin", None)

_STEP_PATTERN = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")  # the form in keys of messages: .apps, [2]


def find_origin(tagged_value: Any) -> str:
    """Return the place where a value was written, `path:line`; "" if Ansible does not have it."""
    if Origin is None:
        return ""
    tag = tagged_value if isinstance(tagged_value, Origin) else Origin.get_tag(tagged_value)
    if tag is None:
        return ""
    place = str(tag.path or tag.description or "")
    return f"{place}:{tag.line_num}" if tag.line_num else place


def locate_part(key: Any, content: Any, steps: str, wrong_item: object = None) -> str:
    """Return the nearest known place of a part of a variable; "" if there is none.

    `steps` lead to the part (`.apps`, `[2]`), or the part is the item `wrong_item` of a list.
    """
    # For a value that begins below its name, users expect the line of the name. The key counts only in the same file.
    nearest_place = find_origin(content)
    if _strip_line_number(find_origin(key)) == _strip_line_number(nearest_place):
        nearest_place = find_origin(key)
    for name, index in _STEP_PATTERN.findall(steps):
        content = _get_part(content, name, index)
        nearest_place = find_origin(content) or nearest_place
    if isinstance(content, list | tuple):
        nearest_place = next(
            (place for element in content if element == wrong_item and (place := find_origin(element))), nearest_place
        )
    return nearest_place


def _get_part(content: Any, name: str, index: str) -> Any:
    if isinstance(content, Mapping) and name:
        return content.get(name)
    if isinstance(content, list | tuple) and index and int(index) < len(content):
        return content[int(index)]
    return None


def _strip_line_number(place: str) -> str:
    return place.rpartition(":")[0] or place


def find_setting_place(hostvars: Any, host: str, variable: str) -> str:
    """Return the place where the source of highest precedence sets a host's variable.

    The result is "" if this cannot be determined, for example on an Ansible with other internals.
    """
    try:
        layers = _iterate_layers(hostvars, host)
        for layer in layers:
            for key in layer:
                if key == variable:
                    return find_origin(key)
    except Exception:  # these internals of Ansible are no public interface
        return ""
    return ""


def list_sources(inventory: Any) -> Sequence[str]:
    """Return the sources of an inventory, as the command has them."""
    return getattr(inventory, "_sources", None) or context.CLIARGS.get("inventory") or ()


def list_source_paths(sources: Iterable[str]) -> list[Path]:
    """Return the sources of an inventory that are files and folders.

    Ansible reads a source with a comma as a list of hosts, unless a file of that name exists.
    """
    return [Path(source) for source in sources if "," not in source or os.path.exists(source)]


def _iterate_layers(hostvars: Any, name: str) -> Iterator[Mapping[str, object]]:
    """Yield the variables of each source of a host, the source of highest precedence first."""
    from ansible.inventory.helpers import sort_groups
    from ansible.vars.plugins import get_vars_from_inventory_sources, get_vars_from_path

    inventory = find_part(hostvars, "_inventory", InventoryManager)
    loader, manager = (
        find_part(hostvars, "_loader", DataLoader),
        find_part(hostvars, "_variable_manager", VariableManager),
    )
    host = inventory.get_host(name)
    groups = list(reversed(sort_groups(group for group in host.get_groups() if group.name != "all")))
    all_groups = [group for group in host.get_groups() if group.name == "all"]

    def read_files(entity: Any) -> Iterator[Mapping[str, object]]:
        yield get_vars_from_path(loader, loader.get_basedir(), [entity], "task")  # the folders beside the playbooks
        for source in reversed(list_sources(inventory)):
            yield get_vars_from_inventory_sources(loader, [source], [entity], "task")

    yield manager.extra_vars
    iterate_play_layers = getattr(hostvars, "layers", None)  # play_variables.py
    if iterate_play_layers:
        yield from iterate_play_layers(name)
    yield from read_files(host)
    yield host.vars
    for group_list in (groups, all_groups):
        for group in group_list:
            yield from read_files(group)
    for group in (*groups, *all_groups):
        yield group.vars
    if iterate_play_layers:
        yield from hostvars.defaults()
