"""Packages of the rpm family, whichever front end (dnf, dnf5, zypper) installed them.

The database of rpm lists them.
"""

from __future__ import annotations

from typing import AbstractSet, Callable, Sequence

from ....system import Host, ObservationError, Process, User
from ...base import ControlAction
from ..blocks.parts import BlockPart
from . import rpm_block
from .declaration import CoverageClaim, InstallRoute, PackageIdFormat, ReinstallCommands, SystemDeclaration
from .host_wide_system import find_user_packages as find_user_packages
from .host_wide_system import list_owned_directories as list_owned_directories
from .package import InstallBlock, Package, find_program_place, make_file_matcher
from .rpm_database import DATABASE_FILES as DATABASE_FILES
from .rpm_database import has_database, query_database

MANAGER = "rpm"
CATALOGUE_KEY = "rpm"
QUERY_FORMAT = "%{NAME}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\t%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\n"


def find_packages(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    """Return the packages among `ids` that are installed, and the reason why they are unknown.

    The reason is "" if they could be checked. The query names the packages, because rpm answers such a query from an
    index. For a list of all packages, rpm would read the data of each package, which takes longer.
    """
    if not ids or not has_database(host):
        return [], ""
    if not host.find_tool("rpm"):
        return [], "there is an rpm database, and no rpm to read it"
    try:
        packages = parse_packages(query_database(host, ["-q", "--qf", QUERY_FORMAT, "--", *sorted(ids)]), ids)
        return [
            package._replace(path=find_program_place(_list_package_files(host, package))) for package in packages
        ], ""
    except ObservationError as error:
        return [], str(error)


def parse_packages(answer: str, ids: AbstractSet[str]) -> list[Package]:
    """Return the packages among `ids` in rpm's output `answer`, which has lines in QUERY_FORMAT.

    rpm adds lines about packages that are not installed; these are skipped. rpm also takes a requested name for
    `name-version`. So the answer may have a package with another name than requested, which is skipped too.
    """
    fields = [line.split("\t") for line in answer.splitlines()]
    return [
        Package(MANAGER, field_values[0], field_values[1], (field_values[2],))
        for field_values in fields
        if len(field_values) == 3 and field_values[0] in ids
    ]


def make_program_matcher(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    return make_file_matcher(
        host, {file: package.id for package in packages for file in _list_package_files(host, package)}
    )


def _list_package_files(host: Host, package: Package) -> list[str]:
    """Return the paths of a package's files."""
    return query_database(host, ["-ql", "--", *package.handles]).splitlines()


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    from . import rpm_removal

    return rpm_removal.plan_removal(host, packages)


def is_present(host: Host, user: User | None) -> bool:
    return user is None and has_database(host)


def is_block_applicable(host: Host) -> bool:
    """Return whether the host needs the install block: it uses rpm for the packages of its distribution.

    Debian also has a program rpm, as a deb package. On a host of the rpm family, rpm itself is installed as an rpm
    package.
    """
    return has_database(host) and host.find_tool("rpm") is not None and not host.run_command(["rpm", "-q", "rpm"]).rc


def make_block_parts(block: InstallBlock) -> tuple[BlockPart, ...]:
    return rpm_block.make_block_parts(block)


DECLARED = (
    SystemDeclaration(
        name=MANAGER,
        catalogue_key=CATALOGUE_KEY,
        id_format=PackageIdFormat(
            id_pattern=r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}",
            meaning="an rpm package name: letters, digits, . _ + -",
            source="rpm-spec(7)",
            valid_example="Telegram",
            invalid_examples=("-x",),
        ),
        reinstall=ReinstallCommands(
            {front: f"{front} install {{names}}" for front in ("dnf", "dnf5", "yum", "microdnf", "zypper")},
            name_pattern=r"{id}\.[a-z0-9_]+",
        ),
        routes=(
            InstallRoute(
                route="rpm packages: dnf, dnf5, zypper, `rpm -i`",
                detection=CoverageClaim(
                    "rpm's database",
                    "integration/test_apps_real_rpm::test_seen_removed_refused_on_every_road_and_let_in_again",
                ),
                removal=CoverageClaim(
                    "the host's own front end, simulated first",
                    "integration/test_apps_real_rpm::test_rpm_that_others_need_stays_and_is_reported",
                ),
                prevention=CoverageClaim(
                    (
                        "a guard package that conflicts, protected in dnf and locked in zypper; their own "
                        "exclusions before it; polkit for users of PackageKit"
                    ),
                    "integration/test_apps_real_rpm::test_seen_removed_refused_on_every_road_and_let_in_again",
                ),
                remaining_gap="`rpm --nodeps` and `--force` pass: seen by the next run",
            ),
        ),
        is_host_wide=True,
    ),
)
