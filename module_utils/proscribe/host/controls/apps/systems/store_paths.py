"""The stores of Nix and Guix: a directory for every package, named for what it is, and profiles that are links to such.

A store is root's where there is a daemon, and a user's own where there is none. So nothing in it is followed: a link
counts if it says the name of a directory of the store.
"""

from __future__ import annotations

from typing import Callable, Iterator

from .....base.patterns import compile_pattern
from ....system import ControlError, Host, ObservationError, Process
from .user_links import link

NAME = compile_pattern(r"[0-9a-z]{32}-[A-Za-z0-9+._?=-]{1,211}")  # the digest of what it is made of, and a name
GENERATION = compile_pattern(r".{0,100}-[0-9]{1,9}-link")
MOST_PROFILES = 200  # in a directory of them


def split(base: str) -> tuple[str, str]:
    """Name and version out of the base name of a store path. A version begins at the first dash before no letter (Nix
    manual, `builtins.parseDrvName`).
    """
    name = base[33:]
    for dash in (index for index, character in enumerate(name) if character == "-"):
        if name[dash + 1 : dash + 2].isdigit():
            return name[:dash], name[dash + 1 :]
    return name, ""


def profiles(host: Host, directory: str, store: str) -> Iterator[tuple[str, str]]:
    """The profiles in a directory and the store path that each is now."""
    names = [name for name in host.list_directory(directory) if not GENERATION.fullmatch(name)]
    if len(names) > MOST_PROFILES:
        raise ObservationError(f"{directory} has more than {MOST_PROFILES} profiles")
    for name in names:
        if target := current(host, f"{directory}/{name}", store):
            yield f"{directory}/{name}", target


def current(host: Host, profile: str, store: str) -> str:
    """The store path that a profile is: a link to its generation beside it, which is a link into the store; "" if it is
    none.
    """
    directory, _, name = profile.rpartition("/")
    to = link(host, profile)
    if GENERATION.fullmatch(to) and "/" not in to:
        to = link(host, f"{directory}/{to}")
    return to if in_store(to, store) else ""


def in_store(path: str, store: str) -> bool:
    above, _, base = path.rpartition("/")
    return above == store and NAME.fullmatch(base) is not None


def content(host: Host, path: str, store: str, placed: Callable[[str], str] = str, limit: int = 1024 * 1024) -> bytes:
    """A file of a store, which may be a link to another of its paths; b"" if there is none. `placed` says where its
    paths lie. Raises Unseen: it cannot be read, or is too large.
    """
    to = link(host, placed(path))
    try:
        return host.read_file(placed(to if in_store(to, store) else path), limit) or b""
    except ControlError as error:
        raise ObservationError(str(error)) from None


def package_of(host: Host, process: Process, store: str) -> str:
    """The name of the package in a store that a running program belongs to; "" if it is in none. In a container the
    path says little.
    """
    if not process.exe.startswith(store + "/"):
        return ""
    base = process.exe[len(store) + 1 :].partition("/")[0]
    return split(base)[0] if NAME.fullmatch(base) and host.has_host_root(process) else ""
