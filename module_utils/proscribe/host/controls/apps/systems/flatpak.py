"""Flatpak apps: the system's installations and every user's own, read from where flatpak deploys them."""

from __future__ import annotations

from typing import AbstractSet, Callable, Iterator, Sequence

from .....base.json_text import format_json
from .....base.patterns import compile_pattern
from .....base.tuples import NamedTuple
from ....system import Host, Process, User
from ...base import ControlAction
from ..blocks.contact import format_contact
from ..blocks.parts import BlockPart, BlockTrial
from ..blocks.polkit import make_polkit_rule
from .declaration import Claim, Declared, Ids, Reinstall, Route
from .each_place import check_each, summarise_reasons
from .flatpak_filters import RemoteFilters
from .flatpak_remotes import ANNOUNCED, SYSTEM, announced, installations
from .package import Block, Package
from .site_packages import claimed_version

MANAGER = "flatpak"
CATALOGUE_KEY = "flatpak"
DATABASE_FILES: tuple[str, ...] = ()
PERSONAL = "/.local/share/flatpak"  # below a home
# What a deployment says of itself begins with origin and commit, and has the version further on, if the app told one.
APP_VERSION = compile_pattern(rb"appdata-version\0+([^\0]+)\0")


class _App(NamedTuple):
    id: str
    path: str
    owner: User | None


def query(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return _installed(host, ids, None)


def query_of(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return _installed(host, ids, user)


def owned_directories(host: Host, user: User | None) -> Sequence[str]:
    return [user.home + PERSONAL] if user else list(installations(host).values())


def _installed(host: Host, ids: AbstractSet[str], owner: User | None) -> tuple[list[Package], str]:
    def present(place: str) -> list[_App]:
        there = ids & set(host.list_directory(f"{place}/app"))
        return [_App(id_, f"{place}/app/{id_}", owner) for id_ in sorted(there)]

    apps, unseen = check_each(owned_directories(host, owner) if ids else (), present)
    packages, more = check_each(apps, lambda app: _deployed(host, app))
    return packages, summarise_reasons(unseen + more)


def _deployed(host: Host, app: _App) -> Iterator[Package]:
    """An app's deployed branches: those with an `active` link in `<app>/<arch>/<branch>/`."""
    for arch in host.list_directory(app.path):
        if arch == "current":  # a link to the branch that is started when none is named
            continue
        for branch in host.list_directory(f"{app.path}/{arch}"):
            path = f"{app.path}/{arch}/{branch}"
            there = host.list_directory(path)
            if "active" in there:
                version = _version(host, path, there)
                yield Package(MANAGER, app.id, version, (f"app/{app.id}/{arch}/{branch}",), app.owner, path)


def _version(host: Host, path: str, there: Sequence[str]) -> str:
    """The version that a deployed app states, or the beginning of its commit; "" while there are two deployments."""
    commits = [name for name in there if len(name) == 64 and not name.strip("0123456789abcdef")]
    if len(commits) != 1:
        return ""
    said = APP_VERSION.search(host.read_file(f"{path}/{commits[0]}/deploy") or b"")
    return (claimed_version(said[1].decode("utf-8", "replace")) if said else "") or commits[0][:12]


def programs(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    """Flatpak puts a file in the root of each sandbox that says whose it is. That holds where the control group's name
    does not: without a systemd user session there is none. Apps that were removed while they ran are known by it too.
    """

    def program(process: Process) -> str:
        name = parse(host.read_file_in_root(process, ".flatpak-info").decode("utf-8", "replace"))
        return name if name in ids else ""

    return program if ids else lambda process: ""


def parse(info: str) -> str:
    """The application's id in a `.flatpak-info`; "" if there is none (flatpak-metadata(5))."""
    group = ""
    for line in info.splitlines():
        if line.startswith("["):
            group = line.strip()
        elif group == "[Application]" and line.startswith("name="):
            return line[len("name=") :].strip()
    return ""


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    from . import flatpak_removal

    return flatpak_removal.removal(host, packages)


def there(host: Host, user: User | None) -> bool:
    places = owned_directories(host, user)
    return (user is None and host.find_tool("flatpak") is not None) or any(host.find_entry(place) for place in places)


def gated(host: Host) -> bool:
    return host.find_tool("flatpak") is not None


# A bundle is a file: flatpak does not pass its content to polkit.
REFUSED = """\
(action.id == "org.freedesktop.Flatpak.app-install" && {ids}.indexOf(String(action.lookup("ref")).split("/")[1]) >= 0)
        || action.id == "org.freedesktop.Flatpak.install-bundle\""""


def block_parts(block: Block) -> tuple[BlockPart, ...]:
    """For the system's installations; a user's own asks nobody. `flatpak mask` does not stop an installation by name.

    Neither filters nor polkit get versions: an app that may come in one version passes, as in pacman.py.
    """
    refused = sorted(block.closed)
    reason = f"Restricted apps, and bundles, are not installed here; ask {format_contact(block.contact)}"
    return (
        RemoteFilters(tuple(refused)),
        make_polkit_rule("flatpak", reason, REFUSED.format(ids=format_json(refused))),
        BlockTrial("remotes to come", lambda host: (*ANNOUNCED, f"{SYSTEM}/repo/config"), _to_come),
    )


def _to_come(host: Host) -> str:
    return "; ".join(f"flatpak adds the remote of {path} by itself, without a filter" for path in announced(host))


DECLARED = (
    Declared(
        name=MANAGER,
        key=CATALOGUE_KEY,
        ids=Ids(
            pattern=r"(?=.{5,255}\Z)[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+\.[A-Za-z_][A-Za-z0-9_-]*",
            meaning="a flatpak application id such as org.example.App, without branch or architecture",
            source="flatpak_is_valid_name, common/flatpak-utils-base.c",
            good="org.telegram.desktop",
            bad=("telegram", "org.telegram.desktop//stable"),
        ),
        reinstall=Reinstall(
            {"": "flatpak install --assumeyes {where} {source} {names}"},
            name=r"app/{id}/[A-Za-z0-9_]+/[A-Za-z0-9._-]+",
        ),
        routes=(
            Route(
                route="flatpaks of the system, and of further installations",
                seen=Claim(
                    "where flatpak deploys them",
                    "integration/test_apps_real_flatpak::test_an_app_of_another_installation_is_seen_and_removed_there",
                ),
                removed=Claim(
                    "flatpak",
                    "integration/test_apps_real_flatpak::test_an_app_of_another_installation_is_seen_and_removed_there",
                ),
                prevented=Claim(
                    "a filter on each remote; polkit for users",
                    "integration/test_apps_real_flatpak::test_the_gate_refuses_from_every_remote_and_what_it_cannot_refuse_is_seen",
                ),
                left="a bundle or a new remote that root adds: seen by the next run",
            ),
            Route(
                route="flatpaks of a user's own",
                seen=Claim(
                    "every home",
                    "integration/test_apps_real_flatpak::test_an_app_of_the_system_and_of_every_user_is_seen_ended_and_removed",
                ),
                removed=Claim(
                    "flatpak, as that user",
                    "integration/test_apps_real_flatpak::test_an_app_of_the_system_and_of_every_user_is_seen_ended_and_removed",
                ),
                prevented=None,
                left=(
                    "flatpak asks nobody there: the next run removes it. Not found where FLATPAK_USER_DIR "
                    "points elsewhere"
                ),
            ),
        ),
        of_the_host=True,
        guarded=False,
    ),
)
