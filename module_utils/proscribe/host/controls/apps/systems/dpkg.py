"""Debian packages: dpkg's own database, and an install block in dpkg that apt cannot bypass."""

from __future__ import annotations

from functools import partial
from typing import AbstractSet, Callable, Iterable, Sequence

from ....programs import DPKG_BLOCK
from ....system import WRITTEN_BY, Host, Process, User
from ...base import ControlAction
from ..blocks.contact import format_contact
from ..blocks.parts import BlockFile, BlockPart, BlockTrial, OwnDirectory
from ..blocks.polkit import make_packagekit_rule
from ..blocks.tries import TRIAL_PACKAGE_NAME
from .declaration import Claim, Declared, Ids, Reinstall, Route
from .for_the_host import owned_directories as owned_directories
from .for_the_host import query_of as query_of
from .package import Block, Package, by_files, place

MANAGER = "dpkg"
CATALOGUE_KEY = "apt"
DATABASE = "/var/lib/dpkg"
# The second one has what is not in the first one yet.
DATABASE_FILES: tuple[str, ...] = (f"{DATABASE}/status", f"{DATABASE}/updates")
FORMAT = "${db:Status-Abbrev}\t${Package}\t${binary:Package}\t${Version}\n"


def query(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    if not ids or not gated(host):
        return [], ""
    found = parse(host.read_command_output(["dpkg-query", "-W", "-f", FORMAT]), ids)
    return [package._replace(path=place(_files(host, package))) for package in found], ""


def parse(listing: str, ids: AbstractSet[str]) -> list[Package]:
    """The installed ones of some packages, from lines in FORMAT.

    The first letter of a status is what was asked for (h is hold), the second what is so: everything but n (not there)
    and c (only configuration files are left) has files on the disk, half-installed ones too; see dpkg-query(1).
    """
    found = []
    for line in listing.splitlines():
        status, name, handle, version = line.split("\t")
        if name in ids and status[1] not in "nc":
            found.append(Package(MANAGER, name, version, (handle,), held=status[0] == "h"))
    return found


def programs(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    return by_files(host, {file: package.id for package in packages for file in _files(host, package)})


def _files(host: Host, package: Package) -> list[str]:
    """What a package consists of. Its handle names the list if the package is Multi-Arch: same."""
    names = dict.fromkeys((package.id, *package.handles))
    return [file for name in names for file in (host.read_text(f"{DATABASE}/info/{name}.list") or "").splitlines()]


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    from . import dpkg_removal

    return dpkg_removal.removal(host, packages)


def there(host: Host, user: User | None) -> bool:
    return user is None and host.find_entry(f"{DATABASE}/status") is not None


def gated(host: Host) -> bool:
    return host.find_entry(f"{DATABASE}/status") is not None and host.find_tool("dpkg-query") is not None


LIST = "/etc/proscribe/restricted-packages"
PATHS = "/etc/proscribe/restricted-paths"
CONTACT = "/etc/proscribe/contact"
SCRIPT = "/usr/libexec/proscribe/dpkg-gate"
# dpkg reads only files whose names consist of letters, digits, "-" and "_" here, and says nothing about others.
CONFIGURATION = "/etc/dpkg/dpkg.cfg.d/proscribe"


def block_parts(block: Block) -> tuple[BlockPart, ...]:
    return (
        # A line is a name that is refused, or a name and a version of it that is not.
        BlockFile(
            LIST,
            f"# {WRITTEN_BY}\n"
            + "".join(f"{name}\n" for name in sorted(block.ids))
            + "".join(f"{name} {version}\n" for name in sorted(block.permitted) for version in block.permitted[name]),
        ),
        BlockFile(
            PATHS, f"# {WRITTEN_BY}\n" + "".join(f"{path}\n" for path in sorted(block.paths) if path.isprintable())
        ),
        # Whom to ask is the second line, and what follows are the organisation's own words.
        BlockFile(
            CONTACT,
            "".join(f"{line}\n" for line in (f"# {WRITTEN_BY}", format_contact(block.contact), *block.messages)),
        ),
        BlockFile(SCRIPT, GATE, 0o755),
        # The trial is a whole check, of a command line that installs nothing.
        BlockFile(
            CONFIGURATION,
            HOOK,
            trial_command=(SCRIPT, "--check", "self"),
            trial_environment=(("DPKG_HOOK_ACTION", "install"),),
        ),
        make_packagekit_rule(MANAGER, block.closed, block.contact),
        OwnDirectory("/etc/proscribe"),
        OwnDirectory("/usr/libexec/proscribe"),
        BlockTrial("a made package", _depends, partial(_open_to, min(block.ids, default=""))),
    )


def _depends(host: Host) -> Iterable[str]:
    from . import dpkg_trial  # only where it is tried

    return [LIST, PATHS, CONTACT, SCRIPT, CONFIGURATION, *dpkg_trial.depends(host)]


def _open_to(restricted: str, host: Host) -> str:
    from . import dpkg_trial

    return dpkg_trial.open_to(host, restricted)


# dpkg runs a hook through `sh -c`, so that the parent of that shell is dpkg itself. A hook that fails stops dpkg for
# every package of the host: only the block's own 9 may do that, not a block that is missing or broken.
HOOK = f"""\
# {WRITTEN_BY}
# Refuses restricted packages. Remove this file before the script that it names.
pre-invoke={SCRIPT} $PPID || test $? -ne 9
"""

GATE = DPKG_BLOCK.format(
    written_by=WRITTEN_BY,
    configuration=CONFIGURATION,
    list=LIST,
    paths=PATHS,
    contact=CONTACT,
    trial=TRIAL_PACKAGE_NAME,
)


DECLARED = (
    Declared(
        name=MANAGER,
        key=CATALOGUE_KEY,
        ids=Ids(
            pattern=r"[a-z0-9][a-z0-9+.-]{1,99}",
            meaning="a Debian package name: lower case letters, digits, + . -",
            source="Debian Policy 5.6.1",
            good="telegram-desktop",
            bad=("Telegram", "a b"),
        ),
        reinstall=Reinstall(
            {"apt-get": "apt-get install {names}"},
            name=r"{id}(?<!-)(?::[a-z0-9-]+)?",  # apt removes what has a hyphen behind its name
            marks={"auto": "apt-mark auto {names}"},
        ),
        routes=(
            Route(
                route="deb packages: apt, graphical fronts, `dpkg -i`",
                seen=Claim(
                    "dpkg's database",
                    "integration/test_apps_real_dpkg::test_audit_enforce_and_lift",
                ),
                removed=Claim(
                    "apt, simulated first; refused where more would go",
                    "integration/test_apps_real_dpkg::test_removal_takes_no_other_package_along",
                ),
                prevented=Claim(
                    (
                        "dpkg's `pre-invoke` hook, by name and by Provides; from a file also by the catalogue's "
                        "paths in it; polkit for users of PackageKit"
                    ),
                    "integration/test_apps_real_dpkg::test_the_gate_on_every_road",
                ),
                left=(
                    "`dpkg-deb -x` unpacks without dpkg: the file scan sees the result. Without `/proc` the "
                    "block lets all pass"
                ),
            ),
        ),
        of_the_host=True,
    ),
)
