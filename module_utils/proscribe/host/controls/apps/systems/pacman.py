"""Arch's packages: pacman's own database, and a transaction hook that every installation goes through."""

from __future__ import annotations

from typing import AbstractSet, Callable, Iterator, Sequence

from ....programs import PACMAN_BLOCK
from ....system import WRITTEN_BY, Host, Process, User
from ...base import ControlAction
from ..blocks.contact import format_contact
from ..blocks.parts import BlockFile, BlockPart, BlockTrial, OwnDirectory, PartWithoutText
from ..blocks.polkit import make_packagekit_rule
from ..blocks.tries import TRIAL_PACKAGE_NAME, list_directory_entries, list_program_paths
from .declaration import Claim, Declared, Ids, Reinstall, Route
from .for_the_host import owned_directories as owned_directories
from .for_the_host import query_of as query_of
from .package import Block, Package, by_files

MANAGER = "pacman"
CATALOGUE_KEY = "pacman"
DATABASE_FILES: tuple[str, ...] = ()
DATABASE = "/var/lib/pacman/local"


def query(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    """The database has a directory for each package; one without `desc` is of a transaction that broke off."""
    found = []
    for entry in host.list_directory(DATABASE) if ids else ():
        name, version = parse(entry)
        if name in ids and host.find_entry(f"{DATABASE}/{entry}/desc"):
            found.append(Package(MANAGER, name, version, (name,), path=f"{DATABASE}/{entry}"))
    return found, ""


def parse(entry: str) -> tuple[str, str]:
    """Name and version out of `<name>-<version>-<release>`: neither of the latter two has a hyphen (PKGBUILD(5))."""
    name, *rest = entry.rsplit("-", 2)
    return (name, "-".join(rest)) if len(rest) == 2 else ("", "")


def programs(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    texts = {package.id: host.read_text(f"{package.path}/files") or "" for package in packages}
    return by_files(host, {f"/{line}": id_ for id_, text in texts.items() for line in text.splitlines()})


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    from . import pacman_removal

    return pacman_removal.removal(host, packages)


def there(host: Host, user: User | None) -> bool:
    return user is None and host.find_entry(DATABASE) is not None


def gated(host: Host) -> bool:
    return host.find_tool("pacman") is not None and host.find_entry(DATABASE) is not None


SCRIPT = "/usr/libexec/proscribe/pacman-gate"
# Of the directories that pacman takes hooks from, the one that no HookDir in pacman.conf takes away.
HOOK = "/usr/share/libalpm/hooks/00-proscribe.hook"
HIDING = "/etc/pacman.d/hooks/00-proscribe.hook"
CONFIGURATION = "/etc/pacman.conf"


def block_parts(block: Block) -> tuple[BlockPart, ...]:
    """A hook gets names on standard input, no versions: a name that may come in one version passes, and others of it
    are seen later. pacman shows what a hook prints, and goes on only where its exit code is 0.

    Updates of what is still installed pass too, as everywhere: to refuse them would only keep the old version, and
    stop every other update that comes with it.
    """
    # A hook without a target is an error that stops every transaction. No package has this one's name.
    targets = sorted(block.closed) or ["/"]
    script = _script(block.contact, block.messages) if block.ids else ""
    # Script first: pacman stops where it has to run one that is not there.
    return (
        BlockFile(SCRIPT, script, 0o755),
        BlockFile(HOOK, TRIGGER + "".join(f"Target = {name}\n" for name in targets) + ACTION),
        NotHidden(),
        make_packagekit_rule(MANAGER, block.closed, block.contact),
        OwnDirectory("/usr/libexec/proscribe"),
        BlockTrial(HOOK, _depends, _open),
    )


class NotHidden(PartWithoutText):
    """A file of the hook's name in the directory of the host's own hooks takes its place (alpm-hooks(5)); that name is
    Proscribe's alone.
    """

    path = HIDING

    def is_applicable(self, host: Host) -> bool:
        return True

    def find_problem(self, host: Host, called_for: bool) -> str:
        return f"takes the place of {HOOK}" if called_for and host.find_entry(self.path) else ""

    def enforce(self, host: Host) -> None:
        host.delete_file(self.path)


def _depends(host: Host) -> Iterator[str]:
    yield from (SCRIPT, HOOK, CONFIGURATION)
    yield from list_directory_entries(host, ["/etc/pacman.d"])
    yield from _hiding(host)
    yield from list_program_paths(host, ["sh", "pacman", "pacman-conf"])


def _hiding(host: Host) -> list[str]:
    """Where a file would take the hook's place."""
    folders = host.read_command_output(["pacman-conf", "HookDir"]).splitlines()
    paths = [f"{folder.rstrip('/')}/{HOOK.rpartition('/')[2]}" for folder in folders if folder.startswith("/")]
    return [path for path in paths if path != HOOK]


def _open(host: Host) -> str:
    """What keeps the hook from refusing. pacman runs none before a transaction that it only prints. So the hook's
    script is run as pacman runs it. pacman also says where other hooks are that would take its place.
    """
    hiding = [path for path in _hiding(host) if host.find_entry(path)]
    if hiding:
        return f"{hiding[0]} takes the place of {HOOK}"
    answer = host.run_command([SCRIPT], stdin=f"{TRIAL_PACKAGE_NAME}\n", timeout=30)
    return (
        ""
        if answer.rc == 1 and f"does not allow {TRIAL_PACKAGE_NAME} " in answer.out
        else f"{SCRIPT} does not refuse a package"
    )


def _script(contact: str, messages: Sequence[str]) -> str:
    import shlex  # only a host with pacman needs it

    lines = "".join(f"\nprintf 'proscribe: %s\\n' {shlex.quote(message)}" for message in messages)
    contact = shlex.quote(format_contact(contact))
    return PACMAN_BLOCK.format(written_by=WRITTEN_BY, hook=HOOK, trial=TRIAL_PACKAGE_NAME, whom=contact, messages=lines)


TRIGGER = f"""\
# {WRITTEN_BY}
# Refuses restricted packages: alpm-hooks(5). Remove this file before the script that it names.
[Trigger]
Operation = Install
Type = Package
"""

ACTION = f"""
[Action]
Description = Proscribe: looking for restricted packages
When = PreTransaction
Exec = {SCRIPT}
NeedsTargets
AbortOnFail
"""


DECLARED = (
    Declared(
        name=MANAGER,
        key=CATALOGUE_KEY,
        ids=Ids(
            pattern=r"[A-Za-z0-9@_+][A-Za-z0-9@._+-]{0,99}",
            meaning="a pacman package name: letters, digits, @ . _ + -",
            source="PKGBUILD(5)",
            good="telegram-desktop",
            bad=("-x",),
        ),
        reinstall=Reinstall({"": "pacman -S {names}"}, marks={"auto": "pacman -D --asdeps {names}"}),
        routes=(
            Route(
                route="Arch packages: `pacman -S`, `pacman -U`",
                seen=Claim(
                    "pacman's database",
                    "integration/test_apps_real_pacman::test_seen_ended_removed_refused_and_let_in_again",
                ),
                removed=Claim(
                    "pacman, simulated first",
                    "integration/test_apps_real_pacman::test_package_of_pacman_that_others_need_stays_and_is_reported",
                ),
                prevented=Claim(
                    "a transaction hook, by name; polkit for users of PackageKit",
                    "integration/test_apps_real_pacman::test_seen_ended_removed_refused_and_let_in_again",
                ),
                left="root with `--hookdir`: seen by the next run",
            ),
        ),
        of_the_host=True,
    ),
)
