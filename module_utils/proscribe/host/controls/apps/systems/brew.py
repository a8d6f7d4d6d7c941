"""Formulae and casks that Homebrew installed on Linux: a directory for each, in it one for each version.

Homebrew lies in /home/linuxbrew/.linuxbrew or below a home, and belongs to the user who installed it (Homebrew's
"Homebrew on Linux"). It is not asked.

Homebrew removes a package, as the user whose it is: it does not run for root. It refuses by itself to take away what
another formula needs, and leaves what the formula needed.
"""

from __future__ import annotations

from typing import AbstractSet, Callable, Iterator, Sequence

from ....system import Host, Process, User
from ...base import ControlAction
from .as_owner import OwnTools, removals, uninstall
from .declaration import Claim, Declared, Ids, Reinstall, Route
from .each_place import check_each, summarise_reasons
from .package import Package
from .site_packages import claimed_version

TRACES = ("/home/linuxbrew/.linuxbrew", "~/.linuxbrew", "~/homebrew")
COMMON, *PERSONAL = TRACES
KINDS = {"brew": "Cellar", "brew_cask": "Caskroom"}


class Brew:
    """One of the two kinds of packages that Homebrew knows."""

    def __init__(self, manager: str) -> None:
        self.manager = manager

    def query(self, host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
        return self._query(host, None, ids, _prefixes(host, None) if ids else [])

    def query_of(self, host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
        return self._query(host, user, ids, _prefixes(host, user) if ids else [])

    def _query(
        self, host: Host, user: User | None, ids: AbstractSet[str], prefixes: Sequence[str]
    ) -> tuple[list[Package], str]:
        def check(prefix: str) -> Iterator[Package]:
            room = f"{prefix}/{KINDS[self.manager]}"
            for name in [name for name in host.list_directory(room) if name in ids]:
                versions = [version for version in host.list_directory(f"{room}/{name}") if not version.startswith(".")]
                if versions:
                    version = claimed_version(versions[-1])
                    yield Package(self.manager, name, version, (prefix,), user, f"{room}/{name}")

        found, unseen = check_each(prefixes, check)
        return found, summarise_reasons(unseen)

    def owned_directories(self, host: Host, user: User | None) -> list[str]:
        return [f"{prefix}/{KINDS[self.manager]}" for prefix in _prefixes(host, user)]

    def programs(self, host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
        """By the directory of the package. A user's says it of his own programs only."""

        def program(process: Process) -> str:
            for package in packages:
                if process.exe.startswith(package.path + "/") and host.has_host_root(process):
                    return (
                        package.id
                        if package.owner is None or host.find_process_uid(process) == package.owner.uid
                        else ""
                    )
            return ""

        return program

    def removal(self, host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
        return removal(host, packages)


def _prefixes(host: Host, user: User | None) -> list[str]:
    """Where Homebrew is a user's, or root's for None. The common place is the one's who owns it, in the first of his
    homes.
    """
    seen = check_each([COMMON], lambda path: [one] if (one := host.find_entry(path)) else [])[0]
    uid = seen[0].st_uid if seen else -1
    homes = [one.home for one in host.list_users() if one.uid == uid]
    common = user is None and uid == 0 or user is not None and uid > 0 and homes[:1] == [user.home]
    own = [user.home + place[1:] for place in PERSONAL] if user else []
    return [*([COMMON] if common else []), *(place for place in own if place != COMMON)]


FORMULAE, CASKS = Brew("brew"), Brew("brew_cask")


# -- removal

# Homebrew's manual, "Environment".
ENVIRONMENT = {
    "HOMEBREW_NO_ANALYTICS": "1",
    "HOMEBREW_NO_AUTO_UPDATE": "1",
    "HOMEBREW_NO_AUTOREMOVE": "1",
    "HOMEBREW_NO_ENV_HINTS": "1",
    "HOMEBREW_NO_INSTALL_FROM_API": "1",
}
OPTIONS = {"brew": ("--formula", "--force"), "brew_cask": ("--cask",)}  # --force: every version of it


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    tools = OwnTools(host)

    def one(package: Package) -> ControlAction | str:
        prefix = package.handles[0]
        if not package.owner or not package.owner.uid:
            return f"{prefix} is root's, and Homebrew does not run for root"
        tool = tools.of(package, "", own=[f"{prefix}/bin/brew"])
        argv = [tool, "uninstall", *OPTIONS[package.manager], package.id]
        return (
            uninstall(host, package, argv, prefix, ENVIRONMENT)
            if tool
            else f"Homebrew's own brew is not in {prefix}/bin"
        )

    return removals(packages, one)


DECLARED = (
    Declared(
        name="brew",
        key="brew",
        ids=Ids(
            pattern=r"[a-z0-9][a-z0-9@._+-]{0,99}",
            meaning="a Homebrew formula, without tap: lower case letters, digits, @ . _ + -",
            source="Homebrew/homebrew-core",
            good="rclone",
            bad=("homebrew/core/rclone", "-x", "--force"),
        ),
        reinstall=Reinstall({"": "{tool} install --formula {names}"}),
        routes=(
            Route(
                route="brew: Homebrew on Linux, formulae and casks (`brew_cask`)",
                seen=Claim(
                    "its directories in `/home/linuxbrew` and in homes; programs that run by their place there",
                    "unit/host/controls/apps/test_systems_of_stores::test_formulae_and_casks_of_a_users_own",
                ),
                removed=Claim(
                    "Homebrew, as the owner, without what the formula needed; it refuses what others need",
                    "unit/host/controls/apps/test_systems::test_tool_of_an_owner_is_called_with_these_words",
                ),
                prevented=None,
                left="Homebrew asks nobody. Not run: it comes from the network alone; layout as documented",
            ),
        ),
        answers="FORMULAE",
        traces=TRACES,
    ),
    Declared(
        name="brew_cask",
        key="brew_cask",
        ids=Ids(
            pattern=r"[a-z0-9][a-z0-9@._+-]{0,99}",
            meaning="a Homebrew cask token: lower case letters, digits, @ . _ + -",
            source="Homebrew/homebrew-cask",
            good="telegram",
            bad=("homebrew/cask/x", "-x"),
        ),
        reinstall=Reinstall({"": "{tool} install --cask {names}"}),
        answers="CASKS",
        traces=TRACES,
        guarded=False,
    ),
)
