"""Debian packages: the database of dpkg, and an install block in dpkg.

apt installs through dpkg, so apt cannot bypass the block.
"""

from __future__ import annotations

from functools import partial
from typing import AbstractSet, Callable, Iterable, Sequence

from ....programs import DPKG_BLOCK
from ....system import WRITTEN_BY, Host, Process, User
from ...base import ControlAction
from ..blocks.parts import BlockFile, BlockPart, BlockTrial, OwnDirectory
from ..blocks.polkit import make_packagekit_rule
from ..blocks.refusal_text import format_contact
from ..blocks.trial_cache import TRIAL_PACKAGE_NAME
from .declaration import CoverageClaim, InstallRoute, PackageIdFormat, ReinstallCommands, SystemDeclaration
from .host_wide_system import find_user_packages as find_user_packages
from .host_wide_system import list_owned_directories as list_owned_directories
from .package import InstallBlock, Package, find_program_place, make_file_matcher

MANAGER = "dpkg"
CATALOGUE_KEY = "apt"
DATABASE = "/var/lib/dpkg"
# The directory `updates` has changes that dpkg has not written into `status` yet.
DATABASE_FILES: tuple[str, ...] = (f"{DATABASE}/status", f"{DATABASE}/updates")
QUERY_FORMAT = "${db:Status-Abbrev}\t${Package}\t${binary:Package}\t${Version}\n"


def find_packages(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    """Return the packages among `ids` that dpkg has installed, and "".

    The second value is the reason why some packages are unknown; here it is always "", because all are checked.
    """
    if not ids or not is_block_applicable(host):
        return [], ""
    packages = parse_packages(host.read_command_output(["dpkg-query", "-W", "-f", QUERY_FORMAT]), ids)
    return [package._replace(path=find_program_place(_list_package_files(host, package))) for package in packages], ""


def parse_packages(listing: str, ids: AbstractSet[str]) -> list[Package]:
    """Return the packages among `ids` that are installed.

    `listing` has dpkg's lines in QUERY_FORMAT. The first letter of a status is the requested state (h: hold, must stay
    unchanged). The second letter is the actual state: n is not installed, and c has only configuration files left. In
    all other states, half-installed too, the package has files on the disk (dpkg-query(1)).
    """
    packages = []
    for line in listing.splitlines():
        status, name, handle, version = line.split("\t")
        if name in ids and status[1] not in "nc":
            packages.append(Package(MANAGER, name, version, (handle,), is_held=status[0] == "h"))
    return packages


def make_program_matcher(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    return make_file_matcher(
        host, {file: package.id for package in packages for file in _list_package_files(host, package)}
    )


def _list_package_files(host: Host, package: Package) -> list[str]:
    """Return the paths of a package's files.

    dpkg has a list for each package, a file `<name>.list`. If a package can be installed for several architectures
    (Multi-Arch: same), the name there has the architecture, as the handle has: `<name>:<architecture>.list`.
    """
    names = dict.fromkeys((package.id, *package.handles))
    return [file for name in names for file in (host.read_text(f"{DATABASE}/info/{name}.list") or "").splitlines()]


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    from . import dpkg_removal

    return dpkg_removal.plan_removal(host, packages)


def is_present(host: Host, user: User | None) -> bool:
    return user is None and host.find_entry(f"{DATABASE}/status") is not None


def is_block_applicable(host: Host) -> bool:
    return host.find_entry(f"{DATABASE}/status") is not None and host.find_tool("dpkg-query") is not None


RESTRICTED_PACKAGES_PATH = "/etc/proscribe/restricted-packages"
RESTRICTED_PATHS_PATH = "/etc/proscribe/restricted-paths"
CONTACT_PATH = "/etc/proscribe/contact"
BLOCK_SCRIPT_PATH = "/usr/libexec/proscribe/dpkg-gate"
# In this directory dpkg reads only files whose names have letters, digits, "-" and "_". It silently ignores other
# files.
HOOK_CONFIGURATION_PATH = "/etc/dpkg/dpkg.cfg.d/proscribe"


def make_block_parts(block: InstallBlock) -> tuple[BlockPart, ...]:
    """Return the files, directories and trials that make dpkg refuse restricted packages."""
    return (
        # Each line has the name of a refused package, or such a name and a version that a waiver permits.
        BlockFile(
            RESTRICTED_PACKAGES_PATH,
            f"# {WRITTEN_BY}\n"
            + "".join(f"{name}\n" for name in sorted(block.ids))
            + "".join(
                f"{name} {version}\n"
                for name in sorted(block.permitted_versions)
                for version in block.permitted_versions[name]
            ),
        ),
        BlockFile(
            RESTRICTED_PATHS_PATH,
            f"# {WRITTEN_BY}\n" + "".join(f"{path}\n" for path in sorted(block.paths) if path.isprintable()),
        ),
        # The second line is the contact for users. The organisation's texts for a refusal follow.
        BlockFile(
            CONTACT_PATH,
            "".join(f"{line}\n" for line in (f"# {WRITTEN_BY}", format_contact(block.contact), *block.messages)),
        ),
        BlockFile(BLOCK_SCRIPT_PATH, BLOCK_SCRIPT_TEXT, 0o755),
        # Before dpkg's hook is written, the script is tried: it checks a command line that installs nothing.
        BlockFile(
            HOOK_CONFIGURATION_PATH,
            HOOK_TEXT,
            trial_command=(BLOCK_SCRIPT_PATH, "--check", "self"),
            trial_environment=(("DPKG_HOOK_ACTION", "install"),),
        ),
        make_packagekit_rule(MANAGER, block.closed_ids, block.contact),
        OwnDirectory("/etc/proscribe"),
        OwnDirectory("/usr/libexec/proscribe"),
        BlockTrial("a made package", _list_dependencies, partial(_find_open_routes, min(block.ids, default=""))),
    )


def _list_dependencies(host: Host) -> Iterable[str]:
    """Return the paths of the files on which the result of the trial depends."""
    from . import dpkg_trial  # loaded here, because only a trial needs it

    return [
        RESTRICTED_PACKAGES_PATH,
        RESTRICTED_PATHS_PATH,
        CONTACT_PATH,
        BLOCK_SCRIPT_PATH,
        HOOK_CONFIGURATION_PATH,
        *dpkg_trial.list_dependencies(host),
    ]


def _find_open_routes(restricted: str, host: Host) -> str:
    """Describe each dpkg program that does not refuse the package name `restricted`, or return ""."""
    from . import dpkg_trial

    return dpkg_trial.find_open_routes(host, restricted)


# dpkg runs a hook through `sh -c`, so $PPID is dpkg's process. If a hook fails, dpkg installs no package at all. Only a
# refusal of the script, its exit code 9, may cause that. A missing or broken script must not stop dpkg.
HOOK_TEXT = f"""\
# {WRITTEN_BY}
# Refuses restricted packages. Remove this file before the script that it names.
pre-invoke={BLOCK_SCRIPT_PATH} $PPID || test $? -ne 9
"""

BLOCK_SCRIPT_TEXT = DPKG_BLOCK.format(
    written_by=WRITTEN_BY,
    configuration=HOOK_CONFIGURATION_PATH,
    list=RESTRICTED_PACKAGES_PATH,
    paths=RESTRICTED_PATHS_PATH,
    contact=CONTACT_PATH,
    trial=TRIAL_PACKAGE_NAME,
)


DECLARED = (
    SystemDeclaration(
        name=MANAGER,
        catalogue_key=CATALOGUE_KEY,
        id_format=PackageIdFormat(
            id_pattern=r"[a-z0-9][a-z0-9+.-]{1,99}",
            meaning="a Debian package name: lower case letters, digits, + . -",
            source="Debian Policy 5.6.1",
            valid_example="telegram-desktop",
            invalid_examples=("Telegram", "a b"),
        ),
        reinstall=ReinstallCommands(
            {"apt-get": "apt-get install {names}"},
            # no final hyphen: `apt-get install NAME-` would remove the package NAME
            name_pattern=r"{id}(?<!-)(?::[a-z0-9-]+)?",
            mark_commands={"auto": "apt-mark auto {names}"},
        ),
        routes=(
            InstallRoute(
                route="deb packages: apt, graphical fronts, `dpkg -i`",
                detection=CoverageClaim(
                    "dpkg's database",
                    "integration/test_apps_real_dpkg::test_audit_enforce_and_lift",
                ),
                removal=CoverageClaim(
                    "apt, simulated first; refused where more would go",
                    "integration/test_apps_real_dpkg::test_removal_takes_no_other_package_along",
                ),
                prevention=CoverageClaim(
                    (
                        "dpkg's `pre-invoke` hook, by name and by Provides; from a file also by the catalogue's "
                        "paths in it; polkit for users of PackageKit"
                    ),
                    "integration/test_apps_real_dpkg::test_the_gate_on_every_road",
                ),
                remaining_gap=(
                    "`dpkg-deb -x` unpacks without dpkg: the file scan sees the result. Without `/proc` the "
                    "block lets all pass"
                ),
            ),
        ),
        is_host_wide=True,
    ),
)
