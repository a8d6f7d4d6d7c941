"""Launchers of programs in containers of Waydroid, distrobox, toolbox and similar tools.

The content of a container is not scanned, so only names in the launcher identify the program. Waydroid runs Android
apps. An Android app is certain by its id. Another program is certain if the catalogue has its path. It is certain too
if the file name of the desktop entry has an id of the app: `distrobox-export` writes `<container>-<its desktop file>`.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Callable, Iterator, Mapping, Sequence

from .....base.named_tuple import NamedTuple
from ....system import Host, User
from ..systems.place_checks import check_each
from . import desktop_entries

if TYPE_CHECKING:
    from .....model.types.plan import PlanEntry

# A script that `distrobox-export` writes has this line, and a line that calls the program in the container.
DISTROBOX_MARK_PATTERN = re.compile(rb"^# distrobox_binary$", re.MULTILINE)
CALLED_PROGRAM_PATTERN = re.compile(rb"^\texec '(/[^'\n]{1,4000})' \"\$@\"$", re.MULTILINE)
SCRIPT_HEAD_BYTES = 16 * 1024
MAX_PATH_CHARACTERS = 4096
NAME_ONLY_DOUBT = "known by its name alone, so it is not moved"
# Commands that run a program in a container. The program follows `--`.
DASHED_RUNNERS = ("distrobox-enter", "lxc-attach")
# Further such commands, each with its subcommand that runs a program.
RUN_SUBCOMMANDS = {
    "podman": "exec",
    "docker": "exec",
    "toolbox": "run",
    "distrobox": "enter",
    "incus": "exec",
    "lxc": "exec",
}
# options of these commands that have a value, which is the next argument
VALUED_OPTIONS = frozenset(
    ("-c", "--container", "-d", "--distro", "-r", "--release", "-e", "--env", "-u", "--user", "-w", "--workdir", "-n")
)
# For these commands, an option names the container, so the first argument is the program. Otherwise it is the second.
UNNAMED_RUNNERS = ("toolbox",)
PRIVILEGE_STARTERS = ("sudo", "su-exec", "sudo-rs")  # programs that start another program with other rights


class ContainerCommand(NamedTuple):
    """Command of a launcher that runs a program, or an Android app, in a container."""

    runner: str  # the command that enters the container, such as `podman`
    program: str = ""  # "" for an Android app
    android_id: str = ""  # the id of an Android app; "" for another program


def parse_container_command(command: Sequence[str]) -> ContainerCommand | None:
    """Return the program that a launcher's command runs in a container.

    Return None if the command runs a program on the host, or if the program in the container is unclear.
    """
    runner, *rest = desktop_entries.strip_starters(command) or [""]
    runner = runner.rpartition("/")[2]
    if runner == "waydroid":
        return ContainerCommand(runner, android_id=rest[2]) if rest[:2] == ["app", "launch"] and rest[2:] else None
    if runner in RUN_SUBCOMMANDS:
        rest = _skip_options(rest)
        if rest[:1] != [RUN_SUBCOMMANDS[runner]]:
            return None
        rest = rest[1:]
    elif runner not in DASHED_RUNNERS:
        return None
    if "--" in rest:
        rest = rest[rest.index("--") :]
    elif runner in DASHED_RUNNERS or runner == "distrobox":
        return None
    else:
        # otherwise the first argument is the name of the container
        rest = _skip_options(rest)[0 if runner in UNNAMED_RUNNERS else 1 :]
    program, _ = desktop_entries.parse_started_program(list(itertools.dropwhile(_is_program_prefix, rest)))
    return ContainerCommand(runner, program) if program else None


def _is_program_prefix(word: str) -> bool:
    """Return whether an argument is an option, or a program such as sudo that starts the actual program."""
    return word.startswith("-") or word.rpartition("/")[2] in PRIVILEGE_STARTERS


def _skip_options(words: Sequence[str]) -> list[str]:
    """Return the arguments from the first argument that is neither an option nor the value of an option."""
    position = 0
    while position < len(words) and words[position].startswith("-") and words[position] != "--":
        position += 2 if words[position] in VALUED_OPTIONS else 1
    return list(words[position:])


class ContainerApps:
    """Recogniser of the services' apps in launchers of containers."""

    def __init__(self, services: Mapping[str, PlanEntry]) -> None:
        self.services_by_android_id: dict[str, list[str]] = {}
        # by desktop entry's file name without `.desktop`, or by flatpak id
        self.services_by_entry_name: dict[str, list[str]] = {}
        self.paths_by_service = {
            service: [path for path in entry["paths"] if path[:1] == "/"] for service, entry in services.items()
        }
        self.services_by_program: dict[str, list[str]] = {}
        for service, entry in services.items():
            for name in entry["processes"]:
                self.services_by_program.setdefault(name, []).append(service)
            for android_id in entry["packages"].get("android", ()):
                self.services_by_android_id.setdefault(android_id, []).append(service)
            names = (name[: -len(".desktop")] for name in entry.get("desktop_files", ()))
            for name in (*names, *entry["packages"].get("flatpak", ())):
                self.services_by_entry_name.setdefault(name, []).append(service)

    def identify_launcher(
        self, path: str, commands: Sequence[Sequence[str]], find_services: Callable[[str, str], list[str]]
    ) -> Iterator[tuple[list[str], str, str]]:
        """Yield (services, evidence, doubt) for each restricted program that a desktop entry starts in a container.

        `path` is the file of the entry, and `commands` are its commands, each as program and arguments. The evidence is
        a text for the finding. The doubt says why the file stays in place; "" if the program is certain.
        `find_services` returns the services of a program by its path and its flatpak id.
        """
        for container_command in filter(None, map(parse_container_command, commands)):
            if container_command.android_id:
                if services := self.services_by_android_id.get(container_command.android_id, []):
                    yield services, f"it starts {container_command.android_id} in {container_command.runner}", ""
                continue
            # the whole name of the entry, and the part after `<container>-`, which `distrobox-export` adds
            entry_name = path.rpartition("/")[2][: -len(".desktop")]
            listed_services = [
                self.services_by_entry_name.get(part, []) for part in (entry_name, entry_name.partition("-")[2])
            ]
            for service in find_services(container_command.program, ""):
                is_certain = self._is_at_known_path(container_command.program, service) or any(
                    service in listed for listed in listed_services
                )
                doubt = "" if is_certain else NAME_ONLY_DOUBT
                yield (
                    [service],
                    f"it starts {container_command.program[:200]} in a container ({container_command.runner})",
                    doubt,
                )

    def _is_at_known_path(self, program: str, service: str) -> bool:
        """Return whether a program is at, or below, a path that the catalogue has for the service."""
        return len(program) <= MAX_PATH_CHARACTERS and any(
            (program + "/").startswith(path + "/") for path in self.paths_by_service[service]
        )

    def find_exported_scripts(
        self, host: Host, user: User, names: Sequence[str]
    ) -> Iterator[tuple[str, list[str], str, str]]:
        """Yield the scripts in a user's ~/.local/bin that start restricted programs in containers.

        `distrobox-export` writes such scripts. Each is yielded as (path, services, evidence, doubt), as in
        `identify_launcher`. `names` are the files in ~/.local/bin to check.
        """
        for path in (f"{user.home}/.local/bin/{name}" for name in names):
            (script,) = check_each([path], lambda path: [host.read_head(path, SCRIPT_HEAD_BYTES)])[0] or [b""]
            match = CALLED_PROGRAM_PATTERN.search(script) if DISTROBOX_MARK_PATTERN.search(script) else None
            program = match[1].decode("utf-8", "replace") if match else ""
            for service in self.services_by_program.get(program.rpartition("/")[2], ()):
                doubt = "" if self._is_at_known_path(program, service) else NAME_ONLY_DOUBT
                yield path, [service], f"it starts {program[:200]} in a container (distrobox)", doubt
