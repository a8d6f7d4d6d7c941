"""What compiling asks of Ansible: the hosts' variables, and where each was written.

The only file of `compile` that knows Ansible's inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import PolicyError, PolicyErrors
from .restrictions import PREFIX, REGISTERED

try:  # where a value was written; ansible-core 2.19 and newer know it, by a part of theirs that they may move
    from ansible._internal._datatag._tags import Origin  # type: ignore[import-untyped]
except ImportError:
    Origin = None


@dataclass(frozen=True)
class HostVariables:
    """One host's `proscribe_*` variables, templated, and where each was written ("" if not known)."""

    name: str
    values: Mapping[str, Any]
    origins: Mapping[str, str]
    folder: str  # of the inventory source that names the host; relative directories start there

    @classmethod
    def of(cls, name: str, hostvars: Any) -> HostVariables:
        """A host's variables out of Ansible's `hostvars`. Raises PolicyErrors when one cannot be templated."""
        raw = hostvars.raw_get(name)
        values: dict[str, Any] = {}
        origins: dict[str, str] = {}
        for key in (key for key in raw if key.startswith(PREFIX) and key not in REGISTERED):
            origins[str(key)] = _origin(key) or _origin(raw[key])
            try:
                values[str(key)] = plain(hostvars[name][key])
            except Exception as error:  # templating raises many kinds; each has a message of its own
                message = str(error).splitlines()[0]
                where = origins[str(key)] or f"host {name}"
                raise PolicyErrors(
                    [PolicyError(where, str(key), raw[key], f"a value that can be templated ({message})")]
                ) from None
        return cls(name, values, origins, str(raw.get("inventory_dir") or "."))

    def where(self, variable: str) -> str:
        """Where a variable of this host was set, for a message."""
        return self.origins.get(variable) or f"host {self.name}"


@dataclass(frozen=True)
class Question:
    """What is to be compiled: a run over some hosts of an inventory."""

    project: Path
    mode: str
    playbook: str
    inventory: list[str]
    limit: str
    controls: list[str]
    hosts: list[HostVariables]
    groups: Mapping[str, frozenset[str]]


def waiver_folders(sources: list[str]) -> list[Path]:
    """The `waivers/` folders that stand in, or beside, the inventory's sources."""
    paths = [Path(source) for source in sources if "," not in source]
    folders = [(path if path.is_dir() else path.parent) / "waivers" for path in paths]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def plain(value: Any) -> Any:
    """A value without Ansible's tags and lazy containers, so that it compares and prints as what it is."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


def _origin(value: Any) -> str:
    origin = Origin.get_tag(value) if Origin is not None else None
    if origin is None:
        return ""
    place = str(origin.path or origin.description or "")
    return f"{place}:{origin.line_num}" if origin.line_num else place
