"""Packages that npm installed globally: for the whole host, or below a prefix in a user's home. npm is not asked.

npm removes a package, as the one whose prefix it is in.
"""

from __future__ import annotations

import os
import stat
from functools import partial
from typing import AbstractSet, Iterator, Mapping, Sequence

from .....base.json_text import parse_json
from ....system import Host, User
from ....system.tools import TOOL_PATH
from ...base import ControlAction
from .as_owner import others_have, removals, uninstall
from .declaration import Claim, Declared, Ids, Reinstall, Route
from .each_place import check_each, summarise_reasons
from .package import Package
from .package import there as is_there
from .site_packages import claimed_version
from .without_block import DATABASE_FILES as DATABASE_FILES
from .without_block import block_parts as block_parts
from .without_block import gated as gated
from .without_block import programs as programs

MANAGER = "npm"
CATALOGUE_KEY = "npm"
SYSTEM = ("/usr", "/usr/local")
PERSONAL = ("/.local", "/.npm-global", "/.npm-packages")  # below a home
LONGEST_PATH = 4096  # bytes that the kernel takes for one
NVM = "/.nvm/versions/node"
MODULES = "/lib/node_modules"


def query(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return _installed(host, ids, SYSTEM if ids else (), None)


def query_of(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    if not ids:
        return [], ""
    prefixes, unseen = _prefixes(host, user.home)
    found, blind = _installed(host, ids, prefixes, user)
    return found, summarise_reasons([*unseen, *filter(None, [blind])])


def owned_directories(host: Host, user: User | None) -> Sequence[str]:
    prefixes = _prefixes(host, user.home)[0] if user else SYSTEM
    return [prefix + MODULES for prefix in prefixes]


def _installed(
    host: Host, ids: AbstractSet[str], prefixes: Sequence[str], owner: User | None
) -> tuple[list[Package], str]:
    def check(prefix: str) -> Iterator[Package]:
        there = set(host.list_directory(prefix + MODULES))
        for id_ in sorted(id_ for id_ in ids if id_.partition("/")[0] in there):
            path = f"{prefix}{MODULES}/{id_}"
            manifest = _manifest(host, path)
            if manifest is not None:
                yield Package(MANAGER, id_, claimed_version(manifest.get("version")), (prefix,), owner, path)

    found, unseen = check_each(prefixes, check)
    return found, summarise_reasons(unseen)


def _prefixes(host: Host, home: str) -> tuple[list[str], list[str]]:
    """Where a user may have installed, and why that is not all."""
    versions, unseen = check_each([home + NVM], host.list_directory)
    lines, more = check_each([f"{home}/.npmrc"], lambda path: (host.read_text(path) or "").splitlines())
    own = [home + place for place in PERSONAL] + [f"{home}{NVM}/{version}" for version in versions]
    return list(dict.fromkeys([*own, *parse(lines, home)])), unseen + more


def parse(lines: Sequence[str], home: str) -> list[str]:
    """The prefix that an .npmrc sets, if it lies below the home: npm config, "Files". The last line counts (ini)."""
    said = ""
    for line in lines:
        key, _, value = line.partition("=")
        if key.strip() == "prefix":
            said = value.strip().strip("\"'")
    if len(said) > LONGEST_PATH:
        return []
    said = said.replace("${HOME}", home)
    path = os.path.normpath(home + said[1:] if said.startswith("~/") else said)
    return [path] if path.startswith(home + "/") and path.isprintable() else []


def _manifest(host: Host, path: str) -> Mapping[str, object] | None:
    """A package's package.json; empty if it says nothing that can be read, None if there is no package."""
    seen = host.find_entry(path)
    if seen and stat.S_ISLNK(seen.st_mode):
        return {}  # `npm link`: the package lies elsewhere, and where is the user's word
    content = host.read_file(f"{path}/package.json")
    if content is None:
        return None
    try:
        joined = parse_json(content)
    except (ValueError, RecursionError):
        return {}
    return joined if isinstance(joined, dict) else {}


def there(host: Host, user: User | None) -> bool:
    prefixes = _prefixes(host, user.home)[0] if user else SYSTEM
    installed = any(host.find_entry(prefix + MODULES) is not None for prefix in prefixes)
    return installed or (user is None and host.find_tool("npm") is not None)


# -- removal

# Scripts of packages are not run: root would run them with all of root's rights. The rest keeps npm off the network.
OPTIONS = ["--ignore-scripts", "--offline", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """npm takes along only what lies inside the package's own directory."""
    return removals(packages, partial(_by_npm, host))


def _by_npm(host: Host, package: Package) -> ControlAction | str:
    prefix = package.handles[0]
    # The prefix's own npm, where a user has a whole Node there, else the host's.
    own = f"{prefix}/bin/npm"
    tool = own if package.owner and is_there(host, package.owner, own) else host.find_tool("npm")
    if reason := others_have(host, package, f"{package.path}/package.json"):
        return reason
    if not tool:
        return "npm itself is not installed on this host"
    # Its own directory first, since npm is a script that looks for its Node. For root that one is no user's.
    environment = {"PATH": f"{prefix}/bin:{TOOL_PATH}" if package.owner else TOOL_PATH}
    argv = [tool, "uninstall", "--global", "--prefix", prefix, *OPTIONS, package.id]
    return uninstall(host, package, argv, prefix, environment)


DECLARED = (
    Declared(
        name=MANAGER,
        key=CATALOGUE_KEY,
        ids=Ids(
            r"(?:@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]{0,99}",
            "an npm name, @scope/name or name",
            'npm\'s package.json, "name"',
            "@made/telegram",
            ("@made",),
        ),
        reinstall=Reinstall(
            {
                "": (
                    "env PATH={place}/bin:/usr/local/bin:/usr/bin:/bin {tool} install --global --prefix {place} {names}"
                )
            },
            pin="@",
        ),
        routes=(
            Route(
                route="npm, globally installed",
                seen=Claim(
                    "the host's and every user's prefix",
                    "integration/test_apps_real_npm::test_npm_packages_of_host_and_users_are_seen_and_removed",
                ),
                removed=Claim(
                    "npm itself, as the owner",
                    "integration/test_apps_real_npm::test_npm_packages_of_host_and_users_are_seen_and_removed",
                ),
                prevented=None,
                left="npm asks nobody; a project's own `node_modules` are not looked into",
            ),
        ),
        guarded=False,
    ),
)
