"""Formulae and casks that Homebrew installed on Linux.

Formulae and casks are Homebrew's two kinds of packages. Each package has a directory, with a directory for each
installed version. Homebrew is in /home/linuxbrew/.linuxbrew or below a home; this directory is called its prefix. The
installation belongs to the user who installed Homebrew ("Homebrew on Linux" in its manual). The observation does not
run Homebrew.

Homebrew does not run for root, so the removal runs Homebrew as its owner. Homebrew refuses to remove a package that
another formula needs. It leaves the dependencies of a removed formula installed.
"""

from __future__ import annotations

from typing import AbstractSet, Callable, Iterator, Sequence

from ....system import Host, Process, User
from ...base import ControlAction
from .declaration import CoverageClaim, InstallRoute, PackageIdFormat, ReinstallCommands, SystemDeclaration
from .package import Package
from .place_checks import check_each, summarise_reasons
from .site_packages import accept_claimed_version
from .uninstall_actions import PackageTools, make_uninstall_action, plan_package_removals

TRACES = ("/home/linuxbrew/.linuxbrew", "~/.linuxbrew", "~/homebrew")
COMMON_PREFIX, *PERSONAL_PREFIXES = TRACES
PACKAGE_DIRECTORIES = {"brew": "Cellar", "brew_cask": "Caskroom"}


class BrewPackages:
    """Package system (package.PackageSystem) for one of Homebrew's kinds of packages: formulae or casks."""

    def __init__(self, manager: str) -> None:
        self.manager = manager

    def find_packages(self, host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
        return self._find_in_prefixes(host, None, ids, _list_prefixes(host, None) if ids else [])

    def find_user_packages(self, host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
        return self._find_in_prefixes(host, user, ids, _list_prefixes(host, user) if ids else [])

    def _find_in_prefixes(
        self, host: Host, user: User | None, ids: AbstractSet[str], prefixes: Sequence[str]
    ) -> tuple[list[Package], str]:
        """Return the packages among `ids` below Homebrew's directories `prefixes`, and why some are unknown.

        `user` is the owner of the packages; None is the whole host. The reason is "" if all could be checked. A package
        without a version directory is not installed. The handle of a package is Homebrew's directory.
        """

        def check_prefix(prefix: str) -> Iterator[Package]:
            """Yield the packages among `ids` that are installed below one of Homebrew's directories."""
            package_directory = f"{prefix}/{PACKAGE_DIRECTORIES[self.manager]}"
            for name in [name for name in host.list_directory(package_directory) if name in ids]:
                versions = [
                    version
                    for version in host.list_directory(f"{package_directory}/{name}")
                    if not version.startswith(".")
                ]
                if versions:
                    version = accept_claimed_version(versions[-1])
                    yield Package(self.manager, name, version, (prefix,), user, f"{package_directory}/{name}")

        packages, gaps = check_each(prefixes, check_prefix)
        return packages, summarise_reasons(gaps)

    def list_owned_directories(self, host: Host, user: User | None) -> list[str]:
        return [f"{prefix}/{PACKAGE_DIRECTORIES[self.manager]}" for prefix in _list_prefixes(host, user)]

    def make_program_matcher(
        self, host: Host, ids: AbstractSet[str], packages: Sequence[Package]
    ) -> Callable[[Process], str]:
        """Make the function that returns the restricted package of a running program, or "".

        A program belongs to a package if its file is in the package's directory. A user's package identifies only
        programs that this user runs.
        """

        def find_package(process: Process) -> str:
            for package in packages:
                if process.exe.startswith(package.path + "/") and host.has_host_root(process):
                    return (
                        package.id
                        if package.owner is None or host.find_process_uid(process) == package.owner.uid
                        else ""
                    )
            return ""

        return find_package

    def plan_removal(
        self, host: Host, packages: Sequence[Package]
    ) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
        return plan_removal(host, packages)


def _list_prefixes(host: Host, user: User | None) -> list[str]:
    """Return the directories of Homebrew that belong to `user`, or to root if `user` is None.

    They need not exist. The common directory /home/linuxbrew/.linuxbrew counts for the account that owns it. If several
    accounts have the owner's uid, it counts for the first account alone, so that no package is reported twice.
    """
    statuses = check_each([COMMON_PREFIX], lambda path: [status] if (status := host.find_entry(path)) else [])[0]
    uid = statuses[0].st_uid if statuses else -1
    homes = [user.home for user in host.list_users() if user.uid == uid]
    has_common_prefix = user is None and uid == 0 or user is not None and uid > 0 and homes[:1] == [user.home]
    personal_prefixes = [user.home + place[1:] for place in PERSONAL_PREFIXES] if user else []
    return [
        *([COMMON_PREFIX] if has_common_prefix else []),
        *(place for place in personal_prefixes if place != COMMON_PREFIX),
    ]


FORMULAE, CASKS = BrewPackages("brew"), BrewPackages("brew_cask")


# -- removal

# These variables keep Homebrew off the network and keep it from removing dependencies. Source: Homebrew's manual,
# "Environment".
BREW_ENVIRONMENT = {
    "HOMEBREW_NO_ANALYTICS": "1",
    "HOMEBREW_NO_AUTO_UPDATE": "1",
    "HOMEBREW_NO_AUTOREMOVE": "1",
    "HOMEBREW_NO_ENV_HINTS": "1",
    "HOMEBREW_NO_INSTALL_FROM_API": "1",
}
# --force removes every installed version of the formula
UNINSTALL_OPTIONS = {"brew": ("--formula", "--force"), "brew_cask": ("--cask",)}


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """Return the actions that remove packages of Homebrew, and the packages that stay, each with the reason.

    Packages of root stay, because Homebrew does not run for root.
    """
    tools = PackageTools(host)

    def plan_package_removal(package: Package) -> ControlAction | str:
        """Return the action that removes a package, or the reason why it stays."""
        prefix = package.handles[0]
        if not package.owner or not package.owner.uid:
            return f"{prefix} is root's, and Homebrew does not run for root"
        tool = tools.find_tool(package, "", user_paths=[f"{prefix}/bin/brew"])
        argv = [tool, "uninstall", *UNINSTALL_OPTIONS[package.manager], package.id]
        return (
            make_uninstall_action(host, package, argv, prefix, BREW_ENVIRONMENT)
            if tool
            else f"Homebrew's own brew is not in {prefix}/bin"
        )

    return plan_package_removals(packages, plan_package_removal)


DECLARED = (
    SystemDeclaration(
        name="brew",
        catalogue_key="brew",
        id_format=PackageIdFormat(
            id_pattern=r"[a-z0-9][a-z0-9@._+-]{0,99}",
            meaning="a Homebrew formula, without tap: lower case letters, digits, @ . _ + -",
            source="Homebrew/homebrew-core",
            valid_example="rclone",
            invalid_examples=("homebrew/core/rclone", "-x", "--force"),
        ),
        reinstall=ReinstallCommands({"": "{tool} install --formula {names}"}),
        routes=(
            InstallRoute(
                route="brew: Homebrew on Linux, formulae and casks (`brew_cask`)",
                detection=CoverageClaim(
                    "its directories in `/home/linuxbrew` and in homes; programs that run by their place there",
                    "unit/host/controls/apps/test_systems_of_stores::test_formulae_and_casks_of_a_users_own",
                ),
                removal=CoverageClaim(
                    "Homebrew, as the owner, without what the formula needed; it refuses what others need",
                    "unit/host/controls/apps/test_systems::test_tool_of_an_owner_is_called_with_these_words",
                ),
                prevention=None,
                remaining_gap="Homebrew asks nobody. Not run: it comes from the network alone; layout as documented",
            ),
        ),
        implementation="FORMULAE",
        traces=TRACES,
    ),
    SystemDeclaration(
        name="brew_cask",
        catalogue_key="brew_cask",
        id_format=PackageIdFormat(
            id_pattern=r"[a-z0-9][a-z0-9@._+-]{0,99}",
            meaning="a Homebrew cask token: lower case letters, digits, @ . _ + -",
            source="Homebrew/homebrew-cask",
            valid_example="telegram",
            invalid_examples=("homebrew/cask/x", "-x"),
        ),
        reinstall=ReinstallCommands({"": "{tool} install --cask {names}"}),
        implementation="CASKS",
        traces=TRACES,
        is_guarded=False,
    ),
)
