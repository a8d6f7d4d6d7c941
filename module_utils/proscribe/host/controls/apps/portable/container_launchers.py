"""Launchers of what runs in a container: Android apps in Waydroid, programs of distrobox, toolbox and the like.

The container's content is not scanned: a launcher only has a name. An Android app goes by its id, which is its own.
Another program counts as certain where the catalogue has its path. So it does where the entry's file has an id of the
app's as well (`distrobox-export` writes `<container>-<its desktop file>`).
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Callable, Iterator, Mapping, Sequence

from .....base.tuples import NamedTuple
from ....system import Host, User
from ..systems.each_place import check_each
from . import desktop_entries

if TYPE_CHECKING:
    from .....model.types.plan import PlanEntry

MARK = re.compile(rb"^# distrobox_binary$", re.MULTILINE)
CALLED = re.compile(rb"^\texec '(/[^'\n]{1,4000})' \"\$@\"$", re.MULTILINE)
HEAD = 16 * 1024  # bytes of such a script
LONGEST_PATH = 4096
BY_NAME = "known by its name alone, so it is not moved"
# What runs a program in a container: the words after its name, and the options that take a value before the program.
DASHES = ("distrobox-enter", "lxc-attach")  # the program comes after `--`
EXEC = {"podman": "exec", "docker": "exec", "toolbox": "run", "distrobox": "enter", "incus": "exec", "lxc": "exec"}
VALUED = frozenset(
    ("-c", "--container", "-d", "--distro", "-r", "--release", "-e", "--env", "-u", "--user", "-w", "--workdir", "-n")
)
UNNAMED = ("toolbox",)  # names its container by an option only
BEFORE = ("sudo", "su-exec", "sudo-rs")


class Inside(NamedTuple):
    """What a command runs in a container."""

    runner: str
    program: str = ""
    android: str = ""  # the id of an Android app


def launched(command: Sequence[str]) -> Inside | None:
    """What the arguments of a launcher run in a container; None for what runs on the host."""
    runner, *rest = desktop_entries.bare(command) or [""]
    runner = runner.rpartition("/")[2]
    if runner == "waydroid":
        return Inside(runner, android=rest[2]) if rest[:2] == ["app", "launch"] and rest[2:] else None
    if runner in EXEC:
        rest = _after_options(rest)
        if rest[:1] != [EXEC[runner]]:
            return None
        rest = rest[1:]
    elif runner not in DASHES:
        return None
    if "--" in rest:
        rest = rest[rest.index("--") :]
    elif runner in DASHES or runner == "distrobox":
        return None
    else:
        rest = _after_options(rest)[0 if runner in UNNAMED else 1 :]
    program, _ = desktop_entries.started(list(itertools.dropwhile(_becomes, rest)))
    return Inside(runner, program) if program else None


def _becomes(word: str) -> bool:
    return word.startswith("-") or word.rpartition("/")[2] in BEFORE


def _after_options(words: Sequence[str]) -> list[str]:
    """Some arguments from the first on that is no option, and no option's value."""
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "--":
        at += 2 if words[at] in VALUED else 1
    return list(words[at:])


class Known:
    """What of some services is known by an id."""

    def __init__(self, services: Mapping[str, PlanEntry]) -> None:
        self.android: dict[str, list[str]] = {}
        self.files: dict[str, list[str]] = {}  # by the name of a desktop entry, without its suffix
        self.paths = {service: [p for p in entry["paths"] if p[:1] == "/"] for service, entry in services.items()}
        self.programs: dict[str, list[str]] = {}
        for service, entry in services.items():
            for name in entry["processes"]:
                self.programs.setdefault(name, []).append(service)
            for id_ in entry["packages"].get("android", ()):
                self.android.setdefault(id_, []).append(service)
            names = (name[: -len(".desktop")] for name in entry.get("desktop_files", ()))
            for name in (*names, *entry["packages"].get("flatpak", ())):
                self.files.setdefault(name, []).append(service)

    def claims(
        self, path: str, commands: Sequence[Sequence[str]], services_of: Callable[[str, str], list[str]]
    ) -> Iterator[tuple[list[str], str, str]]:
        """Whose launcher a desktop entry is, how that is known, and why it stays where it is ("" if it is certain)."""
        for inside in filter(None, map(launched, commands)):
            if inside.android:
                if services := self.android.get(inside.android, []):
                    yield services, f"it starts {inside.android} in {inside.runner}", ""
                continue
            named = path.rpartition("/")[2][: -len(".desktop")]
            ids = [self.files.get(part, []) for part in (named, named.partition("-")[2])]
            for service in services_of(inside.program, ""):
                certain = self._at_its_path(inside.program, service) or any(service in listed for listed in ids)
                doubt = "" if certain else BY_NAME
                yield [service], f"it starts {inside.program[:200]} in a container ({inside.runner})", doubt

    def _at_its_path(self, program: str, service: str) -> bool:
        """Whether the catalogue has a program of a service by its path."""
        return len(program) <= LONGEST_PATH and any(
            (program + "/").startswith(path + "/") for path in self.paths[service]
        )

    def exported(self, host: Host, user: User, names: Sequence[str]) -> Iterator[tuple[str, list[str], str, str]]:
        """Those of some scripts in a user's ~/.local/bin that `distrobox-export` made for programs in containers: path,
        and as above.
        """
        for path in (f"{user.home}/.local/bin/{name}" for name in names):
            (script,) = check_each([path], lambda path: [host.read_head(path, HEAD)])[0] or [b""]
            called = CALLED.search(script) if MARK.search(script) else None
            program = called[1].decode("utf-8", "replace") if called else ""
            for service in self.programs.get(program.rpartition("/")[2], ()):
                doubt = "" if self._at_its_path(program, service) else BY_NAME
                yield path, [service], f"it starts {program[:200]} in a container (distrobox)", doubt
