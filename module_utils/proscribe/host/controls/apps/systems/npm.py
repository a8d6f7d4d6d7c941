"""Packages that npm installed globally: for the whole host, or below a prefix in a user's home.

The observation does not run npm. npm removes a package as the owner of its prefix.
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
from .declaration import CoverageClaim, InstallRoute, PackageIdFormat, ReinstallCommands, SystemDeclaration
from .package import Package
from .package import is_path_present as is_there
from .place_checks import check_each, summarise_reasons
from .site_packages import accept_claimed_version
from .unblockable_system import DATABASE_FILES as DATABASE_FILES
from .unblockable_system import is_block_applicable as is_block_applicable
from .unblockable_system import make_block_parts as make_block_parts
from .unblockable_system import make_program_matcher as make_program_matcher
from .uninstall_actions import explain_foreign_ownership, make_uninstall_action, plan_package_removals

MANAGER = "npm"
CATALOGUE_KEY = "npm"
SYSTEM_PREFIXES = ("/usr", "/usr/local")
PERSONAL_PREFIXES = ("/.local", "/.npm-global", "/.npm-packages")  # below a home
MAX_PATH_BYTES = 4096  # longest path that the kernel accepts
NVM_VERSIONS = "/.nvm/versions/node"
MODULES_DIRECTORY = "/lib/node_modules"


def find_packages(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return _find_installed(host, ids, SYSTEM_PREFIXES if ids else (), None)


def find_user_packages(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    if not ids:
        return [], ""
    prefixes, gaps = _list_prefixes(host, user.home)
    packages, gap = _find_installed(host, ids, prefixes, user)
    return packages, summarise_reasons([*gaps, *filter(None, [gap])])


def list_owned_directories(host: Host, user: User | None) -> Sequence[str]:
    prefixes = _list_prefixes(host, user.home)[0] if user else SYSTEM_PREFIXES
    return [prefix + MODULES_DIRECTORY for prefix in prefixes]


def _find_installed(
    host: Host, ids: AbstractSet[str], prefixes: Sequence[str], owner: User | None
) -> tuple[list[Package], str]:
    def check_prefix(prefix: str) -> Iterator[Package]:
        module_names = set(host.list_directory(prefix + MODULES_DIRECTORY))
        for id_ in sorted(id_ for id_ in ids if id_.partition("/")[0] in module_names):
            path = f"{prefix}{MODULES_DIRECTORY}/{id_}"
            manifest = _read_manifest(host, path)
            if manifest is not None:
                yield Package(MANAGER, id_, accept_claimed_version(manifest.get("version")), (prefix,), owner, path)

    packages, gaps = check_each(prefixes, check_prefix)
    return packages, summarise_reasons(gaps)


def _list_prefixes(host: Host, home: str) -> tuple[list[str], list[str]]:
    """Return the prefixes of a user's possible installations, and the reasons why some are missing."""
    versions, gaps = check_each([home + NVM_VERSIONS], host.list_directory)
    lines, configuration_gaps = check_each([f"{home}/.npmrc"], lambda path: (host.read_text(path) or "").splitlines())
    own_prefixes = [home + place for place in PERSONAL_PREFIXES] + [
        f"{home}{NVM_VERSIONS}/{version}" for version in versions
    ]
    return list(dict.fromkeys([*own_prefixes, *parse_prefix(lines, home)])), gaps + configuration_gaps


def parse_prefix(lines: Sequence[str], home: str) -> list[str]:
    """Return the prefix that an .npmrc sets, if it is below the home: npm config, "Files".

    The last line counts (ini).
    """
    prefix = ""
    for line in lines:
        key, _, setting = line.partition("=")
        if key.strip() == "prefix":
            prefix = setting.strip().strip("\"'")
    if len(prefix) > MAX_PATH_BYTES:
        return []
    prefix = prefix.replace("${HOME}", home)
    path = os.path.normpath(home + prefix[1:] if prefix.startswith("~/") else prefix)
    return [path] if path.startswith(home + "/") and path.isprintable() else []


def _read_manifest(host: Host, path: str) -> Mapping[str, object] | None:
    """Return the package.json of a package: empty if it is unreadable, None if there is no package."""
    status = host.find_entry(path)
    if status and stat.S_ISLNK(status.st_mode):
        return {}  # `npm link`: the package is elsewhere, at a place that the user controls
    content = host.read_file(f"{path}/package.json")
    if content is None:
        return None
    try:
        manifest = parse_json(content)
    except (ValueError, RecursionError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def is_present(host: Host, user: User | None) -> bool:
    prefixes = _list_prefixes(host, user.home)[0] if user else SYSTEM_PREFIXES
    installed = any(host.find_entry(prefix + MODULES_DIRECTORY) is not None for prefix in prefixes)
    return installed or (user is None and host.find_tool("npm") is not None)


# -- removal

# Scripts of packages are not run, because root would run them with all rights. The other options keep npm off the
# network.
UNINSTALL_OPTIONS = [
    "--ignore-scripts",
    "--offline",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--loglevel=error",
]


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """Return the removal actions and the refused packages.

    npm removes only the content of a package's own directory.
    """
    return plan_package_removals(packages, partial(_plan_npm_removal, host))


def _plan_npm_removal(host: Host, package: Package) -> ControlAction | str:
    prefix = package.handles[0]
    # The npm of the prefix, if a user has a whole Node there; otherwise the host's.
    own_npm = f"{prefix}/bin/npm"
    tool = own_npm if package.owner and is_there(host, package.owner, own_npm) else host.find_tool("npm")
    if reason := explain_foreign_ownership(host, package, f"{package.path}/package.json"):
        return reason
    if not tool:
        return "npm itself is not installed on this host"
    # The prefix comes first, because npm is a script that searches PATH for its Node. For root, no user's directory is
    # in PATH.
    environment = {"PATH": f"{prefix}/bin:{TOOL_PATH}" if package.owner else TOOL_PATH}
    argv = [tool, "uninstall", "--global", "--prefix", prefix, *UNINSTALL_OPTIONS, package.id]
    return make_uninstall_action(host, package, argv, prefix, environment)


DECLARED = (
    SystemDeclaration(
        name=MANAGER,
        catalogue_key=CATALOGUE_KEY,
        id_format=PackageIdFormat(
            r"(?:@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]{0,99}",
            "an npm name, @scope/name or name",
            'npm\'s package.json, "name"',
            "@made/telegram",
            ("@made",),
        ),
        reinstall=ReinstallCommands(
            {
                "": (
                    "env PATH={place}/bin:/usr/local/bin:/usr/bin:/bin {tool} install --global --prefix {place} {names}"
                )
            },
            version_separator="@",
        ),
        routes=(
            InstallRoute(
                route="npm, globally installed",
                detection=CoverageClaim(
                    "the host's and every user's prefix",
                    "integration/test_apps_real_npm::test_npm_packages_of_host_and_users_are_seen_and_removed",
                ),
                removal=CoverageClaim(
                    "npm itself, as the owner",
                    "integration/test_apps_real_npm::test_npm_packages_of_host_and_users_are_seen_and_removed",
                ),
                prevention=None,
                remaining_gap="npm asks nobody; a project's own `node_modules` are not looked into",
            ),
        ),
        is_guarded=False,
    ),
)
