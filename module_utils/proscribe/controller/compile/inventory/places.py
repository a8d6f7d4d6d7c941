"""Where a host's variable was written, as far as Ansible knows it: a file and a line.

Ansible (2.19 and newer) tags most values with where they were read. Where two files set one variable, its key is that
of the first and its value that of the last. So the value's tag is the one to go by. Neither null nor true nor false has
a tag: for these the sources are gone through once more, in Ansible's order.
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

from ...ansible_parts import part_of

TAGS: Any = None  # a module of Ansible's that they may move
with contextlib.suppress(ImportError):
    TAGS = importlib.import_module("ansible._internal._datatag._tags")
Origin = getattr(TAGS, "Origin", None)

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")  # as the keys of messages have them: .apps, [2]


def origin(value: Any) -> str:
    """Where a value was written, `path:line`; "" where Ansible does not say."""
    if Origin is None:
        return ""
    tag = value if isinstance(value, Origin) else Origin.get_tag(value)
    if tag is None:
        return ""
    place = str(tag.path or tag.description or "")
    return f"{place}:{tag.line_num}" if tag.line_num else place


def place_within(key: Any, value: Any, steps: str, wrong: object = None) -> str:
    """Where a part of a variable was written: `steps` lead to it (`.apps`, `[2]`), or it is the item `wrong` of a list.

    The nearest place that is known around it, "" if none is.
    """
    # A value that begins below its name has another line than people expect; another file's key says nothing.
    found = origin(value)
    if _file(origin(key)) == _file(found):
        found = origin(key)
    for name, index in _STEP.findall(steps):
        value = _part(value, name, index)
        found = origin(value) or found
    if isinstance(value, list | tuple):
        found = next((place for item in value if item == wrong and (place := origin(item))), found)
    return found


def _part(value: Any, name: str, index: str) -> Any:
    if isinstance(value, Mapping) and name:
        return value.get(name)
    if isinstance(value, list | tuple) and index and int(index) < len(value):
        return value[int(index)]
    return None


def _file(place: str) -> str:
    return place.rpartition(":")[0] or place


def set_in(hostvars: Any, host: str, variable: str) -> str:
    """Where the source that has the last word on a host's variable sets it. "" where that cannot be said, as on an
    Ansible with other internals.
    """
    try:
        layers = _layers(hostvars, host)
        for layer in layers:
            for key in layer:
                if key == variable:
                    return origin(key)
    except Exception:  # the parts that this goes through are nobody's interface
        return ""
    return ""


def sources_of(inventory: Any) -> Sequence[str]:
    """The sources of an inventory, which are those of the command."""
    return getattr(inventory, "_sources", None) or context.CLIARGS.get("inventory") or ()


def paths_of(sources: Iterable[str]) -> list[Path]:
    """Those of an inventory's sources that are files and folders. For Ansible one with a comma is hosts, named one by
    one, unless it is there.
    """
    return [Path(source) for source in sources if "," not in source or os.path.exists(source)]


def _layers(hostvars: Any, name: str) -> Iterator[Mapping[str, object]]:
    """The variables of each source that a host has some from, the one with the last word first."""
    from ansible.inventory.helpers import sort_groups
    from ansible.vars.plugins import get_vars_from_inventory_sources, get_vars_from_path

    inventory = part_of(hostvars, "_inventory", InventoryManager)
    loader, manager = part_of(hostvars, "_loader", DataLoader), part_of(hostvars, "_variable_manager", VariableManager)
    host = inventory.get_host(name)
    groups = list(reversed(sort_groups(group for group in host.get_groups() if group.name != "all")))
    everybody = [group for group in host.get_groups() if group.name == "all"]

    def files(entity: Any) -> Iterator[Mapping[str, object]]:
        yield get_vars_from_path(loader, loader.get_basedir(), [entity], "task")  # beside the playbooks
        for source in reversed(sources_of(inventory)):
            yield get_vars_from_inventory_sources(loader, [source], [entity], "task")

    yield manager.extra_vars
    of_play = getattr(hostvars, "layers", None)  # in_play.py
    if of_play:
        yield from of_play(name)
    yield from files(host)
    yield host.vars
    for some in (groups, everybody):
        for group in some:
            yield from files(group)
    for group in (*groups, *everybody):
        yield group.vars
    if of_play:
        yield from hostvars.defaults()
