"""Packages of the rpm family: rpm's own database, whichever front end (dnf, dnf5, zypper) installed them."""

from __future__ import annotations

from typing import AbstractSet, Callable, Sequence

from ....system import Host, ObservationError, Process, User
from ...base import ControlAction
from ..blocks.parts import BlockPart
from . import rpm_block
from .declaration import Claim, Declared, Ids, Reinstall, Route
from .for_the_host import owned_directories as owned_directories
from .for_the_host import query_of as query_of
from .package import Block, Package, by_files, place
from .rpm_database import DATABASE_FILES as DATABASE_FILES
from .rpm_database import answer, in_use

MANAGER = "rpm"
CATALOGUE_KEY = "rpm"
FORMAT = "%{NAME}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\t%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\n"


def query(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    """Asked by name, which rpm answers from an index: a list of all would read the header of every package."""
    if not ids or not in_use(host):
        return [], ""
    if not host.find_tool("rpm"):
        return [], "there is an rpm database, and no rpm to read it"
    try:
        found = parse(answer(host, ["-q", "--qf", FORMAT, "--", *sorted(ids)]), ids)
        return [package._replace(path=place(_files(host, package))) for package in found], ""
    except ObservationError as unseen:
        return [], str(unseen)


def parse(answer: str, ids: AbstractSet[str]) -> list[Package]:
    """The packages in an answer in FORMAT. Between them rpm says what is not installed. Since it takes `name-version`
    for a name too, a package may have another name than was asked for.
    """
    fields = [line.split("\t") for line in answer.splitlines()]
    return [Package(MANAGER, f[0], f[1], (f[2],)) for f in fields if len(f) == 3 and f[0] in ids]


def programs(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    return by_files(host, {file: package.id for package in packages for file in _files(host, package)})


def _files(host: Host, package: Package) -> list[str]:
    return answer(host, ["-ql", "--", *package.handles]).splitlines()


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    from . import rpm_removal

    return rpm_removal.removal(host, packages)


def there(host: Host, user: User | None) -> bool:
    return user is None and in_use(host)


def gated(host: Host) -> bool:
    """Whether the host's own packages are of this family: then rpm itself is one. (rpm is also to be had as a deb.)"""
    return in_use(host) and host.find_tool("rpm") is not None and not host.run_command(["rpm", "-q", "rpm"]).rc


def block_parts(block: Block) -> tuple[BlockPart, ...]:
    return rpm_block.parts(block)


DECLARED = (
    Declared(
        name=MANAGER,
        key=CATALOGUE_KEY,
        ids=Ids(
            pattern=r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}",
            meaning="an rpm package name: letters, digits, . _ + -",
            source="rpm-spec(7)",
            good="Telegram",
            bad=("-x",),
        ),
        reinstall=Reinstall(
            {front: f"{front} install {{names}}" for front in ("dnf", "dnf5", "yum", "microdnf", "zypper")},
            name=r"{id}\.[a-z0-9_]+",
        ),
        routes=(
            Route(
                route="rpm packages: dnf, dnf5, zypper, `rpm -i`",
                seen=Claim(
                    "rpm's database",
                    "integration/test_apps_real_rpm::test_seen_removed_refused_on_every_road_and_let_in_again",
                ),
                removed=Claim(
                    "the host's own front end, simulated first",
                    "integration/test_apps_real_rpm::test_rpm_that_others_need_stays_and_is_reported",
                ),
                prevented=Claim(
                    (
                        "a guard package that conflicts, protected in dnf and locked in zypper; their own "
                        "exclusions before it; polkit for users of PackageKit"
                    ),
                    "integration/test_apps_real_rpm::test_seen_removed_refused_on_every_road_and_let_in_again",
                ),
                left="`rpm --nodeps` and `--force` pass: seen by the next run",
            ),
        ),
        of_the_host=True,
    ),
)
