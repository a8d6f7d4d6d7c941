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
from ..restrictions import PREFIX, REGISTERED
from ..restrictions.misspelled import guess_intended_variable
from .places import origin, paths_of, place_within, set_in
from .supported_hosts import CONNECTION_VARIABLES, is_windows, unserved

_NAME = re.compile(r"\w*")
_NOWHERE: Mapping[str, str] = {}


@dataclass(frozen=True)
class HostVariables:
    """One host's `proscribe_*` variables, templated, and where each was written ("" if not known)."""

    name: str
    values: Mapping[str, object]
    origins: Mapping[str, str]
    folder: str  # of the inventory source that names the host; relative directories start there
    address: str = ""  # over which Ansible reaches the host, where the inventory names one and not a name
    ssh_port: int = 22
    unserved: str = ""  # why Proscribe cannot serve it, by how it is reached; "" if it can
    windows: bool = False  # whether that is because it is a Windows host, which can be observed
    wrong: tuple[PolicyError, ...] = ()  # what cannot be templated, or is misspelled; `values` is without it

    # Where a part of a variable was written, by the variable, the steps to the part and the value that is wrong.
    locate: Callable[[str, str, object], str] | None = None

    @classmethod
    def of(
        cls,
        name: str,
        hostvars: Any,
        only: Container[str] | None = None,
        shared: dict[str, Mapping[str, object]] | None = None,
    ) -> HostVariables:
        """A host's variables out of Ansible's `hostvars`, or `only` some of them. Hosts that are read with one mapping
        `shared` have one and the same `values` where these are equal.
        """
        templated = hostvars[name]  # each such look-up gathers all of the host's variables anew, as does raw_get
        raw = getattr(templated, "_vars", None) or hostvars.raw_get(name)
        values: dict[str, object] = {}
        wrong: list[PolicyError] = []
        locate = functools.partial(_locate, hostvars, name)
        for key in raw:
            if key.startswith(PREFIX) and key not in REGISTERED and (only is None or key in only):
                try:
                    values[str(key)] = plain(templated[key])
                except Exception as error:  # templating raises many kinds; each has a message of its own
                    message = str(error).splitlines()[0]
                    where = locate(str(key), "", None) or f"host {name}"
                    wrong.append(PolicyError(where, str(key), raw[key], f"a value that can be templated ({message})"))
            elif only is None and (intended := guess_intended_variable(key)):
                where = origin(raw[key]) or origin(key) or f"host {name}"
                wrong.append(PolicyError(where, str(key), str(key), f"a known variable, did you mean {intended!r}?"))
        simple = functools.partial(_simple, raw, templated)
        address, port = _reached_at(name, simple("ansible_host"), simple("ansible_port"))
        folder = sys.intern(str(raw.get("inventory_dir") or "."))
        how = {variable: simple(variable) for variable in CONNECTION_VARIABLES}
        same = values if shared is None else shared.setdefault(repr(values), values)
        reached = unserved(how), is_windows(how)
        return cls(name, same, _NOWHERE, folder, address, port, *reached, tuple(wrong), locate)

    def where(self, key: str, wrong: object = None) -> str:
        """Where a variable of this host was set, for a message. `key` may lead to a part of it, as in
        `proscribe_controls.apps`, and `wrong` may be an item of it.
        """
        variable = _NAME.match(key)[0]  # type: ignore[index] # it fits everything
        place = self.origins.get(variable) or (self.locate and self.locate(variable, key[len(variable) :], wrong))
        return place or f"host {self.name}"


def _locate(hostvars: Any, name: str, variable: str, steps: str, value: object) -> str:
    """Where a part of a host's variable was written; "" where that is not known. Its variables are gathered anew: they
    take too much memory to be at hand for every host of a fleet.
    """
    if not variable.startswith(PREFIX) or variable in REGISTERED:
        return ""
    for key, content in hostvars.raw_get(name).items():
        if key == variable:
            if content is None or isinstance(content, bool):
                return set_in(hostvars, name, variable)
            return place_within(key, content, steps, value)
    return ""


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
    # For a collection: the project of its user, in which relative folders may be.
    user_project: Path | None = None

    # Hosts of the run that Proscribe cannot serve, each with why; they are not among `hosts`.
    not_served: Mapping[str, str] = field(default_factory=dict)
    windows: tuple[str, ...] = ()  # those of `hosts` that are Windows hosts, which are only observed
    pattern: str = "all"  # proscribe_hosts
    about: frozenset[str] = frozenset()  # all hosts of the inventory that it chooses; none where that is every host

    # Any host's variables, for what is decided by hosts that are not of the run (group_policy.py).
    variables_of: Callable[[str], HostVariables] | None = None
    reports: Path | None = None  # that earlier runs wrote, where the hosts of this question do not name it
    warnings: tuple[str, ...] = ()  # of what Ansible does not read of the policy
    audience: bool = False  # whether this is about such hosts

    round: str = ""  # the id of the automation controller's workflow job, which its slices share


def left_out(question: Question) -> list[str]:
    """The hosts that a run without `--limit` would observe, and that this one does not, by name."""
    whole = question.about or question.groups.get("all", frozenset())
    in_run = {*question.not_served, *(host.name for host in question.hosts)}
    return sorted(whole.difference(in_run))


def zones(hostvars: Any) -> Callable[[str], str]:
    """What `Question.zone_of` is: any host's proscribe_zone, "" if it has none, out of Ansible's `hostvars`."""

    def zone_of(name: str) -> str:
        host = HostVariables.of(name, hostvars, only=(PREFIX + "zone",))
        if host.wrong:
            raise PolicyErrors(host.wrong)
        return str(host.values.get(PREFIX + "zone") or "")

    return zone_of


def variables_reader(hostvars: Any) -> Callable[[str], HostVariables]:
    """What `Question.variables_of` is, out of Ansible's `hostvars`."""
    return functools.partial(HostVariables.of, hostvars=hostvars)


def inventory_folders(sources: list[str]) -> list[Path]:
    """The folders of the inventory's sources: the directories themselves, and those of the files."""
    return list(dict.fromkeys(path if path.is_dir() else path.parent for path in paths_of(sources)))


def read_as_hosts(folder: Path, sources: list[str]) -> bool:
    """Whether Ansible would take the files of a folder for hosts: it lies inside a source that is a directory, and
    nothing on the way to it is what Ansible passes over.
    """
    for source in (path for path in paths_of(sources) if path.is_dir()):
        try:
            names = folder.resolve().relative_to(source.resolve()).parts
        except ValueError:
            continue
        if names and not any(IGNORED.search(name.encode()) for name in names):
            return True
    return False


def waiver_folders(sources: list[str]) -> list[Path]:
    """The `waivers/` folders in, or beside, the inventory's sources."""
    return [folder / "waivers" for folder in inventory_folders(sources) if (folder / "waivers").is_dir()]


def plain(value: Any) -> Any:
    """A value without Ansible's tags and lazy containers, so that it compares and prints as what it is."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


def _simple(raw: Any, templated: Any, key: str) -> str:
    """A variable of Ansible's own as text, "" if it is not set or cannot be templated without the host's facts."""
    value = raw.get(key)
    if value is None or isinstance(value, str) and "{" not in value:
        return str(value or "")  # no template, and so nothing that takes Ansible's time
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
        if place := origin(getattr(cause, "obj", None)):
            return place
        cause = cause.__cause__ or cause.__context__
    return ""
