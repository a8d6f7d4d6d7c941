"""Packages in the profiles of Nix, of the host and of each user. The observation does not run Nix.

Nix puts each package into its own directory in the store, /nix/store. A profile is a set of packages that somebody
installed, with links into the store. The manifest of a profile lists the installed packages. `nix profile` writes
`manifest.json`, in one of three versions, and `nix-env` writes `manifest.nix` (Nix manual, "Profiles"). `nix run` and
`nix shell` run packages without installing them. Such a package is found only while it runs: the path of its program in
the store has the package's name.

Nix removes a package from a profile as the owner of the profile. Proscribe gives `nix profile` and `nix-env` the store
path of the package, which is exact. A name would be a pattern for `nix-env`, and was a pattern for `nix profile` before
2.20. A removed package stays in the store until garbage collection.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import AbstractSet, Any, Callable, Iterator, Sequence

from ....system import Host, ObservationError, Process, User
from ...base import ControlAction
from . import store_paths
from .declaration import CoverageClaim, InstallRoute, PackageIdFormat, ReinstallCommands, SystemDeclaration
from .package import Package
from .place_checks import check_each, summarise_reasons
from .removed_record import make_removed_record
from .uninstall_actions import PackageTools, make_uninstall_action, plan_package_removals
from .user_links import read_link

MANAGER = "nix"
PERSONAL_PROFILES = "~/.local/state/nix/profiles"
# Directories that replace /nix where /nix does not exist. They belong to Nix (nix help-stores), nix-user-chroot and
# nix-portable.
PERSONAL_STORES = ("~/.local/share/nix/root/nix", "~/.nix", "~/.nix-portable/nix")
TRACES = ("/nix", "~/.nix-profile", PERSONAL_PROFILES, *PERSONAL_STORES)
STORE = "/nix/store"
PROFILES = "/nix/var/nix/profiles"
# the store path of a package in a manifest.nix
OUT_PATH_PATTERN = re.compile(r'\boutPath = "(/nix/store/[^"\\\s]{34,250})"')


def find_packages(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    places = (PROFILES, f"{PROFILES}/per-user/root")
    return _find_in_profiles(host, None, ids, places if ids else ())


def find_user_packages(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    places = [user.home + PERSONAL_PROFILES[1:]] + ([f"{PROFILES}/per-user/{user.name}"] if user.uid else [])
    return _find_in_profiles(host, user, ids, places if ids else ())


def _find_in_profiles(
    host: Host, user: User | None, ids: AbstractSet[str], directories: Sequence[str]
) -> tuple[list[Package], str]:
    """Return the packages among `ids` in the profiles of `user` (None is the host), and why some are unknown.

    `directories` are the directories with profiles. A profile may lead into /nix/store, or into a store of the user
    that replaces it. The reason is "" if all could be checked.
    """
    profiles, gaps = check_each(directories, lambda directory: store_paths.list_profiles(host, directory, STORE))
    if user and directories:
        other_profiles, profile_gaps = check_each(
            [f"{user.home}/.nix-profile"], lambda path: _find_other_profile(host, user, path)
        )
        profiles, gaps = profiles + other_profiles, gaps + profile_gaps

    def check_profile(profile: tuple[str, str]) -> Iterator[Package]:
        """Yield the packages of a profile, which is (path, store path), from the first store that has it."""
        path, target = profile
        for own_store in ("", *(user.home + place[1:] for place in PERSONAL_STORES)) if user else ("",):
            if host.find_entry(locate_store_path(target, own_store)) is not None:
                yield from _find_installed(host, user, ids, path, target, own_store)
                return
        raise ObservationError(f"{path} leads into a store of Nix that is nowhere here")

    packages, profile_gaps = check_each(dict.fromkeys(profiles), check_profile)
    return packages, summarise_reasons([*gaps, *profile_gaps])


def locate_store_path(path: str, own_store: str) -> str:
    """Return where a file with the store path `path` (/nix/store/...) really is on this host.

    `own_store` is the directory of a user that replaces /nix, or "" if nothing replaces it.
    """
    return own_store + path[len("/nix") :] if own_store else path


def _find_other_profile(host: Host, user: User, path: str) -> Iterator[tuple[str, str]]:
    """Yield (profile, its store path) for the profile to which the link ~/.nix-profile (`path`) of a user leads.

    Yield nothing if the profile is not below the user's home.
    """
    link_target = read_link(host, path)
    if link_target.startswith(user.home + "/") and "/../" not in link_target and link_target.isprintable():
        target = store_paths.read_profile_target(host, link_target, STORE)
        if target:
            yield link_target, target


def _find_installed(
    host: Host, user: User | None, ids: AbstractSet[str], profile: str, target: str, own_store: str
) -> Iterator[Package]:
    """Yield the packages among `ids` that the manifest of `profile` lists.

    `target` is the profile's store path. `own_store` is the directory of `user` that replaces /nix, or "". The handles
    of a package are the profile, the kind of the profile, and `own_store`. The kind is "profile" if `nix profile`
    manages it, and "env" if `nix-env` does.
    """
    kind, manifest = "profile", _read_store_file(host, f"{target}/manifest.json", own_store)
    if manifest:
        package_paths = parse_manifest(manifest)
    else:
        kind, package_paths = "env", parse_env_manifest(_read_store_file(host, f"{target}/manifest.nix", own_store))
    for path in package_paths:
        name, version = store_paths.split_store_name(path.rpartition("/")[2])
        if name in ids:
            yield Package(MANAGER, name, version, (profile, kind, own_store), user, locate_store_path(path, own_store))


def _read_store_file(host: Host, path: str, own_store: str) -> bytes:
    """Return the content of a file in the store, or b"" if it is missing.

    `own_store` is the directory of a user that replaces /nix, or "".
    """
    return store_paths.read_store_file(host, path, STORE, lambda path: locate_store_path(path, own_store))


def parse_manifest(manifest: bytes) -> list[str]:
    """Return the first store path of each package in a manifest.json of a profile.

    Invalid parts are left out. Raises ObservationError if the JSON is invalid.
    """
    try:
        document: Any = json.loads(manifest)
    except (ValueError, RecursionError):
        raise ObservationError("a manifest.json of a profile of Nix cannot be read") from None
    elements = document.get("elements") if isinstance(document, dict) else None
    entries = elements.values() if isinstance(elements, dict) else elements if isinstance(elements, list) else ()
    paths = [element.get("storePaths") for element in entries if isinstance(element, dict)]
    first_paths = [element_paths[0] for element_paths in paths if isinstance(element_paths, list) and element_paths]
    return list(
        dict.fromkeys(path for path in first_paths if isinstance(path, str) and store_paths.is_in_store(path, STORE))
    )


def parse_env_manifest(manifest: bytes) -> list[str]:
    """Return the store paths of the packages in a manifest.nix of a profile.

    A regular expression is enough, without a parser of the Nix language. Inside a string, Nix escapes quotation marks
    with a backslash. So a string that only imitates a line with a store path does not match.
    """
    paths = OUT_PATH_PATTERN.findall(manifest.decode("utf-8", "replace"))
    return list(dict.fromkeys(path for path in paths if store_paths.is_in_store(path, STORE)))


def list_owned_directories(host: Host, user: User | None) -> list[str]:
    """Return the stores below a user's home.

    The host's store is not in the region of the file scan.
    """
    return [f"{user.home}{place[1:]}/store" for place in PERSONAL_STORES] if user else []


def make_program_matcher(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    """Make the function that returns the restricted package of a running program, or "".

    The program's path in the store has the name of the package. So the function also finds packages that no profile
    lists.
    """
    return lambda process: name if (name := store_paths.find_process_package(host, process, STORE)) in ids else ""


# -- removal

DEFAULT_PROFILE = "/nix/var/nix/profiles/default"  # if Nix is installed for all users, this profile contains Nix itself
# The command `nix` must be enabled as an experimental feature. Without substitutes Nix downloads nothing.
NIX_ENVIRONMENT = {"NIX_CONFIG": "experimental-features = nix-command\nsubstitute = false"}


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """Return the actions that remove packages from profiles, and the packages that stay, each with the reason.

    Packages in a user's store that replaces /nix stay: Nix can remove them only where the user sees that store as /nix.
    """
    tools = PackageTools(host)

    def plan_package_removal(package: Package) -> ControlAction | str:
        """Return the action that removes a package from its profile, or the reason why it stays."""
        profile, kind, own_store = package.handles
        name = "nix" if kind == "profile" else "nix-env"
        if own_store:
            return f"{own_store} is used as /nix, and Nix removes it only in its user's view of the disk"
        tool = tools.find_tool(package, name, [f"{DEFAULT_PROFILE}/bin/{name}"], [f"~/.nix-profile/bin/{name}"])
        if not tool:
            return f"{name} is not installed on this host"
        command = ["profile", "remove", "--profile", profile] if kind == "profile" else ["--profile", profile, "-e"]
        removed_record = make_removed_record(package, package.path, how=kind, tool=tool, place=profile)
        is_still_installed = partial(_is_installed, host, package)
        return make_uninstall_action(
            host, package, [tool, *command, package.path], profile, NIX_ENVIRONMENT, removed_record, is_still_installed
        )

    return plan_package_removals(packages, plan_package_removal)


def _is_installed(host: Host, package: Package) -> bool:
    """Return whether the profile from which a package is to be removed still lists the package."""
    ids = {package.id}
    packages, _ = find_user_packages(host, package.owner, ids) if package.owner else find_packages(host, ids)
    return any(
        other_package.path == package.path and other_package.handles[0] == package.handles[0]
        for other_package in packages
    )


DECLARED = (
    SystemDeclaration(
        name=MANAGER,
        catalogue_key="nix",
        id_format=PackageIdFormat(
            id_pattern=r"[A-Za-z0-9_][A-Za-z0-9+._?=-]{0,99}",
            meaning="a Nix package's name as its store path has it (pname), without version: letters, digits, "
            "+ . _ ? = -",
            source="Nix' checkName, src/libstore/path.cc",
            valid_example="telegram-desktop",
            invalid_examples=("nixpkgs#x", "-x", "a/b", "../x", "a b"),
        ),
        reinstall=ReinstallCommands(
            {
                "profile": (
                    "{tool} --extra-experimental-features nix-command profile install --profile {place} {names}"
                ),
                "env": "{tool} --profile {place} --install {names}",
            },
            name_pattern=r"/nix/store/[0-9a-z]{32}-{id}(?:-[A-Za-z0-9+._?=-]+)?",
        ),
        routes=(
            InstallRoute(
                route="nix: `nix profile`, `nix-env`",
                detection=CoverageClaim(
                    (
                        "the manifests of the host's and every user's profiles; programs that run by their "
                        "place in the store, also of `nix run` and `nix shell`"
                    ),
                    "unit/host/controls/apps/test_systems_of_stores::test_program_in_a_store_has_the_package_of_its_path",
                ),
                removal=CoverageClaim(
                    (
                        "Nix, as the owner of the profile, by the store path; it stays in the store until that "
                        "is collected"
                    ),
                    "integration/test_apps_real_own_systems::test_profiles_of_nix_without_a_daemon",
                ),
                prevention=None,
                remaining_gap=(
                    "Nix asks nobody. A store below a home that stands for `/nix` (nix-user-chroot, "
                    "nix-portable) is seen and left; what home-manager installs is seen when it runs; what "
                    "nixpkgs has Electron run (Signal, Element) is seen as a package, and not as it runs"
                ),
            ),
        ),
        traces=TRACES,
        has_named_directories=True,
    ),
)
