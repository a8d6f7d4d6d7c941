"""Packages of Arch Linux: the database of pacman, and a pacman hook that checks every installation."""

from __future__ import annotations

from typing import AbstractSet, Callable, Iterator, Sequence

from ....programs import PACMAN_BLOCK
from ....system import WRITTEN_BY, Host, Process, User
from ...base import ControlAction
from ..blocks.parts import BlockFile, BlockPart, BlockTrial, OwnDirectory, PartWithoutText
from ..blocks.polkit import make_packagekit_rule
from ..blocks.refusal_text import format_contact
from ..blocks.trial_cache import TRIAL_PACKAGE_NAME, list_directory_entries, list_program_paths
from .declaration import CoverageClaim, InstallRoute, PackageIdFormat, ReinstallCommands, SystemDeclaration
from .host_wide_system import find_user_packages as find_user_packages
from .host_wide_system import list_owned_directories as list_owned_directories
from .package import InstallBlock, Package, make_file_matcher

MANAGER = "pacman"
CATALOGUE_KEY = "pacman"
DATABASE_FILES: tuple[str, ...] = ()
DATABASE = "/var/lib/pacman/local"


def find_packages(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    """Return the packages among `ids` that are installed, and "".

    The second value is the reason why some packages are unknown; here it is always "", because all are checked. The
    database has a directory for each package. A directory without the file `desc` comes from an interrupted transaction
    and does not count.
    """
    packages = []
    for entry in host.list_directory(DATABASE) if ids else ():
        name, version = parse_entry(entry)
        if name in ids and host.find_entry(f"{DATABASE}/{entry}/desc"):
            packages.append(Package(MANAGER, name, version, (name,), path=f"{DATABASE}/{entry}"))
    return packages, ""


def parse_entry(entry: str) -> tuple[str, str]:
    """Return name and version of a package, from the name `entry` of its directory in pacman's database.

    The name of the directory is `<name>-<version>-<release>`. Version and release have no hyphen (PKGBUILD(5)). The
    returned version includes the release. Another name gives ("", "").
    """
    name, *version_parts = entry.rsplit("-", 2)
    return (name, "-".join(version_parts)) if len(version_parts) == 2 else ("", "")


def make_program_matcher(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    texts = {package.id: host.read_text(f"{package.path}/files") or "" for package in packages}
    return make_file_matcher(host, {f"/{line}": id_ for id_, text in texts.items() for line in text.splitlines()})


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    from . import pacman_removal

    return pacman_removal.plan_removal(host, packages)


def is_present(host: Host, user: User | None) -> bool:
    return user is None and host.find_entry(DATABASE) is not None


def is_block_applicable(host: Host) -> bool:
    return host.find_tool("pacman") is not None and host.find_entry(DATABASE) is not None


BLOCK_SCRIPT_PATH = "/usr/libexec/proscribe/pacman-gate"
# Pacman always reads the hooks in this directory, whatever HookDir in pacman.conf is.
HOOK_PATH = "/usr/share/libalpm/hooks/00-proscribe.hook"
# A file here would make pacman ignore Proscribe's hook: it has the same name, and this directory takes precedence.
HIDING_HOOK_PATH = "/etc/pacman.d/hooks/00-proscribe.hook"
CONFIGURATION_PATH = "/etc/pacman.conf"


def make_block_parts(block: InstallBlock) -> tuple[BlockPart, ...]:
    """Return the parts of the install block: a hook of pacman, the script that it runs, and a rule of polkit.

    pacman runs the hook before it installs packages that the hook names. pacman gives the hook their names on standard
    input, without their versions. So if a waiver permits one version of a package, the hook lets every version pass.
    The next observation finds the versions that are not permitted. pacman shows the output of the hook, and continues
    only if the hook's exit code is 0.

    Updates of installed packages pass too, as in every package system. A refusal would only keep the old version, and
    stop all other updates of the transaction.
    """
    # A hook without a target (name of a package) is an error that stops every transaction. So without packages, the
    # hook gets the target "/", which no package is named.
    targets = sorted(block.closed_ids) or ["/"]
    script = _format_script(block.contact, block.messages) if block.ids else ""
    # The script is installed before the hook that runs it: pacman stops if the script of a hook is missing.
    return (
        BlockFile(BLOCK_SCRIPT_PATH, script, 0o755),
        BlockFile(HOOK_PATH, HOOK_TRIGGER + "".join(f"Target = {name}\n" for name in targets) + HOOK_ACTION),
        HidingHook(),
        make_packagekit_rule(MANAGER, block.closed_ids, block.contact),
        OwnDirectory("/usr/libexec/proscribe"),
        BlockTrial(HOOK_PATH, _list_dependencies, _find_open_route),
    )


class HidingHook(PartWithoutText):
    """File that would replace Proscribe's hook: it has the same name, in the administrator's directory.

    pacman then ignores Proscribe's hook (alpm-hooks(5)). Only Proscribe uses this file name, so the file is deleted.
    """

    path = HIDING_HOOK_PATH

    def is_applicable(self, host: Host) -> bool:
        return True

    def find_problem(self, host: Host, called_for: bool) -> str:
        """Report the file if it exists and the plan requires Proscribe's hook (`called_for`), or return ""."""
        return f"takes the place of {HOOK_PATH}" if called_for and host.find_entry(self.path) else ""

    def enforce(self, host: Host) -> None:
        """Delete the file that replaces Proscribe's hook."""
        host.delete_file(self.path)


def _list_dependencies(host: Host) -> Iterator[str]:
    """Yield the paths of the files on which the result of the trial depends."""
    yield from (BLOCK_SCRIPT_PATH, HOOK_PATH, CONFIGURATION_PATH)
    yield from list_directory_entries(host, ["/etc/pacman.d"])
    yield from _list_hiding_paths(host)
    yield from list_program_paths(host, ["sh", "pacman", "pacman-conf"])


def _list_hiding_paths(host: Host) -> list[str]:
    """Return the paths at which a file would replace Proscribe's hook: one in each other hook directory of pacman."""
    folders = host.read_command_output(["pacman-conf", "HookDir"]).splitlines()
    paths = [f"{folder.rstrip('/')}/{HOOK_PATH.rpartition('/')[2]}" for folder in folders if folder.startswith("/")]
    return [path for path in paths if path != HOOK_PATH]


def _find_open_route(host: Host) -> str:
    """Try the hook: return why it would not refuse a restricted package, or "".

    When pacman only prints a transaction, it runs no hook. So the script of the hook is run directly, as pacman would
    run it. A file that would replace the hook is a reason too; pacman names the directories for such files.
    """
    hiding_paths = [path for path in _list_hiding_paths(host) if host.find_entry(path)]
    if hiding_paths:
        return f"{hiding_paths[0]} takes the place of {HOOK_PATH}"
    result = host.run_command([BLOCK_SCRIPT_PATH], stdin=f"{TRIAL_PACKAGE_NAME}\n", timeout=30)
    return (
        ""
        if result.rc == 1 and f"does not allow {TRIAL_PACKAGE_NAME} " in result.out
        else f"{BLOCK_SCRIPT_PATH} does not refuse a package"
    )


def _format_script(contact: str, messages: Sequence[str]) -> str:
    """Return the text of the script that Proscribe's hook runs.

    If the script refuses a package, it prints the contact and then `messages`, the organisation's lines.
    """
    import shlex  # loaded here, because only hosts with pacman need this module

    lines = "".join(f"\nprintf 'proscribe: %s\\n' {shlex.quote(message)}" for message in messages)
    contact = shlex.quote(format_contact(contact))
    return PACMAN_BLOCK.format(
        written_by=WRITTEN_BY, hook=HOOK_PATH, trial=TRIAL_PACKAGE_NAME, whom=contact, messages=lines
    )


HOOK_TRIGGER = f"""\
# {WRITTEN_BY}
# Refuses restricted packages: alpm-hooks(5). Remove this file before the script that it names.
[Trigger]
Operation = Install
Type = Package
"""

HOOK_ACTION = f"""
[Action]
Description = Proscribe: looking for restricted packages
When = PreTransaction
Exec = {BLOCK_SCRIPT_PATH}
NeedsTargets
AbortOnFail
"""


DECLARED = (
    SystemDeclaration(
        name=MANAGER,
        catalogue_key=CATALOGUE_KEY,
        id_format=PackageIdFormat(
            id_pattern=r"[A-Za-z0-9@_+][A-Za-z0-9@._+-]{0,99}",
            meaning="a pacman package name: letters, digits, @ . _ + -",
            source="PKGBUILD(5)",
            valid_example="telegram-desktop",
            invalid_examples=("-x",),
        ),
        reinstall=ReinstallCommands({"": "pacman -S {names}"}, mark_commands={"auto": "pacman -D --asdeps {names}"}),
        routes=(
            InstallRoute(
                route="Arch packages: `pacman -S`, `pacman -U`",
                detection=CoverageClaim(
                    "pacman's database",
                    "integration/test_apps_real_pacman::test_seen_ended_removed_refused_and_let_in_again",
                ),
                removal=CoverageClaim(
                    "pacman, simulated first",
                    "integration/test_apps_real_pacman::test_package_of_pacman_that_others_need_stays_and_is_reported",
                ),
                prevention=CoverageClaim(
                    "a transaction hook, by name; polkit for users of PackageKit",
                    "integration/test_apps_real_pacman::test_seen_ended_removed_refused_and_let_in_again",
                ),
                remaining_gap="root with `--hookdir`: seen by the next run",
            ),
        ),
        is_host_wide=True,
    ),
)
