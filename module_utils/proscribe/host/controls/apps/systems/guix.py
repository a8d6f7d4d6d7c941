"""Packages in the profiles of Guix. Each profile belongs to a user. The observation does not run Guix.

The file `manifest` of a profile lists the installed packages in one Scheme expression: `(manifest (version N) (packages
(ENTRY ...)))`. An entry is `("name" "version" "output" "store path" ...)` (guix/profiles.scm, manifest->gexp). The
parser reads the expression once, and skips all that is nested more deeply than an entry.

Proscribe removes no package, because a removal could never be tried: Guix builds a new profile, and without a network
this build fails (Guix 1.5.0 of Debian sid). So a package is reported, with the command of its user.
"""

from __future__ import annotations

from typing import AbstractSet, Callable, Iterator, Sequence

from ....system import Host, ObservationError, Process, User
from ...base import ControlAction
from . import store_paths
from .declaration import CoverageClaim, InstallRoute, PackageIdFormat, SystemDeclaration
from .package import Package
from .place_checks import check_each, summarise_reasons
from .user_links import read_link

MANAGER = "guix"
TRACES = ("/gnu/store", "/var/guix")
STORE = "/gnu/store"
PROFILES = "/var/guix/profiles/per-user"
EXTRA_PROFILES = "/.guix-extra-profiles"  # below a home; a profile is in <name>/<name>, as in Guix' cookbook
ENTRY_DEPTH = 4  # number of open parentheses inside the entry of a package


def find_packages(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return [], ""  # each profile belongs to a user: find_user_packages also finds root's profiles


def find_user_packages(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    """Return the packages among `ids` in a user's profiles, and why some are unknown.

    The reason is "" if all could be checked. The handles of a package are its profile and the word "home" or "profile".
    "home" means that `guix home` installed the package.
    """

    def check_profiles(directory: str) -> Iterator[Package]:
        for profile, target in store_paths.list_profiles(host, directory, STORE):
            # A profile of `guix home` has no packages itself. It has a link `profile` to the profile with the packages.
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
    """Return the entries of the packages in a manifest: name, version, output and store path of each."""
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
    """Yield the tokens of a Scheme expression, each after its kind.

    The kind is "text" for a string, "word", or the parenthesis itself. A string is without its quotation marks. A long
    word comes in pieces of 64 characters. A string without an end ends the tokens.
    """
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
    """Return the position of the quotation mark that ends a string, or -1.

    `start` is the string's first character. A quotation mark after an odd number of backslashes belongs to the string.
    """
    while (quote := text.find('"', start)) >= 0:
        text_before = text[start:quote]
        if (len(text_before) - len(text_before.rstrip("\\"))) % 2 == 0:
            return quote
        start = quote + 1
    return -1


def list_owned_directories(host: Host, user: User | None) -> list[str]:
    return []  # all packages are in the store, from which the file scan removes nothing


def make_program_matcher(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    """Make the function that returns the restricted package of a running program, or "".

    The program's path in the store has the name of the package. So the function also finds packages that no profile
    lists.
    """
    return lambda process: name if (name := store_paths.find_process_package(host, process, STORE)) in ids else ""


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """Return no action, and each package with the reason: its user removes it."""
    return [], [(package, _explain_refusal(package)) for package in packages]


def _explain_refusal(package: Package) -> str:
    import shlex  # only an enforcing run needs this import

    profile, kind = package.handles
    if kind == "home":
        return "the configuration of its user's home lists it (guix home): he takes it out there"
    command = shlex.join(["guix", "package", f"--profile={profile}", f"--remove={package.id}"])
    return f"Proscribe removes no package of Guix: its user runs `{command}`"


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
        reinstall=None,
        routes=(
            InstallRoute(
                route="guix: `guix install`, `guix home`",
                detection=CoverageClaim(
                    "the manifests of every user's profiles; programs that run by their place in the store",
                    "unit/host/controls/apps/test_systems_of_stores::test_program_in_a_store_has_the_package_of_its_path",
                ),
                removal=None,
                prevention=None,
                remaining_gap=(
                    "Guix asks nobody. An enforcing run names the command that removes it. Without a network Guix "
                    "makes no profile (1.5.0 of Debian sid): manifests as its source writes them"
                ),
            ),
        ),
        traces=TRACES,
        has_named_directories=True,
    ),
)
