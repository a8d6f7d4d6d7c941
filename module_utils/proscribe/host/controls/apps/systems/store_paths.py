"""Stores of Nix and Guix: a directory for every package with its name, and profiles that are links to such directories.

A store belongs to root if there is a daemon, and to a user otherwise. So no link is followed: a link counts only if its
target is the path of a directory in the store.
"""

from __future__ import annotations

from typing import Callable, Iterator

from .....base.lazy_patterns import compile_pattern
from ....system import ControlError, Host, ObservationError, Process
from .user_links import read_link

STORE_NAME_PATTERN = compile_pattern(r"[0-9a-z]{32}-[A-Za-z0-9+._?=-]{1,211}")  # the digest of its inputs, and a name
GENERATION_PATTERN = compile_pattern(r".{0,100}-[0-9]{1,9}-link")
MAX_PROFILES = 200  # profiles in a directory


def split_store_name(base: str) -> tuple[str, str]:
    """Return name and version from the base name of a store path; the version may be "".

    A version begins after the first dash that a digit follows (Nix manual, `builtins.parseDrvName`).
    """
    name = base[33:]  # after the digest of 32 characters and a dash
    for dash in (index for index, character in enumerate(name) if character == "-"):
        if name[dash + 1 : dash + 2].isdigit():
            return name[:dash], name[dash + 1 :]
    return name, ""


def list_profiles(host: Host, directory: str, store: str) -> Iterator[tuple[str, str]]:
    """Yield (path, store path) for each profile in a directory.

    `store` is the path of the store. A profile is a set of installed packages. Links to its earlier and current states
    (generations) lie beside it, and do not count. Raises ObservationError for more than MAX_PROFILES profiles.
    """
    names = [name for name in host.list_directory(directory) if not GENERATION_PATTERN.fullmatch(name)]
    if len(names) > MAX_PROFILES:
        raise ObservationError(f"{directory} has more than {MAX_PROFILES} profiles")
    for name in names:
        if target := read_profile_target(host, f"{directory}/{name}", store):
            yield f"{directory}/{name}", target


def read_profile_target(host: Host, profile: str, store: str) -> str:
    """Return the path in the store to which a profile leads, or "" if it leads elsewhere.

    A profile is a link to its current generation (state) beside it, and the generation is a link into the store.
    """
    directory, _, name = profile.rpartition("/")
    link_target = read_link(host, profile)
    if GENERATION_PATTERN.fullmatch(link_target) and "/" not in link_target:
        link_target = read_link(host, f"{directory}/{link_target}")
    return link_target if is_in_store(link_target, store) else ""


def is_in_store(path: str, store: str) -> bool:
    """Return whether a path is that of a package directly in the store, such as /nix/store/<digest>-<name>."""
    parent, _, base = path.rpartition("/")
    return parent == store and STORE_NAME_PATTERN.fullmatch(base) is not None


def read_store_file(
    host: Host, path: str, store: str, locate_path: Callable[[str], str] = str, max_bytes: int = 1024 * 1024
) -> bytes:
    """Return the content of a file in a store, or b"" if it is missing.

    The file may be a link to another store path. A user's store may be in another directory than its paths say:
    `locate_path` returns where a store path really is on this host. Raises ObservationError for an unreadable or too
    large file.
    """
    link_target = read_link(host, locate_path(path))
    try:
        return host.read_file(locate_path(link_target if is_in_store(link_target, store) else path), max_bytes) or b""
    except ControlError as error:
        raise ObservationError(str(error)) from None


def find_process_package(host: Host, process: Process, store: str) -> str:
    """Return the name of the store package that a running program belongs to, or "".

    A program in a container gives "", because its path says nothing about the host's files.
    """
    if not process.exe.startswith(store + "/"):
        return ""
    base = process.exe[len(store) + 1 :].partition("/")[0]
    return split_store_name(base)[0] if STORE_NAME_PATTERN.fullmatch(base) and host.has_host_root(process) else ""
