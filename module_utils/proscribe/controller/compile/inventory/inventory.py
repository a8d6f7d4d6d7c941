"""What compiling reads from Ansible: the hosts' variables, and where each was written.

With `places.py`, `in_play.py`, `ignored_variables.py` and `ignored_files.py` all of `compile` that knows the internals
of Ansible.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import sys
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.inventory.manager import IGNORED

from ...policy_errors import PolicyError, PolicyErrors
from ..restrictions import PREFIX, REGISTERED_VARIABLES
from ..restrictions.misspelled import guess_intended_variable
from .places import find_origin, find_setting_place, list_source_paths, locate_part
from .supported_hosts import CONNECTION_VARIABLES, explain_unserved_host, is_windows

_NAME_PATTERN = re.compile(r"\w*")
_NO_ORIGINS: Mapping[str, str] = {}


@dataclass(frozen=True)
class HostVariables:
    """One host's `proscribe_*` variables, templated, and where each was written ("" if not known)."""

    name: str
    values: Mapping[str, object]
    origins: Mapping[str, str]
    folder: str  # of the inventory source that names the host; relative directories start there
    address: str = ""  # over which Ansible reaches the host, where the inventory names one and not a name
    ssh_port: int = 22
    unserved_reason: str = ""  # why Proscribe cannot serve it, by how it is reached; "" if it can
    is_windows: bool = False  # whether that is because it is a Windows host, which can be observed
    errors: tuple[PolicyError, ...] = ()  # what cannot be templated, or is misspelled; `values` is without it

    # Where a part of a variable was written, by the variable, the steps to the part and the value that is wrong.
    locate: Callable[[str, str, object], str] | None = None

    @classmethod
    def read_hostvars(
        cls,
        name: str,
        hostvars: Any,
        only_names: Container[str] | None = None,
        shared: dict[str, Mapping[str, object]] | None = None,
    ) -> HostVariables:
        """A host's variables out of Ansible's `hostvars`, or `only_names` some of them. Hosts that are read with one mapping
        `shared` have one and the same `values` where these are equal.
        """
        templated = hostvars[name]  # each such look-up gathers all of the host's variables anew, as does raw_get
        raw_variables = getattr(templated, "_vars", None) or hostvars.raw_get(name)
        values: dict[str, object] = {}
        errors: list[PolicyError] = []
        locate = functools.partial(_locate_part, hostvars, name)
        for key in raw_variables:
            if key.startswith(PREFIX) and key not in REGISTERED_VARIABLES and (only_names is None or key in only_names):
                try:
                    values[str(key)] = strip_tags(templated[key])
                except Exception as error:  # templating raises many kinds; each has a message of its own
                    message = str(error).splitlines()[0]
                    place = locate(str(key), "", None) or f"host {name}"
                    errors.append(
                        PolicyError(place, str(key), raw_variables[key], f"a value that can be templated ({message})")
                    )
            elif only_names is None and (intended := guess_intended_variable(key)):
                place = find_origin(raw_variables[key]) or find_origin(key) or f"host {name}"
                errors.append(PolicyError(place, str(key), str(key), f"a known variable, did you mean {intended!r}?"))
        read_simple = functools.partial(_read_simple_variable, raw_variables, templated)
        address, port = _parse_connection_address(name, read_simple("ansible_host"), read_simple("ansible_port"))
        folder = sys.intern(str(raw_variables.get("inventory_dir") or "."))
        connection = {variable: read_simple(variable) for variable in CONNECTION_VARIABLES}
        shared_values = values if shared is None else shared.setdefault(repr(values), values)
        reachability = explain_unserved_host(connection), is_windows(connection)
        return cls(name, shared_values, _NO_ORIGINS, folder, address, port, *reachability, tuple(errors), locate)

    def locate_variable(self, key: str, wrong_item: object = None) -> str:
        """Where a variable of this host was set, for a message. `key` may lead to a part of it, as in
        `proscribe_controls.apps`, and `wrong_item` may be an item of it.
        """
        variable = _NAME_PATTERN.match(key)[0]  # type: ignore[index] # it fits everything
        place = self.origins.get(variable) or (self.locate and self.locate(variable, key[len(variable) :], wrong_item))
        return place or f"host {self.name}"


def _locate_part(hostvars: Any, name: str, variable: str, steps: str, wrong_item: object) -> str:
    """Where a part of a host's variable was written; "" where that is not known. Its variables are gathered anew: they
    take too much memory to be at hand for every host of a fleet.
    """
    if not variable.startswith(PREFIX) or variable in REGISTERED_VARIABLES:
        return ""
    for key, content in hostvars.raw_get(name).items():
        if key == variable:
            if content is None or isinstance(content, bool):
                return find_setting_place(hostvars, name, variable)
            return locate_part(key, content, steps, wrong_item)
    return ""


@dataclass(frozen=True)
class CompileInput:
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
    # For a collection: the project of its user, in which relative folders may be.
    user_project: Path | None = None

    # Hosts of the run that Proscribe cannot serve, each with why; they are not among `hosts`.
    not_served: Mapping[str, str] = field(default_factory=dict)
    windows_hosts: tuple[str, ...] = ()  # those of `hosts` that are Windows hosts, which are only observed
    pattern: str = "all"  # proscribe_hosts
    chosen_hosts: frozenset[str] = (
        frozenset()
    )  # all hosts of the inventory that it chooses; none where that is every host

    # Any host's variables, for what is decided by hosts that are not of the run (group_policy.py).
    variables_of: Callable[[str], HostVariables] | None = None
    reports: Path | None = None  # that earlier runs wrote, where the hosts of this question do not name it
    warnings: tuple[str, ...] = ()  # of what Ansible does not read of the policy
    audience: bool = False  # whether this is about such hosts

    round: str = ""  # the id of the automation controller's workflow job, which its slices share


def list_left_out_hosts(compile_input: CompileInput) -> list[str]:
    """The hosts that a run without `--limit` would observe, and that this one does not, by name."""
    expected_hosts = compile_input.chosen_hosts or compile_input.groups.get("all", frozenset())
    in_run = {*compile_input.not_served, *(host.name for host in compile_input.hosts)}
    return sorted(expected_hosts.difference(in_run))


def make_zone_finder(hostvars: Any) -> Callable[[str], str]:
    """What `Question.zone_of` is: any host's proscribe_zone, "" if it has none, out of Ansible's `hostvars`."""

    def find_zone(name: str) -> str:
        host = HostVariables.read_hostvars(name, hostvars, only_names=(PREFIX + "zone",))
        if host.errors:
            raise PolicyErrors(host.errors)
        return str(host.values.get(PREFIX + "zone") or "")

    return find_zone


def make_variables_reader(hostvars: Any) -> Callable[[str], HostVariables]:
    """What `Question.variables_of` is, out of Ansible's `hostvars`."""
    return functools.partial(HostVariables.read_hostvars, hostvars=hostvars)


def list_inventory_folders(sources: list[str]) -> list[Path]:
    """The folders of the inventory's sources: the directories themselves, and those of the files."""
    return list(dict.fromkeys(path if path.is_dir() else path.parent for path in list_source_paths(sources)))


def is_read_as_hosts(folder: Path, sources: list[str]) -> bool:
    """Whether Ansible would take the files of a folder for hosts: it lies inside a source that is a directory, and
    nothing on the way to it is what Ansible passes over.
    """
    for source in (path for path in list_source_paths(sources) if path.is_dir()):
        try:
            names = folder.resolve().relative_to(source.resolve()).parts
        except ValueError:
            continue
        if names and not any(IGNORED.search(name.encode()) for name in names):
            return True
    return False


def list_waiver_folders(sources: list[str]) -> list[Path]:
    """The `waivers/` folders in, or beside, the inventory's sources."""
    return [folder / "waivers" for folder in list_inventory_folders(sources) if (folder / "waivers").is_dir()]


def strip_tags(data: Any) -> Any:
    """A value without Ansible's tags and lazy containers, so that it compares and prints as what it is."""
    if isinstance(data, Mapping):
        return {str(key): strip_tags(element) for key, element in data.items()}
    if isinstance(data, list | tuple):
        return [strip_tags(element) for element in data]
    return str(data) if isinstance(data, str) else data


def _read_simple_variable(raw: Any, templated: Any, key: str) -> str:
    """A variable of Ansible's own as text, "" if it is not set or cannot be templated without the host's facts."""
    setting = raw.get(key)
    if setting is None or isinstance(setting, str) and "{" not in setting:
        return str(setting or "")  # no template, and so nothing that takes Ansible's time
    try:
        return str(templated.get(key) or "")
    except Exception:  # templating raises many kinds
        return ""


def _parse_connection_address(name: str, host: str, port: str) -> tuple[str, int]:
    """The address and the port at which a host is reached; "" where only a name is known."""
    address = (host or name).strip("[]").partition("%")[0]
    try:
        ipaddress.ip_address(address)
    except ValueError:
        address = ""
    return address, int(port) if port.isascii() and port.isdigit() else 22


def find_error_place(error: BaseException) -> str:
    """The place that an error of Ansible's is about, `path:line`, or "" if neither it nor its causes know one."""
    cause: BaseException | None = error
    while cause is not None:
        if place := find_origin(getattr(cause, "obj", None)):
            return place
        cause = cause.__cause__ or cause.__context__
    return ""
