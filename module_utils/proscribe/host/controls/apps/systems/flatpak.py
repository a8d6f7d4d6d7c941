"""Flatpak apps in the host's installations and in each user's installation.

The observation reads flatpak's directories.
"""

from __future__ import annotations

from typing import AbstractSet, Callable, Iterator, Sequence

from .....base.json_text import format_json
from .....base.lazy_patterns import compile_pattern
from .....base.named_tuple import NamedTuple
from ....system import Host, Process, User
from ...base import ControlAction
from ..blocks.parts import BlockPart, BlockTrial
from ..blocks.polkit import make_polkit_rule
from ..blocks.refusal_text import format_contact
from .declaration import CoverageClaim, InstallRoute, PackageIdFormat, ReinstallCommands, SystemDeclaration
from .flatpak_filters import RemoteFilters
from .flatpak_remotes import ANNOUNCED_REMOTES, SYSTEM_DIRECTORY, list_announced_remotes, list_installations
from .package import InstallBlock, Package
from .place_checks import check_each, summarise_reasons
from .site_packages import accept_claimed_version

MANAGER = "flatpak"
CATALOGUE_KEY = "flatpak"
DATABASE_FILES: tuple[str, ...] = ()
PERSONAL_INSTALLATION = "/.local/share/flatpak"  # below a home
# The file `deploy` of a deployment begins with origin and commit. The app's version follows later, if the app states a
# version.
APP_VERSION_PATTERN = compile_pattern(rb"appdata-version\0+([^\0]+)\0")


class _FlatpakApp(NamedTuple):
    """App that flatpak has installed: its id, its directory, and its owner (None is the whole host)."""

    id: str
    path: str
    owner: User | None


def find_packages(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return _find_installed(host, ids, None)


def find_user_packages(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return _find_installed(host, ids, user)


def list_owned_directories(host: Host, user: User | None) -> Sequence[str]:
    """Return the directories of the installations of `user`, or of the host if `user` is None."""
    return [user.home + PERSONAL_INSTALLATION] if user else list(list_installations(host).values())


def _find_installed(host: Host, ids: AbstractSet[str], owner: User | None) -> tuple[list[Package], str]:
    """Return the packages among `ids` in the installations of `owner`, and why some are unknown.

    If `owner` is None, the installations are the host's. A branch is a variant of an app, such as `stable`. Each
    branch that is deployed (unpacked, ready to run) is a package. The reason is "" if all could be checked.
    """

    def list_apps(place: str) -> list[_FlatpakApp]:
        present_ids = ids & set(host.list_directory(f"{place}/app"))
        return [_FlatpakApp(id_, f"{place}/app/{id_}", owner) for id_ in sorted(present_ids)]

    apps, gaps = check_each(list_owned_directories(host, owner) if ids else (), list_apps)
    packages, app_gaps = check_each(apps, lambda app: _list_deployed_branches(host, app))
    return packages, summarise_reasons(gaps + app_gaps)


def _list_deployed_branches(host: Host, app: _FlatpakApp) -> Iterator[Package]:
    """Yield a package for each deployed branch (variant, such as `stable`) of an app.

    A deployed branch is a directory `<app>/<arch>/<branch>/` with a link `active`.
    """
    for arch in host.list_directory(app.path):
        if arch == "current":  # a link to the branch that starts by default
            continue
        for branch in host.list_directory(f"{app.path}/{arch}"):
            path = f"{app.path}/{arch}/{branch}"
            branch_entries = host.list_directory(path)
            if "active" in branch_entries:
                version = _read_version(host, path, branch_entries)
                yield Package(MANAGER, app.id, version, (f"app/{app.id}/{arch}/{branch}",), app.owner, path)


def _read_version(host: Host, path: str, branch_entries: Sequence[str]) -> str:
    """Return the version of a deployed branch (variant of an app), or "" if it is unknown.

    `path` is the directory of the branch, with the names `branch_entries`. If the app states no version, return the
    first 12 digits of the commit, flatpak's checksum of the content. During an update, the directory has two commits;
    then the version is unknown.
    """
    commits = [name for name in branch_entries if len(name) == 64 and not name.strip("0123456789abcdef")]
    if len(commits) != 1:
        return ""
    match = APP_VERSION_PATTERN.search(host.read_file(f"{path}/{commits[0]}/deploy") or b"")
    return (accept_claimed_version(match[1].decode("utf-8", "replace")) if match else "") or commits[0][:12]


def make_program_matcher(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    """Make the function that returns the restricted app of a running program, or "".

    Flatpak writes a file with the app's id (.flatpak-info) into the root of each sandbox. The name of the control group
    also has the id, but only with a systemd user session. The file also identifies an app that still runs after its
    removal.
    """

    def find_app(process: Process) -> str:
        name = parse_app_id(host.read_file_in_root(process, ".flatpak-info").decode("utf-8", "replace"))
        return name if name in ids else ""

    return find_app if ids else lambda process: ""


def parse_app_id(info: str) -> str:
    """Return the app's id from the text of a .flatpak-info, or "" (flatpak-metadata(5))."""
    group = ""
    for line in info.splitlines():
        if line.startswith("["):
            group = line.strip()
        elif group == "[Application]" and line.startswith("name="):
            return line[len("name=") :].strip()
    return ""


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    from . import flatpak_removal

    return flatpak_removal.plan_removal(host, packages)


def is_present(host: Host, user: User | None) -> bool:
    places = list_owned_directories(host, user)
    return (user is None and host.find_tool("flatpak") is not None) or any(host.find_entry(place) for place in places)


def is_block_applicable(host: Host) -> bool:
    return host.find_tool("flatpak") is not None


# Bundles (app files) are all refused: flatpak does not tell polkit which app a bundle contains.
REFUSAL_CONDITION = """\
(action.id == "org.freedesktop.Flatpak.app-install" && {ids}.indexOf(String(action.lookup("ref")).split("/")[1]) >= 0)
        || action.id == "org.freedesktop.Flatpak.install-bundle\""""


def make_block_parts(block: InstallBlock) -> tuple[BlockPart, ...]:
    """Return the parts of the install block: filters on remotes (repositories of apps), a polkit rule and a trial.

    They protect only the host's installations. Flatpak checks no policy when a user installs into the user's
    installation, so nothing can block that. `flatpak mask` is not used, because it does not stop an installation by
    name. Neither filters nor polkit know the version of an app. So if a waiver permits one version, every version
    passes.
    """
    refused_ids = sorted(block.closed_ids)
    reason = f"Restricted apps, and bundles, are not installed here; ask {format_contact(block.contact)}"
    return (
        RemoteFilters(tuple(refused_ids)),
        make_polkit_rule("flatpak", reason, REFUSAL_CONDITION.format(ids=format_json(refused_ids))),
        BlockTrial(
            "remotes to come",
            lambda host: (*ANNOUNCED_REMOTES, f"{SYSTEM_DIRECTORY}/repo/config"),
            _find_announced_remotes,
        ),
    )


def _find_announced_remotes(host: Host) -> str:
    """Report each remote (repository) that flatpak will add by itself without Proscribe's filter, or return ""."""
    return "; ".join(
        f"flatpak adds the remote of {path} by itself, without a filter" for path in list_announced_remotes(host)
    )


DECLARED = (
    SystemDeclaration(
        name=MANAGER,
        catalogue_key=CATALOGUE_KEY,
        id_format=PackageIdFormat(
            id_pattern=r"(?=.{5,255}\Z)[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+\.[A-Za-z_][A-Za-z0-9_-]*",
            meaning="a flatpak application id such as org.example.App, without branch or architecture",
            source="flatpak_is_valid_name, common/flatpak-utils-base.c",
            valid_example="org.telegram.desktop",
            invalid_examples=("telegram", "org.telegram.desktop//stable"),
        ),
        reinstall=ReinstallCommands(
            {"": "flatpak install --assumeyes {where} {source} {names}"},
            name_pattern=r"app/{id}/[A-Za-z0-9_]+/[A-Za-z0-9._-]+",
        ),
        routes=(
            InstallRoute(
                route="flatpaks of the system, and of further installations",
                detection=CoverageClaim(
                    "where flatpak deploys them",
                    "integration/test_apps_real_flatpak::test_an_app_of_another_installation_is_seen_and_removed_there",
                ),
                removal=CoverageClaim(
                    "flatpak",
                    "integration/test_apps_real_flatpak::test_an_app_of_another_installation_is_seen_and_removed_there",
                ),
                prevention=CoverageClaim(
                    "a filter on each remote; polkit for users",
                    "integration/test_apps_real_flatpak::test_the_gate_refuses_from_every_remote_and_what_it_cannot_refuse_is_seen",
                ),
                remaining_gap="a bundle or a new remote that root adds: seen by the next run",
            ),
            InstallRoute(
                route="flatpaks of a user's own",
                detection=CoverageClaim(
                    "every home",
                    "integration/test_apps_real_flatpak::test_an_app_of_the_system_and_of_every_user_is_seen_ended_and_removed",
                ),
                removal=CoverageClaim(
                    "flatpak, as that user",
                    "integration/test_apps_real_flatpak::test_an_app_of_the_system_and_of_every_user_is_seen_ended_and_removed",
                ),
                prevention=None,
                remaining_gap=(
                    "flatpak asks nobody there: the next run removes it. Not found where FLATPAK_USER_DIR "
                    "points elsewhere"
                ),
            ),
        ),
        is_host_wide=True,
        is_guarded=False,
    ),
)
