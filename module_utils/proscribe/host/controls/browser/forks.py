"""Browsers that the catalogue does not have: relatives of Chromium, found by what they register with the desktop.

Every browser that a system installs registers with the desktop for web addresses. Where a relative of Chromium reads
its policies is compiled in, and stands in its binary as `/etc/<vendor>/policies`. To search it takes some tenths of a
second. So what was found is remembered for as long as the binary stays the same.
"""

from __future__ import annotations

import os
import stat
from typing import Iterator, Mapping, Sequence

from ....base.json_text import format_json, parse_json
from ....base.patterns import MULTILINE, compile_pattern
from ....base.tuples import NamedTuple
from ...system import STATE_DIRECTORY, ControlError, Host, ObservationError
from .places import OWN_FILE, Place

REMEMBERED = STATE_DIRECTORY + "/browser/forks.json"
ENTRIES = ("/usr/share/applications", "/usr/local/share/applications")
PATH = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/games")
LEAST = 20 * 1024 * 1024  # bytes; the binary of a browser is ten times as large, a launcher a thousandth
_OPENS_WEB = compile_pattern(r"^MimeType=(?:.*;)?x-scheme-handler/https?(?:;|$)", MULTILINE)
_EXEC = compile_pattern(r"^Exec=(.+)$", MULTILINE)
_PROGRAMS = compile_pattern(rb"/(?:opt|usr/lib|usr/lib64|usr/share)/[A-Za-z0-9][A-Za-z0-9._/-]{0,100}")
_POLICIES = compile_pattern(rb"/etc/[A-Za-z0-9][A-Za-z0-9._/-]{0,100}/policies(?=\x00)")


class Fork(NamedTuple):
    """A browser that the catalogue does not have: its binary, and the folder of its policies ("": none was found)."""

    id: str
    binary: str
    policies: str

    @property
    def place(self) -> Place:
        return Place(
            self.id,
            "chromium",
            f"{self.policies}/managed/{OWN_FILE}",
            browsers=(self.id,),
            programs=(self.binary.rpartition("/")[2],),
        )


class Found(NamedTuple):
    """The forks of a host, and what to remember of their binaries."""

    forks: Sequence[Fork]
    remembered: str  # for REMEMBERED
    new: bool  # whether it differs from what is remembered


def find_forks(host: Host, known: Sequence[Place]) -> Found:
    """Search for browsers that none of the known places has."""
    earlier = _earlier(host)
    forks: dict[str, Fork] = {}
    facts: dict[str, list[object]] = {}
    programs = {program for place in known for program in place.programs}
    folders = {path.rpartition("/")[0] for place in known for path in place.paths} - set(PATH)
    for id_, target in _openers(host):
        folder, _, name = target.rpartition("/")
        if name in programs or folder in folders or target in forks:
            continue
        for binary, seen in _binaries(host, target):
            fact = [seen.st_size, seen.st_mtime_ns]
            noted = earlier.get(binary)
            policies = str(noted[2]) if noted and noted[:2] == fact else _policies(host, binary)
            facts[binary] = [*fact, policies]
            forks[binary] = Fork(id_, binary, policies)
    # What is gone may have left its policy behind, which a lift takes away.
    facts = {**{binary: fact for binary, fact in earlier.items() if fact[2]}, **facts}
    remembered = format_json(dict(sorted(facts.items()))) + "\n"
    paths = {place.path for place in known}
    unknown = [fork for fork in forks.values() if not fork.policies or fork.place.path not in paths]
    return Found(unknown, remembered, facts != earlier)


def earlier_places(host: Host) -> list[Place]:
    """The places that an earlier run found, whether or not their browser is still there."""
    noted = {binary: str(fact[2]) for binary, fact in _earlier(host).items()}
    return [Fork("fork", binary, policies).place for binary, policies in noted.items() if policies]


def _earlier(host: Host) -> Mapping[str, list[object]]:
    try:
        noted = parse_json(host.read_file(REMEMBERED) or b"{}")
        return {str(key): [int(fact[0]), int(fact[1]), str(fact[2])] for key, fact in noted.items()}
    except (ObservationError, ControlError, ValueError, TypeError, AttributeError, IndexError):
        return {}  # it only saves time


def _openers(host: Host) -> Iterator[tuple[str, str]]:
    """The programs that open web addresses: the name of their desktop entry, and the file that is run."""
    for folder in ENTRIES:
        for name in host.list_directory(folder):
            if name.endswith(".desktop"):
                try:
                    text = host.read_text(f"{folder}/{name}") or ""
                    if "x-scheme-handler/http" in text and _OPENS_WEB.search(text) and (command := _EXEC.search(text)):
                        yield name[: -len(".desktop")], _program(host, command[1])
                except (ObservationError, ControlError, ValueError):
                    continue  # no desktop would start it either


def _program(host: Host, command: str) -> str:
    """The file that a desktop entry's command runs, links followed. Raises ValueError."""
    import shlex  # only a host with a desktop needs it

    words = [word for word in shlex.split(command) if "=" not in word and word not in ("env", "/usr/bin/env")]
    if not words:
        raise ValueError("no command")
    places = [words[0]] if words[0].startswith("/") else [f"{folder}/{words[0]}" for folder in PATH]
    return next((host.resolve_link(place) for place in places if host.find_entry(place) is not None), words[0])


def _binaries(host: Host, target: str) -> Iterator[tuple[str, os.stat_result]]:
    """The large file itself, or those to which a small launcher leads: beside it, or where its text says. Only what
    nobody but root writes: a policy folder that a user's file names is not made.
    """
    for path in dict.fromkeys([target, *_led_to(host, target)]):
        seen = host.find_entry(path)
        if seen is None or not stat.S_ISREG(seen.st_mode) or not seen.st_mode & 0o111 or seen.st_size < LEAST:
            continue
        if not host.describe_write_access(path, seen):
            yield path, seen


def _led_to(host: Host, target: str) -> Iterator[str]:
    seen = host.find_entry(target)
    if seen is None or not stat.S_ISREG(seen.st_mode) or seen.st_size >= LEAST:
        return
    folder = target.rpartition("/")[0]
    named = [found.decode().rstrip("/.") for found in host.search_file(target, _PROGRAMS)]
    # Scripts of distributions put the name together: LIBDIR=/usr/lib/$APPNAME.
    usual = [f"{lib}/{target.rpartition('/')[2]}" for lib in ("/usr/lib", "/usr/lib64", "/opt")]
    for place in [*named, *(usual if folder in PATH else [folder])]:
        yield place
        yield from (f"{place}/{name}" for name in host.list_directory(place))


def _policies(host: Host, binary: str) -> str:
    """The folder of a binary's policies; "" where none is found, or more than one."""
    try:
        found = {match.decode() for match in host.search_file(binary, _POLICIES)}
    except (ObservationError, ControlError):
        return ""
    found = {path for path in found if ".." not in path and "//" not in path}
    return found.pop() if len(found) == 1 else ""
