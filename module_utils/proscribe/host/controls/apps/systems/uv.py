"""Python programs that uv installed as tools, each with its own environment; what comes along inside one is seen too.

By default these lie below a user's ~/.local/share/uv/tools. Where UV_TOOL_DIR or XDG_DATA_HOME point elsewhere in the
home, the links to their programs in ~/.local/bin lead there (uv's reference, "Storage").

uv removes a tool, as the one who installed it.
"""

from __future__ import annotations

import os
from typing import AbstractSet, Iterator, Sequence

from ....system import Host, User
from ...base import ControlAction
from .as_owner import OwnTools, not_whole, removals, uninstall
from .as_removed import as_removed
from .declaration import Claim, Declared, Reinstall, Route
from .each_place import check_each, summarise_reasons
from .package import Package
from .site_packages import directories, distributions
from .user_links import link
from .without_block import DATABASE_FILES as DATABASE_FILES
from .without_block import block_parts as block_parts
from .without_block import gated as gated
from .without_block import programs as programs
from .without_block import there as there

MANAGER = "uv"
CATALOGUE_KEY = "pip"
TOOLS = "/.local/share/uv/tools"  # below a home
PROGRAMS = "/.local/bin"
RECEIPT = "uv-receipt.toml"  # lies in every environment of a tool
MOST_LINKS = 2000


def query(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return [], ""  # uv installs tools for the one who asks; root's are those of root's home


def query_of(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    def check(place: str) -> Iterator[Package]:
        for tool in host.list_directory(place):
            for directory in directories(host, f"{place}/{tool}/lib"):
                yield from distributions(host, directory, ids, MANAGER, user, tool)

    if not ids:
        return [], ""
    places, unseen = _places(host, user)
    found, blind = check_each(places, check)
    return found, summarise_reasons([*unseen, *blind])


def _places(host: Host, user: User) -> tuple[list[str], list[str]]:
    """Where a user's tools lie: the default, and where the links to their programs lead; and why that is not all."""
    names, unseen = check_each([user.home + PROGRAMS], host.list_directory)
    if len(names) > MOST_LINKS:
        unseen.append(f"{user.home}{PROGRAMS} has more than {MOST_LINKS} entries: not all were checked")
    links, blind = check_each(names[:MOST_LINKS], lambda name: [link(host, f"{user.home}{PROGRAMS}/{name}")])
    environments: dict[str, str] = {}
    for to in links:
        environment, _, program = to.rpartition("/bin/")
        place = environment.rpartition("/")[0]
        inside = place.startswith(user.home + "/") and os.path.normpath(environment) == environment
        if inside and program and place.isprintable():
            environments.setdefault(place, f"{environment}/{RECEIPT}")
    environments.pop(user.home + TOOLS, None)
    more, hidden = check_each(environments, lambda place: [place] if host.find_entry(environments[place]) else [])
    return [user.home + TOOLS, *more], [*unseen, *blind, *hidden]


def owned_directories(host: Host, user: User | None) -> list[str]:
    """The environments: what lies in one goes with it, or stays with it."""
    return _places(host, user)[0] if user else []


# -- removal

# No configuration of a project, no network: what is removed is what lies there.
ENVIRONMENT = {"UV_NO_CONFIG": "1", "UV_OFFLINE": "1", "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"}


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """Whole environments, where the restricted package is what uv was asked for."""
    tools = OwnTools(host)

    def one(package: Package) -> ControlAction | str:
        uv = tools.of(package, "uv", own=["~/.local/bin/uv", "~/.cargo/bin/uv"])
        if reason := not_whole(package, uv, MANAGER):
            return reason
        tool = package.handles[0]
        environment = package.path.partition("/lib/")[0]
        place = environment.rpartition("/")[0]
        gone = as_removed(package, tool, tool=uv, place=place)
        variables = {**ENVIRONMENT, "UV_TOOL_DIR": place}
        return uninstall(host, package, [uv, "tool", "uninstall", tool], environment, variables, gone)

    return removals(packages, one)


DECLARED = (
    Declared(
        name=MANAGER,
        key=CATALOGUE_KEY,
        ids=None,
        reinstall=Reinstall({"": "env UV_TOOL_DIR={place} {tool} tool install {name}"}, pin="=="),
        routes=(
            Route(
                route="uv: `uv tool install`",
                seen=Claim(
                    (
                        "every user's tools, also where UV_TOOL_DIR points elsewhere in the home: by the links "
                        "to their programs"
                    ),
                    "unit/host/controls/apps/test_systems_of_languages::test_tools_elsewhere_are_found_by_links_to_their_programs",
                ),
                removed=Claim(
                    "uv, as the owner; refused where it came along with another tool",
                    "integration/test_apps_real_own_systems::test_tools_of_uv",
                ),
                prevented=None,
                left=(
                    "uv asks nobody; what `uvx` and `uv run` use from uv's cache, and projects' environments, "
                    "are not looked into"
                ),
            ),
        ),
        guarded=False,
    ),
)
