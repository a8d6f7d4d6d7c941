"""Directories of Python packages (site-packages): the installed packages in them, by their metadata.

Names are compared as PyPI compares them.
"""

from __future__ import annotations

from typing import AbstractSet, Iterator

from .....base.lazy_patterns import ASCII, compile_pattern
from ....system import Host, User
from .package import Package

METADATA_HEAD_BYTES = 64 * 1024  # the fields of metadata come first, before the long text
METADATA_FILES = {"dist-info": "METADATA", "egg-info": "PKG-INFO"}
_VERSION = compile_pattern(r"[\w.+!~:-]{1,64}", ASCII)


def normalise_name(name: str) -> str:
    """Return the canonical spelling of a Python package's name (PEP 503)."""
    name = name.replace("_", "-").replace(".", "-")
    while "--" in name:
        name = name.replace("--", "-")
    return name.lower()


def list_package_directories(host: Host, library: str) -> Iterator[str]:
    """Yield the paths of the directories with packages below a `lib` directory, for each Python 3 in it.

    They need not exist.
    """
    for python in host.list_directory(library):
        if python == "python3" or (python.startswith("python3.") and python[8:].isdecimal()):
            yield f"{library}/{python}/site-packages"
            yield f"{library}/{python}/dist-packages"  # Debian's name for it


def find_distributions(
    host: Host, directory: str, ids: AbstractSet[str], manager: str, owner: User | None = None, handle: str = ""
) -> Iterator[Package]:
    """Yield the packages among `ids` that are in a directory, each with the path of its metadata.

    The metadata of a package is a directory `<name>-<version>.dist-info` (or .egg-info), without a hyphen in the name.
    Only metadata with the name of such a package is opened. `manager`, `owner` and `handle` are fields of the packages.
    """
    ids_by_name = {normalise_name(id_): id_ for id_ in ids}
    for entry in host.list_directory(directory):
        stem, _, suffix = entry.rpartition(".")
        id_ = ids_by_name.get(normalise_name(stem.partition("-")[0]))
        if id_ and suffix in METADATA_FILES:
            path = f"{directory}/{entry}"
            fields = parse_metadata(
                host.read_head(f"{path}/{METADATA_FILES[suffix]}", METADATA_HEAD_BYTES).decode("utf-8", "replace")
            )
            if normalise_name(fields.get("Name", "")) == normalise_name(id_):
                yield Package(manager, id_, accept_claimed_version(fields.get("Version", "")), (handle,), owner, path)


def parse_metadata(metadata: str) -> dict[str, str]:
    """Return, by name, the fields of a metadata file before the first empty line.

    If a name occurs several times, its last field counts.
    """
    head = metadata.partition("\n\n")[0]
    return {name: text.strip() for name, colon, text in (line.partition(":") for line in head.split("\n")) if colon}


def accept_claimed_version(text: object) -> str:
    """Return `text` if it looks like a version, or "".

    The text comes from a file or a directory name of a user, who may have written anything there.
    """
    return text if isinstance(text, str) and _VERSION.fullmatch(text) else ""
