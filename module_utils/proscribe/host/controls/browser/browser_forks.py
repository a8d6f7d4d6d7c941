"""Browsers derived from Chromium that the catalogue does not have, detected by their desktop entries.

Every browser that a system installs registers with the desktop for web addresses. A browser derived from Chromium has
the path of its policies compiled in, as `/etc/<vendor>/policies`. A search of the binary takes some tenths of a second.
So the result is cached for as long as the binary stays the same.
"""

from __future__ import annotations

import os
import stat
from typing import Iterator, Mapping, Sequence

from ....base.json_text import format_json, parse_json
from ....base.lazy_patterns import MULTILINE, compile_pattern
from ....base.named_tuple import NamedTuple
from ...system import STATE_DIRECTORY, ControlError, Host, ObservationError
from .policy_places import OWN_FILE, PolicyPlace

REMEMBERED_FORKS_PATH = STATE_DIRECTORY + "/browser/forks.json"
DESKTOP_ENTRY_DIRECTORIES = ("/usr/share/applications", "/usr/local/share/applications")
PROGRAM_DIRECTORIES = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/games")
# separates launchers (about a thousandth of this size) from browsers' binaries (about ten times this size)
MIN_BINARY_BYTES = 20 * 1024 * 1024
_WEB_HANDLER_PATTERN = compile_pattern(r"^MimeType=(?:.*;)?x-scheme-handler/https?(?:;|$)", MULTILINE)
_COMMAND_PATTERN = compile_pattern(r"^Exec=(.+)$", MULTILINE)
_PROGRAM_PATH_PATTERN = compile_pattern(rb"/(?:opt|usr/lib|usr/lib64|usr/share)/[A-Za-z0-9][A-Za-z0-9._/-]{0,100}")
_POLICY_PATH_PATTERN = compile_pattern(rb"/etc/[A-Za-z0-9][A-Za-z0-9._/-]{0,100}/policies(?=\x00)")


class BrowserFork(NamedTuple):
    """Browser that the catalogue does not have: its binary, and the folder of its policies ("" if it is unknown)."""

    id: str
    binary: str
    policy_folder: str

    @property
    def place(self) -> PolicyPlace:
        """Place of Proscribe's policy file for this browser. Only meaningful if `policy_folder` is known."""
        return PolicyPlace(
            self.id,
            "chromium",
            f"{self.policy_folder}/managed/{OWN_FILE}",
            browsers=(self.id,),
            programs=(self.binary.rpartition("/")[2],),
        )


class ForkSearch(NamedTuple):
    """Browsers that were found, and the facts about their binaries for the cache."""

    forks: Sequence[BrowserFork]
    remembered_text: str  # new content of REMEMBERED_FORKS_PATH
    is_new: bool  # True if the facts differ from those in the cache


def find_forks(host: Host, known_places: Sequence[PolicyPlace]) -> ForkSearch:
    """Find the installed browsers whose programs belong to none of the known places.

    A binary that has not changed since an earlier run is not searched again: the cache has its policy folder. Browsers
    that read the policy file of a known place are left out.
    """
    earlier_facts = _read_remembered_forks(host)
    forks: dict[str, BrowserFork] = {}
    facts: dict[str, list[object]] = {}  # by binary, as in the cache
    # A browser of the catalogue is recognised by the name of its program, or by the folder where it is installed.
    programs = {program for place in known_places for program in place.programs}
    folders = {path.rpartition("/")[0] for place in known_places for path in place.paths} - set(PROGRAM_DIRECTORIES)
    for id_, target in _list_web_openers(host):
        folder, _, name = target.rpartition("/")
        if name in programs or folder in folders or target in forks:
            continue
        for binary, status in _list_binaries(host, target):
            fact = [status.st_size, status.st_mtime_ns]
            earlier_fact = earlier_facts.get(binary)
            policy_folder = (
                str(earlier_fact[2]) if earlier_fact and earlier_fact[:2] == fact else _find_policy_folder(host, binary)
            )
            facts[binary] = [*fact, policy_folder]
            forks[binary] = BrowserFork(id_, binary, policy_folder)
    # Facts about a removed browser stay, because its policy file may remain. With them, the lift (removal of all that
    # Proscribe did) finds and deletes that file.
    facts = {**{binary: fact for binary, fact in earlier_facts.items() if fact[2]}, **facts}
    remembered_text = format_json(dict(sorted(facts.items()))) + "\n"
    # a fork that reads a policy file of the catalogue needs no other file
    paths = {place.path for place in known_places}
    remaining_forks = [fork for fork in forks.values() if not fork.policy_folder or fork.place.path not in paths]
    return ForkSearch(remaining_forks, remembered_text, facts != earlier_facts)


def list_earlier_places(host: Host) -> list[PolicyPlace]:
    """Return the places of browsers that earlier runs found, whether or not the browser still exists."""
    folders_by_binary = {binary: str(fact[2]) for binary, fact in _read_remembered_forks(host).items()}
    return [
        BrowserFork("fork", binary, policy_folder).place
        for binary, policy_folder in folders_by_binary.items()
        if policy_folder
    ]


def _read_remembered_forks(host: Host) -> Mapping[str, list[object]]:
    """Return, by binary, [size, time of the last change in nanoseconds, policy folder]; {} without a valid cache."""
    try:
        facts = parse_json(host.read_file(REMEMBERED_FORKS_PATH) or b"{}")
        return {str(key): [int(fact[0]), int(fact[1]), str(fact[2])] for key, fact in facts.items()}
    except (ObservationError, ControlError, ValueError, TypeError, AttributeError, IndexError):
        return {}  # a damaged cache is no error, because it only saves time


def _list_web_openers(host: Host) -> Iterator[tuple[str, str]]:
    """Yield (name of the desktop entry, file that it runs) for each program that opens web addresses."""
    for folder in DESKTOP_ENTRY_DIRECTORIES:
        for name in host.list_directory(folder):
            if name.endswith(".desktop"):
                try:
                    text = host.read_text(f"{folder}/{name}") or ""
                    if (
                        "x-scheme-handler/http" in text
                        and _WEB_HANDLER_PATTERN.search(text)
                        and (command := _COMMAND_PATTERN.search(text))
                    ):
                        yield name[: -len(".desktop")], _find_program(host, command[1])
                except (ObservationError, ControlError, ValueError):
                    continue  # an entry that cannot be read or parsed cannot be started from a desktop either


def _find_program(host: Host, command: str) -> str:
    """Return the path of the file that the command of a desktop entry runs, with links resolved.

    A program that is in none of the usual directories is returned as the command names it. Raises ValueError for a
    command that cannot be parsed.
    """
    import shlex  # only a host with a desktop needs this import

    # `env` and assignments of variables may come before the program
    words = [word for word in shlex.split(command) if "=" not in word and word not in ("env", "/usr/bin/env")]
    if not words:
        raise ValueError("no command")
    places = [words[0]] if words[0].startswith("/") else [f"{folder}/{words[0]}" for folder in PROGRAM_DIRECTORIES]
    return next((host.resolve_link(place) for place in places if host.find_entry(place) is not None), words[0])


def _list_binaries(host: Host, target: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield (path, status) of the large executable files that a program (`target`) is or starts.

    A small program is a launcher: then large files beside it, or at paths in its text, are yielded. A file that
    accounts other than root may write is left out: a user's file must not choose a policy folder.
    """
    for path in dict.fromkeys([target, *_list_launched_paths(host, target)]):
        status = host.find_entry(path)
        if (
            status is None
            or not stat.S_ISREG(status.st_mode)
            or not status.st_mode & 0o111
            or status.st_size < MIN_BINARY_BYTES
        ):
            continue
        if not host.describe_write_access(path, status):
            yield path, status


def _list_launched_paths(host: Host, target: str) -> Iterator[str]:
    """Yield the paths that a launcher may start: paths in its text, usual folders of programs, files beside it.

    Of a folder, its files are yielded too. Nothing is yielded if the file is too large for a launcher.
    """
    status = host.find_entry(target)
    if status is None or not stat.S_ISREG(status.st_mode) or status.st_size >= MIN_BINARY_BYTES:
        return
    folder = target.rpartition("/")[0]
    named_paths = [path_bytes.decode().rstrip("/.") for path_bytes in host.search_file(target, _PROGRAM_PATH_PATTERN)]
    # Launch scripts of distributions assemble the path (LIBDIR=/usr/lib/$APPNAME), so their text does not have it.
    usual_paths = [f"{lib}/{target.rpartition('/')[2]}" for lib in ("/usr/lib", "/usr/lib64", "/opt")]
    for place in [*named_paths, *(usual_paths if folder in PROGRAM_DIRECTORIES else [folder])]:
        yield place
        yield from (f"{place}/{name}" for name in host.list_directory(place))


def _find_policy_folder(host: Host, binary: str) -> str:
    """Return the policy folder whose path is in a binary; "" if the binary has none, or more than one."""
    try:
        folders = {match.decode() for match in host.search_file(binary, _POLICY_PATH_PATTERN)}
    except (ObservationError, ControlError):
        return ""
    folders = {path for path in folders if ".." not in path and "//" not in path}
    return folders.pop() if len(folders) == 1 else ""
