"""The input of the compilation from Ansible: the variables of hosts and their origins.

In `compile`, only this module, `variable_origins.py`, `play_variables.py`, `ignored_variables.py` and
`ignored_files.py` depend on the internals of Ansible.
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
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVarsVars

from ...ansible_objects import find_part
from ...policy_errors import PolicyError, PolicyErrors
from ..restrictions import PREFIX, REGISTERED_VARIABLES
from ..restrictions.variable_typos import guess_intended_variable
from .supported_hosts import CONNECTION_VARIABLES, explain_unserved_host, is_windows
from .variable_origins import find_origin, find_setting_place, list_source_paths, locate_part

_NAME_PATTERN = re.compile(r"\w*")
_NO_ORIGINS: Mapping[str, str] = {}


@dataclass(frozen=True)
class HostVariables:
    """The templated `proscribe_*` variables of a host, and the origin of each ("" if not known)."""

    name: str
    values: Mapping[str, object]
    origins: Mapping[str, str]
    folder: str  # folder of the inventory source that has the host; relative directories start there
    address: str = ""  # the IP address at which Ansible reaches the host; "" if the inventory has only a name
    ssh_port: int = 22
    unserved_reason: str = ""  # why Proscribe cannot serve the host, judged by its connection variables; "" if it can
    is_windows: bool = False  # a Windows host is not served, but it can be observed
    # Variables that cannot be templated or are misspelled; `values` has none of them.
    errors: tuple[PolicyError, ...] = ()

    # Returns the place (`path:line`) of a part of a variable. Arguments: variable, steps to the part, wrong value.
    locate: Callable[[str, str, object], str] | None = None

    @classmethod
    def read_hostvars(
        cls,
        name: str,
        hostvars: Any,
        only_names: Container[str] | None = None,
        shared: dict[str, Mapping[str, object]] | None = None,
    ) -> HostVariables:
        """Read a host's variables from Ansible's `hostvars`: all of them, or those in `only_names`.

        To save memory, hosts with equal values share a single `values` object if `shared` is the same mapping for all
        calls. Variables that cannot be templated or are misspelled become `errors`.
        """
        raw_variables = hostvars.raw_get(name)  # slow: each call collects all variables of the host again
        templated = HostVarsVars(raw_variables, loader=find_part(hostvars, DataLoader), host=name)
        values: dict[str, object] = {}
        errors: list[PolicyError] = []
        locate = functools.partial(_locate_part, hostvars, name)
        for key in raw_variables:
            if key.startswith(PREFIX) and key not in REGISTERED_VARIABLES and (only_names is None or key in only_names):
                try:
                    values[str(key)] = strip_tags(templated[key])
                except Exception as error:  # templating raises many exceptions, each with a message of its own
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
        """Return the place where a variable of this host was set, for a message.

        `key` may lead to a part of the variable, as in `proscribe_controls.apps`. If that part is a list, `wrong_item`
        is the item in question.
        """
        variable = _NAME_PATTERN.match(key)[0]  # type: ignore[index] # it fits everything
        place = self.origins.get(variable) or (self.locate and self.locate(variable, key[len(variable) :], wrong_item))
        return place or f"host {self.name}"


def _locate_part(hostvars: Any, name: str, variable: str, steps: str, wrong_item: object) -> str:
    """Return the place where a part of a host's variable was written; "" if it is not known.

    `name` is the host. `steps` lead from the variable to the part (`.apps`, `[2]`). The host's variables are collected
    again, because storing those of a whole fleet would take too much memory.
    """
    if not variable.startswith(PREFIX) or variable in REGISTERED_VARIABLES:
        return ""
    for key, content in hostvars.raw_get(name).items():
        if key == variable:
            if content is None or isinstance(content, bool):  # Ansible tags no such value with its origin
                return find_setting_place(hostvars, name, variable)
            return locate_part(key, content, steps, wrong_item)
    return ""


@dataclass(frozen=True)
class CompileInput:
    """The input of a compilation: a run over some hosts of an inventory."""

    project: Path
    mode: str
    playbook: str
    inventory: list[str]  # the sources, as given with -i
    limit: str  # the value of --limit; "" for none
    controls: list[str]
    hosts: list[HostVariables]
    groups: Mapping[str, frozenset[str]]  # key: a group of the inventory, including `all`; value: its hosts
    # Returns the network zone of a host that the run leaves out (--limit), for waivers that are scoped by zone.
    zone_of: Callable[[str], str] | None = None
    # Folder of the playbook that runs. This may be an organisation's playbook that imports a playbook of the project.
    playbook_folder: Path | None = None
    # For a collection: the project of its user, a base of relative folders.
    user_project: Path | None = None

    # Hosts of the run that Proscribe cannot serve, each with the reason; `hosts` has none of them.
    not_served: Mapping[str, str] = field(default_factory=dict)
    windows_hosts: tuple[str, ...] = ()  # the Windows hosts among `hosts`, which are only observed
    pattern: str = "all"  # the value of proscribe_hosts
    # All hosts of the inventory that `pattern` selects; empty if it selects every host.
    chosen_hosts: frozenset[str] = frozenset()

    # Returns any host's variables, for decisions that depend on hosts outside the run (group_policy.py).
    variables_of: Callable[[str], HostVariables] | None = None
    reports: Path | None = None  # directory of reports from earlier runs, if the hosts of this input do not set it
    warnings: tuple[str, ...] = ()  # about parts of the policy that Ansible does not read
    audience: bool = False  # True if the policy for these hosts is enforced elsewhere (host_selection.select_audience)

    round: str = ""  # id of the automation controller's workflow job, shared by its slices


def list_left_out_hosts(compile_input: CompileInput) -> list[str]:
    """Return the sorted names of hosts that a run without `--limit` would observe and this run does not."""
    expected_hosts = compile_input.chosen_hosts or compile_input.groups.get("all", frozenset())
    in_run = {*compile_input.not_served, *(host.name for host in compile_input.hosts)}
    return sorted(expected_hosts.difference(in_run))


def make_zone_finder(hostvars: Any) -> Callable[[str], str]:
    """Return a function for `CompileInput.zone_of`: it maps a host's name to the network zone of the host.

    The zone is `proscribe_zone` from Ansible's `hostvars`, or "" if the host has none. The function raises
    PolicyErrors.
    """

    def find_zone(name: str) -> str:
        host = HostVariables.read_hostvars(name, hostvars, only_names=(PREFIX + "zone",))
        if host.errors:
            raise PolicyErrors(host.errors)
        return str(host.values.get(PREFIX + "zone") or "")

    return find_zone


def make_variables_reader(hostvars: Any) -> Callable[[str], HostVariables]:
    """Return a function for `CompileInput.variables_of`: the variables of a host in `hostvars`, by name."""
    return functools.partial(HostVariables.read_hostvars, hostvars=hostvars)


def list_inventory_folders(sources: list[str]) -> list[Path]:
    """Return the folders of the inventory's sources: the directories themselves, and those of the files."""
    return list(dict.fromkeys(path if path.is_dir() else path.parent for path in list_source_paths(sources)))


def is_read_as_hosts(folder: Path, sources: list[str]) -> bool:
    """Return True if Ansible would read the files of a folder as hosts.

    The folder lies inside a source that is a directory, and Ansible ignores no folder on the path to it.
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
    """Return the `waivers/` folders in, or beside, the inventory's sources."""
    return [folder / "waivers" for folder in list_inventory_folders(sources) if (folder / "waivers").is_dir()]


def strip_tags(data: Any) -> Any:
    """Return a value without Ansible's tags and lazy containers, so that it compares and prints like plain data."""
    if isinstance(data, Mapping):
        return {str(key): strip_tags(element) for key, element in data.items()}
    if isinstance(data, list | tuple):
        return [strip_tags(element) for element in data]
    return str(data) if isinstance(data, str) else data


def _read_simple_variable(raw: Any, templated: Any, key: str) -> str:
    """Return a variable of Ansible as text; "" if it is unset or cannot be templated without the host's facts."""
    setting = raw.get(key)
    if setting is None or isinstance(setting, str) and "{" not in setting:
        return str(setting or "")  # no template: skip Ansible, which is slow
    try:
        return str(templated.get(key) or "")
    except Exception:  # templating raises many exceptions
        return ""


def _parse_connection_address(name: str, host: str, port: str) -> tuple[str, int]:
    """Return the IP address and the port at which a host is reached. The address is "" if only a name is known."""
    address = (host or name).strip("[]").partition("%")[0]
    try:
        ipaddress.ip_address(address)
    except ValueError:
        address = ""
    return address, int(port) if port.isascii() and port.isdigit() else 22


def find_error_place(error: BaseException) -> str:
    """Return the place of an Ansible error, `path:line`; "" if neither the error nor its causes have one."""
    cause: BaseException | None = error
    while cause is not None:
        if place := find_origin(getattr(cause, "obj", None)):
            return place
        cause = cause.__cause__ or cause.__context__
    return ""
