"""What follows from the backends of the control dns: lists for hosts, and tables of docs/dns.md."""

import importlib
from pathlib import Path

from proscribe.host.controls.dns import backends
from proscribe.host.controls.dns.backends.declaration import BACKEND_KINDS

from .part import Part, parts_of, table
from .python_source import as_entry, begin_module


def declared():
    """All backends, by kind and name. Raises ValueError for one that has another name than its file."""
    files = [path.stem for path in sorted(Path(backends.__path__[0]).glob("*.py"))]
    files = [file for file in files if file not in {"__init__", "filter_backends"}]
    modules = {file: importlib.import_module(f"{backends.__name__}.{file}") for file in files}
    found = {file: module.DECLARED for file, module in modules.items() if hasattr(module, "DECLARED")}
    for file, one in found.items():
        if one.name != file:
            raise ValueError(f"{file}.py declares the name {one.name!r}, which has to be {file!r}")
    return sorted(found.values(), key=lambda one: (BACKEND_KINDS.index(one.kind), one.name))


def filter_backends():
    """The list for hosts, each backend imported by name: what is sent to a host is what its imports name."""
    lines = begin_module("All backends with a real filter.", "the backends")
    lines += ["from typing import TYPE_CHECKING, Mapping", "", "if TYPE_CHECKING:"]
    lines += ["    from .declaration import Backend", ""]
    lines += ['# Key: a backend. Value: its kind, its systemd unit ("" for none), and the files that it may leave.']
    lines += ["FILTER_BACKENDS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {"]
    for one in declared():
        lines += as_entry(f'"{one.name}": ', one.kind, one.unit, one.files)
    lines += ["}", "", "", "def load_backend(name: str) -> Backend:"]
    lines += ['    """Return the module of a filter, compiled on a host only where it is needed. Raises KeyError."""']
    for name in [one.name for one in declared()]:
        lines += [f'    if name == "{name}":', f"        from . import {name}", "", f"        return {name}"]
    return "\n".join([*lines, "    raise KeyError(name)", ""])


def forwarders():
    """Where the firewall finds the servers that resolvers ask: outside of the control dns, which few need for that."""
    lines = begin_module(
        "Places in the configurations of resolvers that name the servers they ask.",
        "the backends of dns",
        *("from typing import Sequence", ""),
        "# Each row: files and folders of files, and the options (with separator) whose lines name servers.",
        "FORWARDER_SETTINGS: Sequence[tuple[Sequence[str], Sequence[str]]] = (",
    )
    for one in (each for backend in declared() for each in backend.forwarders):
        lines += as_entry("", one.files, one.options)
    return "\n".join([*lines, ")", ""])


def chosen():
    rows = []
    for one in declared():
        about = (f"`{one.name}`", one.documentation.tested_hosts or "no")
        rows += [(server, has, about[0], written, about[1]) for server, has, written in one.documentation.table_rows]
    rows.append(("anything else", "", "`hosts`", "a block in `/etc/hosts`", "Debian 13"))
    return table(("the host asks", "and has", "backend", "what is written", "tested on whole hosts"), rows)


def hits():
    documented = [(f"`{one.name}`", one.documentation) for one in declared()]
    rows = [(name, row.hit_line or "none", row.journal_unit and f"`{row.journal_unit}`") for name, row in documented]
    return table(("backend", "line", "`journalctl -u`"), [*rows, ("`hosts`", "none: a file logs nothing", "")])


CONTROLS = "module_utils/proscribe/host/controls"
DERIVED = (
    Part(f"{CONTROLS}/dns/backends/filter_backends.py", filter_backends),
    Part(f"{CONTROLS}/forwarders.py", forwarders),
    *parts_of("docs/dns.md", {"DNS filters": chosen, "lines about refusals": hits}),
)
