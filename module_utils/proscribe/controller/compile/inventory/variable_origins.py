"""Origins of a host's variables, as far as Ansible has them: a file and a line.

Ansible (2.19 and newer) tags most values with their origin. If two files set a variable, its key comes from the first
file and its value from the last. So the tag of the value decides. Null, true and false have no tag. For these values,
Proscribe reads the variable sources again, in Ansible's order.
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

# a step from a value to a part of the value, as messages have it: `.apps` or `[2]`
_STEP_PATTERN = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


def find_origin(tagged_value: Any) -> str:
    """Return the place where a value was written, as `path:line`; "" if Ansible has no origin for it.

    `tagged_value` is a value with an origin tag, or the tag itself.
    """
    if Origin is None:
        return ""
    tag = tagged_value if isinstance(tagged_value, Origin) else Origin.get_tag(tagged_value)
    if tag is None:
        return ""
    place = str(tag.path or tag.description or "")
    return f"{place}:{tag.line_num}" if tag.line_num else place


def locate_part(key: Any, content: Any, steps: str, wrong_item: object = None) -> str:
    """Return the nearest known place (`path:line`) of a part of a variable; "" if there is none.

    `key` and `content` are the variable's name and value, as tagged by Ansible. `steps` lead to the part (`.apps`,
    `[2]`). If they lead to a list, the place is that of the list's item that equals `wrong_item`, if known.
    """
    # If a value begins on a line below the variable's name, users expect the line of the name. That line is taken only
    # if name and value are in the same file.
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
    """Return the part of a value at a key (`name`) or at an index of a list; None if there is none."""
    if isinstance(content, Mapping) and name:
        return content.get(name)
    if isinstance(content, list | tuple) and index and int(index) < len(content):
        return content[int(index)]
    return None


def _strip_line_number(place: str) -> str:
    """Return the path of a place (`path:line`)."""
    return place.rpartition(":")[0] or place


def find_setting_place(hostvars: Any, host: str, variable: str) -> str:
    """Return the place (`path:line`) that decides the value of a host's variable.

    Of all places that set the variable, this is the source of highest precedence. The result is "" if it cannot be
    determined, for example on an Ansible with other internals.
    """
    try:
        layers = _iterate_layers(hostvars, host)
        for layer in layers:
            for key in layer:
                if key == variable:
                    return find_origin(key)
    except Exception:  # Ansible's internals are no public interface, so any error may come from them
        return ""
    return ""


def list_sources(inventory: Any) -> Sequence[str]:
    """Return the sources of an inventory as given to the command: paths, or lists of hosts (`web01,`)."""
    return getattr(inventory, "_sources", None) or context.CLIARGS.get("inventory") or ()


def list_source_paths(sources: Iterable[str]) -> list[Path]:
    """Return those sources of an inventory that are files or folders.

    Ansible reads a source with a comma as a list of hosts, unless a file of that name exists.
    """
    return [Path(source) for source in sources if "," not in source or os.path.exists(source)]


def _iterate_layers(hostvars: Any, name: str) -> Iterator[Mapping[str, object]]:
    """Yield the variables that each source gives to the host `name`, the source of highest precedence first.

    A source is `-e`, the play, a file of `host_vars` or `group_vars`, or the inventory itself.
    """
    from ansible.inventory.helpers import sort_groups
    from ansible.vars.plugins import get_vars_from_inventory_sources, get_vars_from_path

    inventory = find_part(hostvars, InventoryManager)
    loader, manager = (
        find_part(hostvars, DataLoader),
        find_part(hostvars, VariableManager),
    )
    host = inventory.get_host(name)
    groups = list(reversed(sort_groups(group for group in host.get_groups() if group.name != "all")))
    all_groups = [group for group in host.get_groups() if group.name == "all"]

    def read_files(entity: Any) -> Iterator[Mapping[str, object]]:
        # host_vars and group_vars beside the playbooks
        yield get_vars_from_path(loader, loader.get_basedir(), [entity], "task")
        for source in reversed(list_sources(inventory)):
            yield get_vars_from_inventory_sources(loader, [source], [entity], "task")

    yield manager.extra_vars
    # only objects of play_variables.py have `layers`: the variables of the play and its roles
    iterate_play_layers = getattr(hostvars, "layers", None)
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
