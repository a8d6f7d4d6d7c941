"""Packages in the profiles of Nix: those of the host, and those of each user. Nix is not asked.

A profile's manifest says what was installed: `manifest.json` by `nix profile` (three versions of it), `manifest.nix` by
`nix-env` (Nix manual, "Profiles"). What `nix run` and `nix shell` use without installing it is seen when it runs: the
path in the store says what it is.

Nix removes a package from a profile, as the owner of the profile. Both of its tools take a store path for a package of
a profile, and that is exact: a name would be a pattern to `nix-env`, and was one to `nix profile` before 2.20. What a
profile loses stays in the store until it is collected.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import AbstractSet, Any, Callable, Iterator, Sequence

from ....system import Host, ObservationError, Process, User
from ...base import ControlAction
from . import store_paths
from .as_owner import OwnTools, removals, uninstall
from .as_removed import as_removed
from .declaration import Claim, Declared, Ids, Reinstall, Route
from .each_place import check_each, summarise_reasons
from .package import Package
from .user_links import link

MANAGER = "nix"
OWN_PROFILES = "~/.local/state/nix/profiles"
# What stands for /nix where nobody made that: Nix' own (nix help-stores), nix-user-chroot's, nix-portable's.
OWN_STORES = ("~/.local/share/nix/root/nix", "~/.nix", "~/.nix-portable/nix")
TRACES = ("/nix", "~/.nix-profile", OWN_PROFILES, *OWN_STORES)
STORE = "/nix/store"
PROFILES = "/nix/var/nix/profiles"
OUT_PATH = re.compile(r'\boutPath = "(/nix/store/[^"\\\s]{34,250})"')


def query(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    places = (PROFILES, f"{PROFILES}/per-user/root")
    return _query(host, None, ids, places if ids else ())


def query_of(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    places = [user.home + OWN_PROFILES[1:]] + ([f"{PROFILES}/per-user/{user.name}"] if user.uid else [])
    return _query(host, user, ids, places if ids else ())


def _query(
    host: Host, user: User | None, ids: AbstractSet[str], directories: Sequence[str]
) -> tuple[list[Package], str]:
    found, unseen = check_each(directories, lambda directory: store_paths.profiles(host, directory, STORE))
    if user and directories:
        more, blind = check_each([f"{user.home}/.nix-profile"], lambda path: _elsewhere(host, user, path))
        found, unseen = found + more, unseen + blind

    def check(profile: tuple[str, str]) -> Iterator[Package]:
        path, target = profile
        for own in ("", *(user.home + place[1:] for place in OWN_STORES)) if user else ("",):
            if host.find_entry(placed(target, own)) is not None:
                yield from _installed(host, user, ids, path, target, own)
                return
        raise ObservationError(f"{path} leads into a store of Nix that is nowhere here")

    packages, blind = check_each(dict.fromkeys(found), check)
    return packages, summarise_reasons([*unseen, *blind])


def placed(path: str, own: str) -> str:
    """Where a path of the store lies, with what stands for /nix; "" if that is itself."""
    return own + path[len("/nix") :] if own else path


def _elsewhere(host: Host, user: User, path: str) -> Iterator[tuple[str, str]]:
    """The profile that a user goes by, where it is another one of his."""
    to = link(host, path)
    if to.startswith(user.home + "/") and "/../" not in to and to.isprintable():
        target = store_paths.current(host, to, STORE)
        if target:
            yield to, target


def _installed(
    host: Host, user: User | None, ids: AbstractSet[str], profile: str, target: str, own: str
) -> Iterator[Package]:
    kind, manifest = "profile", _content(host, f"{target}/manifest.json", own)
    if manifest:
        listed = parse(manifest)
    else:
        kind, listed = "env", parse_env(_content(host, f"{target}/manifest.nix", own))
    for path in listed:
        name, version = store_paths.split(path.rpartition("/")[2])
        if name in ids:
            yield Package(MANAGER, name, version, (profile, kind, own), user, placed(path, own))


def _content(host: Host, path: str, own: str) -> bytes:
    return store_paths.content(host, path, STORE, lambda path: placed(path, own))


def parse(manifest: bytes) -> list[str]:
    """The store paths that a manifest.json lists, one for each package. Raises Unseen for what is none."""
    try:
        said: Any = json.loads(manifest)
    except (ValueError, RecursionError):
        raise ObservationError("a manifest.json of a profile of Nix cannot be read") from None
    elements = said.get("elements") if isinstance(said, dict) else None
    listed = elements.values() if isinstance(elements, dict) else elements if isinstance(elements, list) else ()
    paths = [element.get("storePaths") for element in listed if isinstance(element, dict)]
    firsts = [stored[0] for stored in paths if isinstance(stored, list) and stored]
    return list(dict.fromkeys(p for p in firsts if isinstance(p, str) and store_paths.in_store(p, STORE)))


def parse_env(manifest: bytes) -> list[str]:
    """The store paths that a manifest.nix lists: in a text of Nix's a quotation mark is written with a backslash, so
    none of them stands in one.
    """
    paths = OUT_PATH.findall(manifest.decode("utf-8", "replace"))
    return list(dict.fromkeys(path for path in paths if store_paths.in_store(path, STORE)))


def owned_directories(host: Host, user: User | None) -> list[str]:
    return [f"{user.home}{place[1:]}/store" for place in OWN_STORES] if user else []


def programs(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    """By the path in the store, also of what no profile has."""
    return lambda process: name if (name := store_paths.package_of(host, process, STORE)) in ids else ""


# -- removal

DEFAULT = "/nix/var/nix/profiles/default"  # where an installation for all users has Nix itself
# The new command line has to be asked for; nothing is fetched.
ENVIRONMENT = {"NIX_CONFIG": "experimental-features = nix-command\nsubstitute = false"}


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    tools = OwnTools(host)

    def one(package: Package) -> ControlAction | str:
        profile, kind, own = package.handles
        name = "nix" if kind == "profile" else "nix-env"
        if own:
            return f"{own} is used as /nix, and Nix removes it only in its user's view of the disk"
        tool = tools.of(package, name, [f"{DEFAULT}/bin/{name}"], [f"~/.nix-profile/bin/{name}"])
        if not tool:
            return f"{name} is not installed on this host"
        command = ["profile", "remove", "--profile", profile] if kind == "profile" else ["--profile", profile, "-e"]
        gone = as_removed(package, package.path, how=kind, tool=tool, place=profile)
        still = partial(_there, host, package)
        return uninstall(host, package, [tool, *command, package.path], profile, ENVIRONMENT, gone, still)

    return removals(packages, one)


def _there(host: Host, package: Package) -> bool:
    ids = {package.id}
    found, _ = query_of(host, package.owner, ids) if package.owner else query(host, ids)
    return any(one.path == package.path and one.handles[0] == package.handles[0] for one in found)


DECLARED = (
    Declared(
        name=MANAGER,
        key="nix",
        ids=Ids(
            pattern=r"[A-Za-z0-9_][A-Za-z0-9+._?=-]{0,99}",
            meaning="a Nix package's name as its store path has it (pname), without version: letters, digits, "
            "+ . _ ? = -",
            source="Nix' checkName, src/libstore/path.cc",
            good="telegram-desktop",
            bad=("nixpkgs#x", "-x", "a/b", "../x", "a b"),
        ),
        reinstall=Reinstall(
            {
                "profile": (
                    "{tool} --extra-experimental-features nix-command profile install --profile {place} {names}"
                ),
                "env": "{tool} --profile {place} --install {names}",
            },
            name=r"/nix/store/[0-9a-z]{32}-{id}(?:-[A-Za-z0-9+._?=-]+)?",
        ),
        routes=(
            Route(
                route="nix: `nix profile`, `nix-env`",
                seen=Claim(
                    (
                        "the manifests of the host's and every user's profiles; programs that run by their "
                        "place in the store, also of `nix run` and `nix shell`"
                    ),
                    "unit/host/controls/apps/test_systems_of_stores::test_program_in_a_store_has_the_package_of_its_path",
                ),
                removed=Claim(
                    (
                        "Nix, as the owner of the profile, by the store path; it stays in the store until that "
                        "is collected"
                    ),
                    "integration/test_apps_real_own_systems::test_profiles_of_nix_without_a_daemon",
                ),
                prevented=None,
                left=(
                    "Nix asks nobody. A store below a home that stands for `/nix` (nix-user-chroot, "
                    "nix-portable) is seen and left; what home-manager installs is seen when it runs; what "
                    "nixpkgs has Electron run (Signal, Element) is seen as a package, and not as it runs"
                ),
            ),
        ),
        traces=TRACES,
        by_name=True,
    ),
)
