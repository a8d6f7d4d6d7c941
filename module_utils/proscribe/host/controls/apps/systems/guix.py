"""Packages in the profiles of Guix, each user's own. Guix is not asked.

A profile's `manifest` says what was installed: one expression of Scheme, `(manifest (version N) (packages (ENTRY
...)))` with entries `("name" "version" "output" "store path" ...)` (guix/profiles.scm, manifest->gexp). It is read up
to the depth that matters, in one pass.

Guix removes a package from a profile, as the owner of the profile: it takes out the entries of that very name and
nothing that they need (guix/profiles.scm, manifest-remove).
"""

from __future__ import annotations

from functools import partial
from typing import AbstractSet, Callable, Iterator, Sequence

from ....system import Host, ObservationError, Process, User
from ...base import ControlAction
from . import store_paths
from .as_owner import OwnTools, removals, uninstall
from .declaration import Claim, Declared, Ids, Reinstall, Route
from .each_place import check_each, summarise_reasons
from .package import Package
from .user_links import link

MANAGER = "guix"
TRACES = ("/gnu/store", "/var/guix")
STORE = "/gnu/store"
PROFILES = "/var/guix/profiles/per-user"
EXTRA = "/.guix-extra-profiles"  # below a home: <name>/<name>, as Guix' cookbook has it
ENTRY = 4  # how deep an entry of the packages lies


def query(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return [], ""  # every profile is somebody's; root's too


def query_of(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    def check(directory: str) -> Iterator[Package]:
        for profile, target in store_paths.profiles(host, directory, STORE):
            inner = link(host, f"{target}/profile")  # the whole of a home (`guix home`) has its packages in there
            where = inner if store_paths.in_store(inner, STORE) else target
            manifest = store_paths.content(host, f"{where}/manifest", STORE)
            if manifest and not manifest.lstrip().startswith(b"(manifest"):
                raise ObservationError(f"{where}/manifest is no manifest of Guix")
            for name, version, _, path in parse(manifest):
                if name in ids and store_paths.in_store(path, STORE):
                    handles = (profile, "home" if where == inner else "profile")
                    yield Package(MANAGER, name, version, handles, user, path)

    if not ids:
        return [], ""
    names, unseen = check_each([user.home + EXTRA], host.list_directory)
    if len(names) > store_paths.MOST_PROFILES:
        unseen.append(f"{user.home}{EXTRA} has more than {store_paths.MOST_PROFILES} profiles: not all were checked")
    extra = [f"{user.home}{EXTRA}/{name}" for name in names[: store_paths.MOST_PROFILES]]
    found, blind = check_each([f"{PROFILES}/{user.name}", *extra], check)
    return found, summarise_reasons([*unseen, *blind])


def parse(manifest: bytes) -> list[Sequence[str]]:
    """The entries of the packages: name, version, output and store path of each."""
    found: list[Sequence[str]] = []
    depth, section, entry = 0, "", [""]
    for kind, text in _tokens(manifest.decode("utf-8", "replace")):
        if kind == "(":
            depth += 1
            entry = [] if depth == ENTRY else entry
        elif kind == ")":
            if depth == ENTRY and section == "packages" and len(entry) >= 4:
                found.append(tuple(entry[:4]))
            depth -= 1
        elif kind == "word" and depth == 2:
            section = section or text if text == "packages" else section
        elif kind == "text" and depth == ENTRY:
            entry.append(text)
    return found


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Parentheses, texts without their quotation marks, and words, up to what is no expression."""
    at = 0
    while at < len(text):
        character = text[at]
        if character in "()":
            yield character, character
        elif character == '"':
            end = _end(text, at + 1)
            if end < 0:
                return
            yield "text", text[at + 1 : end]
            at = end
        elif not character.isspace():
            end = at
            while end < len(text) and end - at < 64 and not (text[end].isspace() or text[end] in '()"'):
                end += 1
            yield "word", text[at:end]
            at = end - 1
        at += 1


def _end(text: str, start: int) -> int:
    """Where the text that begins at `start` has its closing quotation mark; -1 if it has none."""
    while (quote := text.find('"', start)) >= 0:
        before = text[start:quote]
        if (len(before) - len(before.rstrip("\\"))) % 2 == 0:
            return quote
        start = quote + 1
    return -1


def owned_directories(host: Host, user: User | None) -> list[str]:
    return []  # all of it lies in the store, which is no place of users' files


def programs(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    """By the path in the store, also of what no profile has."""
    return lambda process: name if (name := store_paths.package_of(host, process, STORE)) in ids else ""


# -- removal

ROOTS_OWN = f"{PROFILES}/root/current-guix/bin/guix"


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    tools = OwnTools(host)

    def one(package: Package) -> ControlAction | str:
        profile, kind = package.handles
        tool = tools.of(package, "guix", [ROOTS_OWN], ["~/.config/guix/current/bin/guix"])
        if kind == "home":
            return "the configuration of its user's home lists it (guix home): he takes it out there"
        if not tool:
            return "guix itself is not installed on this host"
        argv = [tool, "package", f"--profile={profile}", f"--remove={package.id}"]
        return uninstall(host, package, argv, profile, still=partial(_there, host, package))

    return removals(packages, one)


def _there(host: Host, package: Package) -> bool:
    found, _ = query_of(host, package.owner, {package.id}) if package.owner else ([], "")
    return any(one.handles[0] == package.handles[0] for one in found)


DECLARED = (
    Declared(
        name=MANAGER,
        key="guix",
        ids=Ids(
            pattern=r"[a-z0-9][a-z0-9+._-]{0,99}",
            meaning="a Guix package name, without version: letters, digits, + . _ -",
            source="Guix' store, as Nix' checkName",
            good="telegram-desktop",
            bad=("telegram@4", "a:out", "-x", "a/b"),
        ),
        reinstall=Reinstall({"": "{tool} package --profile={place} --install={name}"}),
        routes=(
            Route(
                route="guix: `guix install`, `guix home`",
                seen=Claim(
                    "the manifests of every user's profiles; programs that run by their place in the store",
                    "unit/host/controls/apps/test_systems_of_stores::test_program_in_a_store_has_the_package_of_its_path",
                ),
                removed=Claim(
                    "Guix, as the owner of the profile; refused for `guix home`, whose configuration lists it",
                    "unit/host/controls/apps/test_systems::test_tool_of_an_owner_is_called_with_these_words",
                ),
                prevented=None,
                left="Guix asks nobody. Not run: Debian 13 has none; manifests as Guix' source writes them",
            ),
        ),
        traces=TRACES,
        by_name=True,
    ),
)
