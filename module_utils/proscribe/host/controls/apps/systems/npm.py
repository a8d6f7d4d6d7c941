"""Packages that npm installed globally: for the whole host, or in a user's home.

npm installs such packages below a directory that it calls prefix, such as /usr/local. The observation does not run npm.
To remove a package, npm runs as the owner of the prefix.
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
MAX_PATH_BYTES = 4096  # the kernel accepts no longer path
NVM_VERSIONS = "/.nvm/versions/node"  # below a home; nvm installs each version of Node as a directory there
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
    """Return the packages among `ids` below npm's directories `prefixes`, and why some are unknown.

    The reason is "" if all could be checked. `owner` is the user of the packages; None is the whole host. The handle of
    a package is its prefix.
    """

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
    """Return the prefixes (npm's directories) below which a user may have packages, and why some are unknown.

    The prefixes are the usual directories, each Node that nvm installed, and the prefix in the user's .npmrc. They need
    not exist. There are no reasons ([]) if all could be found.
    """
    versions, gaps = check_each([home + NVM_VERSIONS], host.list_directory)
    lines, configuration_gaps = check_each([f"{home}/.npmrc"], lambda path: (host.read_text(path) or "").splitlines())
    own_prefixes = [home + place for place in PERSONAL_PREFIXES] + [
        f"{home}{NVM_VERSIONS}/{version}" for version in versions
    ]
    return list(dict.fromkeys([*own_prefixes, *parse_prefix(lines, home)])), gaps + configuration_gaps


def parse_prefix(lines: Sequence[str], home: str) -> list[str]:
    """Return a list with the prefix that the lines of an .npmrc set, or [] (npm config, "Files").

    A prefix outside the home is ignored. If several lines set the prefix, the last line counts, as npm's parser (ini)
    does.
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
    """Return the content of package.json in the directory `path` of a package.

    Return {} if the content is invalid, or if the directory is a link. Return None if there is no package.
    """
    status = host.find_entry(path)
    if status and stat.S_ISLNK(status.st_mode):
        # `npm link` made this link: the package is in another directory, which the user controls, so it is not read
        return {}
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

# Packages have scripts for their removal. These do not run, because root would run them with all rights. The other
# options keep npm off the network and its output short.
UNINSTALL_OPTIONS = [
    "--ignore-scripts",
    "--offline",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--loglevel=error",
]


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """Return the actions that remove packages of npm, and the packages that stay, each with the reason.

    npm removes only the directory of a package, so no other package is removed.
    """
    return plan_package_removals(packages, partial(_plan_npm_removal, host))


def _plan_npm_removal(host: Host, package: Package) -> ControlAction | str:
    """Return the action that removes a package, or the reason why it stays."""
    prefix = package.handles[0]
    # If a user has a complete Node in the prefix, its npm removes the package. Otherwise the host's npm does.
    own_npm = f"{prefix}/bin/npm"
    tool = own_npm if package.owner and is_there(host, package.owner, own_npm) else host.find_tool("npm")
    if reason := explain_foreign_ownership(host, package, f"{package.path}/package.json"):
        return reason
    if not tool:
        return "npm itself is not installed on this host"
    # npm is a script that searches PATH for Node. For a user, the prefix is first in PATH, so that npm finds the Node
    # beside it. Root's PATH has no directory of a user.
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
