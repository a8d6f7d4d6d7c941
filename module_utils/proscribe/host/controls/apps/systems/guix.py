"""Packages in the profiles of Guix, each of its own user. The observation does not run Guix.

The `manifest` of a profile lists the installed packages in one expression of Scheme: `(manifest (version N) (packages
(ENTRY ...)))` with entries `("name" "version" "output" "store path" ...)` (guix/profiles.scm, manifest->gexp). It is
read to the relevant depth, in one pass.

Guix removes a package from a profile as the owner of the profile. It removes the entries of that exact name and none of
their dependencies (guix/profiles.scm, manifest-remove).
"""

from __future__ import annotations

from functools import partial
from typing import AbstractSet, Callable, Iterator, Sequence

from ....system import Host, ObservationError, Process, User
from ...base import ControlAction
from . import store_paths
from .declaration import CoverageClaim, InstallRoute, PackageIdFormat, ReinstallCommands, SystemDeclaration
from .package import Package
from .place_checks import check_each, summarise_reasons
from .uninstall_actions import PackageTools, make_uninstall_action, plan_package_removals
from .user_links import read_link

MANAGER = "guix"
TRACES = ("/gnu/store", "/var/guix")
STORE = "/gnu/store"
PROFILES = "/var/guix/profiles/per-user"
EXTRA_PROFILES = "/.guix-extra-profiles"  # below a home: <name>/<name>, as in Guix' cookbook
ENTRY_DEPTH = 4  # depth of the entries of packages


def find_packages(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return [], ""  # every profile has a user, even root's


def find_user_packages(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    def check_profiles(directory: str) -> Iterator[Package]:
        for profile, target in store_paths.list_profiles(host, directory, STORE):
            # The profile of a whole home (`guix home`) has its packages in there.
            home_profile = read_link(host, f"{target}/profile")
            profile_path = home_profile if store_paths.is_in_store(home_profile, STORE) else target
            manifest = store_paths.read_store_file(host, f"{profile_path}/manifest", STORE)
            if manifest and not manifest.lstrip().startswith(b"(manifest"):
                raise ObservationError(f"{profile_path}/manifest is no manifest of Guix")
            for name, version, _, path in parse_manifest(manifest):
                if name in ids and store_paths.is_in_store(path, STORE):
                    handles = (profile, "home" if profile_path == home_profile else "profile")
                    yield Package(MANAGER, name, version, handles, user, path)

    if not ids:
        return [], ""
    names, gaps = check_each([user.home + EXTRA_PROFILES], host.list_directory)
    if len(names) > store_paths.MAX_PROFILES:
        gaps.append(
            f"{user.home}{EXTRA_PROFILES} has more than {store_paths.MAX_PROFILES} profiles: not all were checked"
        )
    extra_profiles = [f"{user.home}{EXTRA_PROFILES}/{name}" for name in names[: store_paths.MAX_PROFILES]]
    packages, profile_gaps = check_each([f"{PROFILES}/{user.name}", *extra_profiles], check_profiles)
    return packages, summarise_reasons([*gaps, *profile_gaps])


def parse_manifest(manifest: bytes) -> list[Sequence[str]]:
    """Return the entries of the packages: name, version, output and store path of each."""
    entries: list[Sequence[str]] = []
    depth, section, entry = 0, "", [""]
    for kind, text in _split_tokens(manifest.decode("utf-8", "replace")):
        if kind == "(":
            depth += 1
            entry = [] if depth == ENTRY_DEPTH else entry
        elif kind == ")":
            if depth == ENTRY_DEPTH and section == "packages" and len(entry) >= 4:
                entries.append(tuple(entry[:4]))
            depth -= 1
        elif kind == "word" and depth == 2:
            section = section or text if text == "packages" else section
        elif kind == "text" and depth == ENTRY_DEPTH:
            entry.append(text)
    return entries


def _split_tokens(text: str) -> Iterator[tuple[str, str]]:
    """Yield parentheses, strings without their quotation marks, and words, up to the end of the expression."""
    position = 0
    while position < len(text):
        character = text[position]
        if character in "()":
            yield character, character
        elif character == '"':
            end = _find_text_end(text, position + 1)
            if end < 0:
                return
            yield "text", text[position + 1 : end]
            position = end
        elif not character.isspace():
            end = position
            while end < len(text) and end - position < 64 and not (text[end].isspace() or text[end] in '()"'):
                end += 1
            yield "word", text[position:end]
            position = end - 1
        position += 1


def _find_text_end(text: str, start: int) -> int:
    """Return the position of the quotation mark that ends a string, or -1. The string begins at `start`."""
    while (quote := text.find('"', start)) >= 0:
        text_before = text[start:quote]
        if (len(text_before) - len(text_before.rstrip("\\"))) % 2 == 0:
            return quote
        start = quote + 1
    return -1


def list_owned_directories(host: Host, user: User | None) -> list[str]:
    return []  # all packages are in the store, which has no files of users


def make_program_matcher(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    """Make the function that identifies a program by its path in the store, even if no profile has its package."""
    return lambda process: name if (name := store_paths.find_process_package(host, process, STORE)) in ids else ""


# -- removal

ROOT_GUIX_PATH = f"{PROFILES}/root/current-guix/bin/guix"


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    tools = PackageTools(host)

    def plan_package_removal(package: Package) -> ControlAction | str:
        profile, kind = package.handles
        tool = tools.find_tool(package, "guix", [ROOT_GUIX_PATH], ["~/.config/guix/current/bin/guix"])
        if kind == "home":
            return "the configuration of its user's home lists it (guix home): he takes it out there"
        if not tool:
            return "guix itself is not installed on this host"
        argv = [tool, "package", f"--profile={profile}", f"--remove={package.id}"]
        return make_uninstall_action(
            host, package, argv, profile, is_still_installed=partial(_is_installed, host, package)
        )

    return plan_package_removals(packages, plan_package_removal)


def _is_installed(host: Host, package: Package) -> bool:
    packages, _ = find_user_packages(host, package.owner, {package.id}) if package.owner else ([], "")
    return any(other_package.handles[0] == package.handles[0] for other_package in packages)


DECLARED = (
    SystemDeclaration(
        name=MANAGER,
        catalogue_key="guix",
        id_format=PackageIdFormat(
            id_pattern=r"[a-z0-9][a-z0-9+._-]{0,99}",
            meaning="a Guix package name, without version: letters, digits, + . _ -",
            source="Guix' store, as Nix' checkName",
            valid_example="telegram-desktop",
            invalid_examples=("telegram@4", "a:out", "-x", "a/b"),
        ),
        reinstall=ReinstallCommands({"": "{tool} package --profile={place} --install={name}"}),
        routes=(
            InstallRoute(
                route="guix: `guix install`, `guix home`",
                detection=CoverageClaim(
                    "the manifests of every user's profiles; programs that run by their place in the store",
                    "unit/host/controls/apps/test_systems_of_stores::test_program_in_a_store_has_the_package_of_its_path",
                ),
                removal=CoverageClaim(
                    "Guix, as the owner of the profile; refused for `guix home`, whose configuration lists it",
                    "unit/host/controls/apps/test_systems::test_tool_of_an_owner_is_called_with_these_words",
                ),
                prevention=None,
                remaining_gap="Guix asks nobody. Not run: Debian 13 has none; manifests as Guix' source writes them",
            ),
        ),
        traces=TRACES,
        has_named_directories=True,
    ),
)
