"""Desktop entries and units: what a line starts, and which web address it opens.

A desktop entry is `[Group]` lines and `Key=value` lines (Desktop Entry Specification); a systemd unit looks the same.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Iterator, Mapping, Sequence

from .....base.patterns import DOTALL, IGNORECASE, compile_pattern
from .....base.tuples import NamedTuple
from .....model.plan import compute_once

if TYPE_CHECKING:
    from .....model.types.plan import PlanEntry

ADDRESS = compile_pattern(r"https?://[^\s\"'<>`|]+", IGNORECASE)
APP_ID = compile_pattern(r"(?:^|[^A-Za-z])(?:--app-id=|crx_)([a-p]{32})(?![a-z])")
ESCAPES = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
# An argument's parts: each text is cut in one way only, so that cutting takes as long as the text is.
_PIECES = compile_pattern(r'"|\\.?|\s+|[^"\\\s]+', DOTALL)
_ESCAPE = compile_pattern(r"\\([sntr\\])")
_OF_AUTHORITY, _OF_PATH = compile_pattern(r"[/?#\\]"), compile_pattern(r"[?#]")  # what ends them
LONGEST_TITLE = 80  # characters of a name that is compared; the catalogue's are shorter
LONGEST_HOST = 253  # characters of a name (RFC 1035)
# What starts another program, which the rest of its line names.
STARTERS = frozenset({"env", "nice", "ionice", "nohup", "setsid", "exec"})


class Launcher(NamedTuple):
    """What of a desktop entry or a unit matters here."""

    commands: Sequence[Sequence[str]]  # each the arguments of a program
    addresses: Sequence[str]
    app_ids: Sequence[str]  # of web apps that a browser installed
    hidden: bool  # its user has switched it off
    titles: Sequence[str] = ()  # what it is called in scripts of their own, in each of its languages


def parse(text: str, keys: Sequence[str] = ("Exec",), group: str = "Desktop Entry") -> Launcher:
    """Read a desktop entry, or with `keys` and `group` of its own a unit. Of a key that stands twice in an entry, which
    the specification forbids, each counts. What is not an entry gives an empty launcher.
    """
    found: list[tuple[str, str]] = []
    inside = ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            inside = line.rstrip("]")[1:]
        elif not line.startswith(("#", ";")) and "=" in line:
            key, _, value = line.partition("=")
            if inside == group or (key.strip() in keys and inside.startswith("Desktop Action ")):
                found.append((key.strip(), unescaped(value.strip())))
    lines = [value for key, value in found if key in keys]
    said = [value for key, value in found if key in (*keys, "URL", "X-WebApp-URL")]
    return Launcher(
        [command for value in lines if (command := arguments(value))],
        list(dict.fromkeys(address for value in said if "://" in value for address in ADDRESS.findall(value))),
        list(dict.fromkeys(id_ for value in said if _is_of_web_app(value) for id_ in APP_ID.findall(value))),
        any(key == "Hidden" and value.lower() == "true" for key, value in found),
        tuple(
            dict.fromkeys(
                value for key, value in found if _is_name(key) and len(value) <= LONGEST_TITLE and not value.isascii()
            )
        ),
    )


def _is_name(key: str) -> bool:
    return key == "Name" or (key.startswith("Name[") and key.endswith("]"))


def _is_of_web_app(value: str) -> bool:
    return "--app-id=" in value or "crx_" in value


def unescaped(value: str) -> str:
    """A value without the escapes of the format."""
    return _ESCAPE.sub(lambda escape: ESCAPES[escape[1]], value) if "\\" in value else value


def arguments(command: str) -> list[str]:
    """The arguments of an `Exec` line, without its field codes (%U); a quotation that does not end, ends with it."""
    if '"' not in command:
        return [word for word in command.split() if not _is_field(word)]
    words: list[list[str]] = [[]]
    quoted = False
    for piece in _PIECES.findall(command):
        if piece == '"':
            quoted = not quoted
        elif quoted and piece[0] == "\\":
            words[-1].append(piece[1:])
        elif not quoted and piece[0].isspace():
            words.append([])
        elif piece[0] == "\\" and piece[1:].isspace():
            words[-1].append("\\")
            words.append([])
        elif piece == '\\"':
            words[-1].append("\\")
            quoted = True
        else:
            words[-1].append(piece)
    found = map("".join, words)
    return [word for word in found if word and not _is_field(word)]


def _is_field(word: str) -> bool:
    return word in ("@@", "@@u") or (len(word) == 2 and word[0] == "%" and word.isascii() and word[1].isalpha())


def bare(command: Sequence[str]) -> list[str]:
    """A command from the program on that it starts, without what stands before that."""
    words = list(command)
    if words:
        words[0] = words[0].lstrip("-@:+!|")  # the prefixes of a unit's commands
    return list(itertools.dropwhile(_before, words))


def started(command: Sequence[str]) -> tuple[str, str]:
    """The program that a command starts, and the flatpak app if that is one: (program, id)."""
    program, *rest = bare(command) or [""]
    if program.rpartition("/")[2] == "flatpak" and "run" in rest:
        return program, next((word for word in rest[rest.index("run") + 1 :] if not word.startswith("-")), "")
    if program.rpartition("/")[2] == "snap" and rest[:1] == ["run"]:
        return next((word for word in rest[1:] if not word.startswith("-")), ""), ""
    return program, ""


def _before(word: str) -> bool:
    """Whether a word stands before the program that a line starts."""
    return word.rpartition("/")[2] in STARTERS or word.startswith("-") or _assigns(word)


def _assigns(word: str) -> bool:
    name, mark, _ = word.partition("=")
    return bool(mark) and name.isascii() and name.isidentifier()


def split(address: str) -> tuple[str, str]:
    """Host and path of a web address, both as compared: the host without user, port and last dot, in lower case."""
    rest = address.partition("://")[2]
    authority = _OF_AUTHORITY.split(rest, maxsplit=1)[0]
    host = authority.rpartition("@")[2].partition(":")[0].rstrip(".").lower()
    path = _OF_PATH.split(rest[len(authority) :], maxsplit=1)[0]
    return host, path.replace("\\", "/")


class WebHosts:
    """The addresses of some services: hosts with all below them, or one part of a host."""

    def __init__(self, services: Mapping[str, PlanEntry]) -> None:
        self.hosts: dict[str, list[tuple[str, str]]]
        self.allowed: dict[str, frozenset[str]]
        self.hosts, self.allowed = compute_once(services, "apps/web hosts", lambda: _hosts(services))
        self._ids: dict[str, list[str]] | None = None

    def services(self, address: str) -> list[str]:
        """Whose address that is, each once."""
        host, path = split(address)
        above = list(_above(host))
        found = [
            service
            for name in above
            for part, service in self.hosts.get(name, ())
            if _begins(path, part) and self.allowed[service].isdisjoint(above)
        ]
        return list(dict.fromkeys(found))

    def services_of_app(self, id_: str) -> list[str]:
        """Whose start page a web app is, by the id that Chromium makes of its address."""
        if self._ids is None:
            self._ids = {}
            for host, parts in self.hosts.items():
                for part, service in parts:
                    for address in dict.fromkeys(f"https://{host}{part.rstrip('/')}{end}" for end in ("/", "")):
                        self._ids.setdefault(app_id(address), []).append(service)
        return list(dict.fromkeys(self._ids.get(id_, ())))


def _hosts(services: Mapping[str, PlanEntry]) -> tuple[dict[str, list[tuple[str, str]]], dict[str, frozenset[str]]]:
    hosts: dict[str, list[tuple[str, str]]] = {}
    for service, entry in services.items():
        for name in entry.get("web_hosts", ()):
            host, slash, path = name.partition("/")
            hosts.setdefault(host, []).append((slash + path, service))
    return hosts, {service: frozenset(entry.get("web_allow", ())) for service, entry in services.items()}


def _above(host: str) -> Iterator[str]:
    while host and len(host) <= LONGEST_HOST:
        yield host
        host = host.partition(".")[2]


def _begins(path: str, part: str) -> bool:
    part = part.rstrip("/")
    return path == part or path.startswith(part + "/")


def app_id(address: str) -> str:
    """The id of a web app: of the SHA-256 of the SHA-256 of its address the first 32 digits, 0-f written as a-p
    (chromium/chromium chrome/browser/web_applications/web_app_helpers.cc, components/crx_file/id_util.cc).
    """
    import hashlib  # only a host with web apps pays for it

    digits = hashlib.sha256(hashlib.sha256(address.encode("utf-8", "replace")).digest()).hexdigest()[:32]
    return digits.translate(str.maketrans("0123456789abcdef", "abcdefghijklmnop"))
