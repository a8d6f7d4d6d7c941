"""Python programs that uv installed as tools, each in an environment: a directory with the program and all it needs.

Restricted packages that are only dependencies of a program in an environment are observed too.

By default the environments are below a user's ~/.local/share/uv/tools. UV_TOOL_DIR or XDG_DATA_HOME may set another
place in the home. Then the links to the programs in ~/.local/bin lead there (uv's reference, "Storage").

uv removes a tool as the user who installed it.
"""

from __future__ import annotations

import os
from typing import AbstractSet, Iterator, Sequence

from ....system import Host, User
from ...base import ControlAction
from .declaration import CoverageClaim, InstallRoute, ReinstallCommands, SystemDeclaration
from .package import Package
from .place_checks import check_each, summarise_reasons
from .removed_record import make_removed_record
from .site_packages import find_distributions, list_package_directories
from .unblockable_system import DATABASE_FILES as DATABASE_FILES
from .unblockable_system import is_block_applicable as is_block_applicable
from .unblockable_system import is_present as is_present
from .unblockable_system import make_block_parts as make_block_parts
from .unblockable_system import make_program_matcher as make_program_matcher
from .uninstall_actions import PackageTools, explain_environment_refusal, make_uninstall_action, plan_package_removals
from .user_links import read_link

MANAGER = "uv"
CATALOGUE_KEY = "pip"
TOOLS_DIRECTORY = "/.local/share/uv/tools"  # below a home
PROGRAMS_DIRECTORY = "/.local/bin"
RECEIPT_FILE = "uv-receipt.toml"  # exists in every environment of a tool
MAX_LINKS = 2000  # most names in ~/.local/bin that are checked for links


def find_packages(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return [], ""  # uv installs tools only for its user; root's tools are in root's home


def find_user_packages(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    """Return the packages among `ids` in a user's environments, and why some are unknown ("" if all were checked).

    The handle of a package is the name of its environment, the program for which uv made the environment.
    """

    def check_tools(place: str) -> Iterator[Package]:
        for tool in host.list_directory(place):
            for directory in list_package_directories(host, f"{place}/{tool}/lib"):
                yield from find_distributions(host, directory, ids, MANAGER, user, tool)

    if not ids:
        return [], ""
    places, gaps = _list_tool_directories(host, user)
    packages, package_gaps = check_each(places, check_tools)
    return packages, summarise_reasons([*gaps, *package_gaps])


def _list_tool_directories(host: Host, user: User) -> tuple[list[str], list[str]]:
    """Return the directories with environments of a user's tools, and the reasons why some are unknown.

    They are the default directory, and the directories in the home to which links in ~/.local/bin lead. There, an
    environment must have uv's receipt, the file that uv writes into each.
    """
    names, gaps = check_each([user.home + PROGRAMS_DIRECTORY], host.list_directory)
    if len(names) > MAX_LINKS:
        gaps.append(f"{user.home}{PROGRAMS_DIRECTORY} has more than {MAX_LINKS} entries: not all were checked")
    links, link_gaps = check_each(
        names[:MAX_LINKS], lambda name: [read_link(host, f"{user.home}{PROGRAMS_DIRECTORY}/{name}")]
    )
    environments: dict[str, str] = {}  # by directory with environments: the receipt of one of these environments
    for link_target in links:
        environment, _, program = link_target.rpartition("/bin/")
        place = environment.rpartition("/")[0]
        is_inside = place.startswith(user.home + "/") and os.path.normpath(environment) == environment
        if is_inside and program and place.isprintable():
            environments.setdefault(place, f"{environment}/{RECEIPT_FILE}")
    environments.pop(user.home + TOOLS_DIRECTORY, None)
    other_places, place_gaps = check_each(
        environments, lambda place: [place] if host.find_entry(environments[place]) else []
    )
    return [user.home + TOOLS_DIRECTORY, *other_places], [*gaps, *link_gaps, *place_gaps]


def list_owned_directories(host: Host, user: User | None) -> list[str]:
    """Return the directories with environments of a user's tools, or [] for the host.

    The file scan moves nothing out of them: only uv removes an environment, as a whole.
    """
    return _list_tool_directories(host, user)[0] if user else []


# -- removal

# uv must read no configuration of a project and use no network.
UV_ENVIRONMENT = {"UV_NO_CONFIG": "1", "UV_OFFLINE": "1", "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"}


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """Return the actions that remove packages of uv, and the packages that stay, each with the reason.

    uv can remove only a whole environment. So a restricted package is removed only if the environment was made for it.
    It stays if it is only a dependency of another program.
    """
    tools = PackageTools(host)

    def plan_package_removal(package: Package) -> ControlAction | str:
        """Return the action that removes the environment of a package, or the reason why it stays."""
        uv = tools.find_tool(package, "uv", user_paths=["~/.local/bin/uv", "~/.cargo/bin/uv"])
        if reason := explain_environment_refusal(package, uv, MANAGER):
            return reason
        tool = package.handles[0]
        environment = package.path.partition("/lib/")[0]
        place = environment.rpartition("/")[0]
        removed_record = make_removed_record(package, tool, tool=uv, place=place)
        variables = {**UV_ENVIRONMENT, "UV_TOOL_DIR": place}
        return make_uninstall_action(
            host, package, [uv, "tool", "uninstall", tool], environment, variables, removed_record
        )

    return plan_package_removals(packages, plan_package_removal)


DECLARED = (
    SystemDeclaration(
        name=MANAGER,
        catalogue_key=CATALOGUE_KEY,
        id_format=None,
        reinstall=ReinstallCommands({"": "env UV_TOOL_DIR={place} {tool} tool install {name}"}, version_separator="=="),
        routes=(
            InstallRoute(
                route="uv: `uv tool install`",
                detection=CoverageClaim(
                    (
                        "every user's tools, also where UV_TOOL_DIR points elsewhere in the home: by the links "
                        "to their programs"
                    ),
                    "unit/host/controls/apps/test_systems_of_languages::test_tools_elsewhere_are_found_by_links_to_their_programs",
                ),
                removal=CoverageClaim(
                    "uv, as the owner; refused where it came along with another tool",
                    "integration/test_apps_real_own_systems::test_tools_of_uv",
                ),
                prevention=None,
                remaining_gap=(
                    "uv asks nobody; what `uvx` and `uv run` use from uv's cache, and projects' environments, "
                    "are not looked into"
                ),
            ),
        ),
        is_guarded=False,
    ),
)
