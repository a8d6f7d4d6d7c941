"""Directories of Python packages: the distributions in them, by the names that PyPI would take for the same."""

from __future__ import annotations

from typing import AbstractSet, Iterator

from .....base.patterns import ASCII, compile_pattern
from ....system import Host, User
from .package import Package

HEAD = 64 * 1024  # bytes of metadata; its fields come first, and the long text after them
KINDS = {"dist-info": "METADATA", "egg-info": "PKG-INFO"}
_VERSION = compile_pattern(r"[\w.+!~:-]{1,64}", ASCII)


def normal(name: str) -> str:
    """The one spelling of a name that has many (PEP 503)."""
    name = name.replace("_", "-").replace(".", "-")
    while "--" in name:
        name = name.replace("--", "-")
    return name.lower()


def directories(host: Host, library: str) -> Iterator[str]:
    """The directories of packages below a `lib`."""
    for python in host.list_directory(library):
        if python == "python3" or (python.startswith("python3.") and python[8:].isdecimal()):
            yield f"{library}/{python}/site-packages"
            yield f"{library}/{python}/dist-packages"  # Debian's name for it


def distributions(
    host: Host, directory: str, ids: AbstractSet[str], manager: str, owner: User | None = None, handle: str = ""
) -> Iterator[Package]:
    """Those of some packages that are in a directory, each with the path of its metadata.

    Only the metadata of what has one of their names is opened: `<name>-<version>.dist-info`, no hyphen in the name.
    """
    desired = {normal(id_): id_ for id_ in ids}
    for entry in host.list_directory(directory):
        stem, _, kind = entry.rpartition(".")
        id_ = desired.get(normal(stem.partition("-")[0]))
        if id_ and kind in KINDS:
            path = f"{directory}/{entry}"
            fields = parse(host.read_head(f"{path}/{KINDS[kind]}", HEAD).decode("utf-8", "replace"))
            if normal(fields.get("Name", "")) == normal(id_):
                yield Package(manager, id_, claimed_version(fields.get("Version", "")), (handle,), owner, path)


def parse(metadata: str) -> dict[str, str]:
    """The fields before the first empty line, the last one of each name."""
    head = metadata.partition("\n\n")[0]
    return {name: value.strip() for name, colon, value in (line.partition(":") for line in head.split("\n")) if colon}


def claimed_version(text: object) -> str:
    """A version that a user may have written, if it looks like one; else ""."""
    return text if isinstance(text, str) and _VERSION.fullmatch(text) else ""
