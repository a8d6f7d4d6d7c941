"""What compiling asks of Ansible: the hosts' variables, and where each was written.

The only file of `compile` that knows Ansible's inside.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import PolicyError, PolicyErrors
from .restrictions import PREFIX, REGISTERED

try:  # where a value was written; ansible-core 2.19 and newer know it, by a part of theirs that they may move
    from ansible._internal._datatag._tags import Origin
except ImportError:
    Origin = None


@dataclass(frozen=True)
class HostVariables:
    """One host's `proscribe_*` variables, templated, and where each was written ("" if not known)."""

    name: str
    values: Mapping[str, Any]
    origins: Mapping[str, str]
    folder: str  # of the inventory source that names the host; relative directories start there
    address: str = ""  # over which Ansible reaches the host, where the inventory names one and not a name
    ssh_port: int = 22

    @classmethod
    def of(cls, name: str, hostvars: Any, only: Container[str] | None = None) -> HostVariables:
        """A host's variables out of Ansible's `hostvars`, or `only` some of them.

        Raises PolicyErrors when one cannot be templated.
        """
        raw = hostvars.raw_get(name)
        templated = hostvars[name]  # each such look-up gathers all of the host's variables anew
        values: dict[str, Any] = {}
        origins: dict[str, str] = {}
        for key in (key for key in raw if key.startswith(PREFIX) and key not in REGISTERED):
            if only is not None and key not in only:
                continue
            origins[str(key)] = _origin(key) or _origin(raw[key])
            try:
                values[str(key)] = plain(templated[key])
            except Exception as error:  # templating raises many kinds; each has a message of its own
                message = str(error).splitlines()[0]
                where = origins[str(key)] or f"host {name}"
                raise PolicyErrors(
                    [PolicyError(where, str(key), raw[key], f"a value that can be templated ({message})")]
                ) from None
        address, port = _reached_at(name, _simple(templated, "ansible_host"), _simple(templated, "ansible_port"))
        return cls(name, values, origins, str(raw.get("inventory_dir") or "."), address, port)

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
    # The network zone of a host that the run leaves out (--limit), for waivers that are scoped by zone.
    zone_of: Callable[[str], str] | None = None
    # Of the playbook that runs, which may be an organisation's own that imports one of the project's.
    playbook_folder: Path | None = None


def left_out(question: Question) -> list[str]:
    """The hosts that a run over all of the inventory would ask, and that this one does not (`--limit`), by name."""
    return sorted(question.groups.get("all", frozenset()).difference(host.name for host in question.hosts))


def zones(hostvars: Any) -> Callable[[str], str]:
    """What `Question.zone_of` is: any host's proscribe_zone, "" if it has none, out of Ansible's `hostvars`."""

    def zone_of(name: str) -> str:
        values = HostVariables.of(name, hostvars, only=(PREFIX + "zone",)).values
        return str(values.get(PREFIX + "zone") or "")

    return zone_of


def inventory_folders(sources: list[str]) -> list[Path]:
    """The folders of the inventory's sources: the directories themselves, and those in which the files stand."""
    paths = [Path(source) for source in sources if "," not in source]
    return list(dict.fromkeys(path if path.is_dir() else path.parent for path in paths))


def waiver_folders(sources: list[str]) -> list[Path]:
    """The `waivers/` folders that stand in, or beside, the inventory's sources."""
    return [folder / "waivers" for folder in inventory_folders(sources) if (folder / "waivers").is_dir()]


def plain(value: Any) -> Any:
    """A value without Ansible's tags and lazy containers, so that it compares and prints as what it is."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


def _simple(templated: Any, key: str) -> str:
    """A variable of Ansible's own as text, "" if it is not set or cannot be templated without the host's facts."""
    try:
        return str(templated.get(key) or "")
    except Exception:  # templating raises many kinds
        return ""


def _reached_at(name: str, host: str, port: str) -> tuple[str, int]:
    """The address and the port at which a host is reached; "" where only a name is known."""
    address = (host or name).strip("[]").partition("%")[0]
    try:
        ipaddress.ip_address(address)
    except ValueError:
        address = ""
    return address, int(port) if port.isascii() and port.isdigit() else 22


def place_of(error: BaseException) -> str:
    """The place that an error of Ansible's is about, `path:line`, or "" if neither it nor its causes know one."""
    cause: BaseException | None = error
    while cause is not None:
        if place := _origin(getattr(cause, "obj", None)):
            return place
        cause = cause.__cause__ or cause.__context__
    return ""


def _origin(value: Any) -> str:
    if Origin is None:
        return ""
    origin = value if isinstance(value, Origin) else Origin.get_tag(value)
    if origin is None:
        return ""
    place = str(origin.path or origin.description or "")
    return f"{place}:{origin.line_num}" if origin.line_num else place
