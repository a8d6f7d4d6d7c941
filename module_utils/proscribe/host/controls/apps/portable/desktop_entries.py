"""Parser of desktop entries and systemd units: programs that they start, web addresses that they open.

A desktop entry consists of `[Group]` lines and `Key=value` lines (Desktop Entry Specification). A systemd unit has the
same form.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Iterator, Mapping, Sequence

from .....base.lazy_patterns import DOTALL, IGNORECASE, compile_pattern
from .....base.named_tuple import NamedTuple
from .....model.plan import compute_once

if TYPE_CHECKING:
    from .....model.types.plan import PlanEntry

ADDRESS_PATTERN = compile_pattern(r"https?://[^\s\"'<>`|]+", IGNORECASE)
APP_ID_PATTERN = compile_pattern(r"(?:^|[^A-Za-z])(?:--app-id=|crx_)([a-p]{32})(?![a-z])")
ESCAPES = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
# Pieces of a command line. The pattern can split a text in a single way only. So the time is linear in the length of
# the text, and a user cannot make the parser slow.
_ARGUMENT_PATTERN = compile_pattern(r'"|\\.?|\s+|[^"\\\s]+', DOTALL)
_ESCAPE_PATTERN = compile_pattern(r"\\([sntr\\])")
# The characters that end the authority of a web address, and those that end its path.
_AUTHORITY_END_PATTERN, _PATH_END_PATTERN = compile_pattern(r"[/?#\\]"), compile_pattern(r"[?#]")
MAX_TITLE_CHARACTERS = 80  # longest name that is compared; the names of the catalogue are shorter
MAX_HOST_CHARACTERS = 253  # limit of RFC 1035
# Programs that only start another program, which follows on the command line.
STARTER_PROGRAMS = frozenset({"env", "nice", "ionice", "nohup", "setsid", "exec"})


class DesktopLauncher(NamedTuple):
    """Parts of a desktop entry or a unit that may identify a service."""

    commands: Sequence[Sequence[str]]  # each command is a program and its arguments
    addresses: Sequence[str]
    app_ids: Sequence[str]  # ids of web apps that a browser installed
    is_hidden: bool  # the user has disabled the entry
    titles: Sequence[str] = ()  # `Name` values that are not ASCII, in all languages of the entry


def parse_launcher(text: str, keys: Sequence[str] = ("Exec",), group: str = "Desktop Entry") -> DesktopLauncher:
    """Parse the text of a desktop entry or of a systemd unit.

    `keys` are the keys whose values are commands, and `group` is the group that has them. The defaults are those of a
    desktop entry. If a key occurs twice, both values count, although the specification forbids this. A text of another
    format gives an empty launcher.
    """
    entries: list[tuple[str, str]] = []
    current_group = ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            current_group = line.rstrip("]")[1:]
        elif not line.startswith(("#", ";")) and "=" in line:
            key, _, field_value = line.partition("=")
            if current_group == group or (key.strip() in keys and current_group.startswith("Desktop Action ")):
                entries.append((key.strip(), unescape_value(field_value.strip())))
    lines = [field_value for key, field_value in entries if key in keys]
    address_values = [field_value for key, field_value in entries if key in (*keys, "URL", "X-WebApp-URL")]
    return DesktopLauncher(
        [command for field_value in lines if (command := parse_arguments(field_value))],
        list(
            dict.fromkeys(
                address
                for field_value in address_values
                if "://" in field_value
                for address in ADDRESS_PATTERN.findall(field_value)
            )
        ),
        list(
            dict.fromkeys(
                app_id_text
                for field_value in address_values
                if _has_web_app_id(field_value)
                for app_id_text in APP_ID_PATTERN.findall(field_value)
            )
        ),
        any(key == "Hidden" and field_value.lower() == "true" for key, field_value in entries),
        tuple(
            dict.fromkeys(
                field_value
                for key, field_value in entries
                if _is_name_key(key) and len(field_value) <= MAX_TITLE_CHARACTERS and not field_value.isascii()
            )
        ),
    )


def _is_name_key(key: str) -> bool:
    """Return whether a key has the name of the app, in the default language or another: `Name`, `Name[de]`."""
    return key == "Name" or (key.startswith("Name[") and key.endswith("]"))


def _has_web_app_id(field_value: str) -> bool:
    """Return whether a value may contain the id of a web app: a fast check before the slow regular expression."""
    return "--app-id=" in field_value or "crx_" in field_value


def unescape_value(escaped_value: str) -> str:
    r"""Return the value of a key without the escapes of desktop entries, such as `\s` for a blank."""
    return (
        _ESCAPE_PATTERN.sub(lambda escape: ESCAPES[escape[1]], escaped_value)
        if "\\" in escaped_value
        else escaped_value
    )


def parse_arguments(command: str) -> list[str]:
    """Return the program and the arguments of an `Exec` line, without its field codes such as %U.

    A quotation without an end ends with the line.
    """
    if '"' not in command:
        return [word for word in command.split() if not _is_field_code(word)]
    words: list[list[str]] = [[]]
    is_quoted = False
    for piece in _ARGUMENT_PATTERN.findall(command):
        if piece == '"':
            is_quoted = not is_quoted
        elif is_quoted and piece[0] == "\\":
            words[-1].append(piece[1:])
        elif not is_quoted and piece[0].isspace():
            words.append([])
        # outside quotes, a backslash before a blank is an ordinary character, and the blank ends the argument
        elif piece[0] == "\\" and piece[1:].isspace():
            words[-1].append("\\")
            words.append([])
        # outside quotes, a backslash before a quote is an ordinary character, and the quote begins a quotation
        elif piece == '\\"':
            words[-1].append("\\")
            is_quoted = True
        else:
            words[-1].append(piece)
    arguments_found = map("".join, words)
    return [word for word in arguments_found if word and not _is_field_code(word)]


def _is_field_code(word: str) -> bool:
    """Return whether an argument is a placeholder for files or addresses: `%U`, or flatpak's `@@` and `@@u`."""
    return word in ("@@", "@@u") or (len(word) == 2 and word[0] == "%" and word.isascii() and word[1].isalpha())


def strip_starters(command: Sequence[str]) -> list[str]:
    """Return a command without what precedes the actual program.

    Left out are programs that only start another program (env, nice), their options, and assignments (`NAME=value`).
    """
    words = list(command)
    if words:
        words[0] = words[0].lstrip("-@:+!|")  # characters that systemd allows before the program of a unit's command
    return list(itertools.dropwhile(_is_before_program, words))


def parse_started_program(command: Sequence[str]) -> tuple[str, str]:
    """Return (program, flatpak id) of what a command starts.

    For `flatpak run ID`, the program is flatpak, and the id is that of the app. Otherwise the id is "". For
    `snap run NAME`, the program is the name. An empty command gives ("", "").
    """
    program, *rest = strip_starters(command) or [""]
    if program.rpartition("/")[2] == "flatpak" and "run" in rest:
        return program, next((word for word in rest[rest.index("run") + 1 :] if not word.startswith("-")), "")
    if program.rpartition("/")[2] == "snap" and rest[:1] == ["run"]:
        return next((word for word in rest[1:] if not word.startswith("-")), ""), ""
    return program, ""


def _is_before_program(word: str) -> bool:
    """Return whether a word of a command line precedes the program.

    Such a word is a starter (env, nice), an option or an assignment.
    """
    return word.rpartition("/")[2] in STARTER_PROGRAMS or word.startswith("-") or _is_assignment(word)


def _is_assignment(word: str) -> bool:
    """Return whether an argument sets a variable of the environment: `NAME=value`."""
    name, mark, _ = word.partition("=")
    return bool(mark) and name.isascii() and name.isidentifier()


def split_address(address: str) -> tuple[str, str]:
    """Return the host and the path of a web address in a form that can be compared.

    The host is in lower case, without user, port and last dot.
    """
    rest = address.partition("://")[2]
    authority = _AUTHORITY_END_PATTERN.split(rest, maxsplit=1)[0]
    host = authority.rpartition("@")[2].partition(":")[0].rstrip(".").lower()
    path = _PATH_END_PATTERN.split(rest[len(authority) :], maxsplit=1)[0]
    return host, path.replace("\\", "/")


class WebHosts:
    """Web addresses of the services: hosts with all their subdomains, or paths of a host."""

    def __init__(self, services: Mapping[str, PlanEntry]) -> None:
        self.paths_by_host: dict[str, list[tuple[str, str]]]
        self.allowed_hosts: dict[str, frozenset[str]]
        self.paths_by_host, self.allowed_hosts = compute_once(
            services, "apps/web hosts", lambda: _index_web_hosts(services)
        )
        self._services_by_app_id: dict[str, list[str]] | None = None

    def find_address_services(self, address: str) -> list[str]:
        """Return the services to which a web address belongs, each once.

        A service does not count if the address is on a host that the service leaves allowed (`web_allow`).
        """
        host, path = split_address(address)
        parent_hosts = list(_iterate_parent_hosts(host))
        services = [
            service
            for name in parent_hosts
            for path_prefix, service in self.paths_by_host.get(name, ())
            if _is_path_below(path, path_prefix) and self.allowed_hosts[service].isdisjoint(parent_hosts)
        ]
        return list(dict.fromkeys(services))

    def find_app_services(self, web_app_id: str) -> list[str]:
        """Return the services whose start page has the id `web_app_id` as a web app of Chromium.

        Chromium derives the id of an installed web app from the address of its start page.
        """
        if self._services_by_app_id is None:
            self._services_by_app_id = {}
            for host, parts in self.paths_by_host.items():
                for path_prefix, service in parts:
                    for address in dict.fromkeys(
                        f"https://{host}{path_prefix.rstrip('/')}{ending}" for ending in ("/", "")
                    ):
                        self._services_by_app_id.setdefault(make_web_app_id(address), []).append(service)
        return list(dict.fromkeys(self._services_by_app_id.get(web_app_id, ())))


def _index_web_hosts(
    services: Mapping[str, PlanEntry],
) -> tuple[dict[str, list[tuple[str, str]]], dict[str, frozenset[str]]]:
    """Return two indexes: by web host, pairs (path, service); by service, the web hosts that it leaves allowed.

    The path is "" if the service restricts the whole host.
    """
    hosts: dict[str, list[tuple[str, str]]] = {}
    for service, entry in services.items():
        for name in entry.get("web_hosts", ()):
            host, slash, path = name.partition("/")
            hosts.setdefault(host, []).append((slash + path, service))
    return hosts, {service: frozenset(entry.get("web_allow", ())) for service, entry in services.items()}


def _iterate_parent_hosts(host: str) -> Iterator[str]:
    """Yield a host, then each domain above it. Yield nothing for a host that is too long."""
    while host and len(host) <= MAX_HOST_CHARACTERS:
        yield host
        host = host.partition(".")[2]


def _is_path_below(path: str, prefix: str) -> bool:
    """Return whether the path of a web address is `prefix` or below it.

    Every path is below "".
    """
    prefix = prefix.rstrip("/")
    return path == prefix or path.startswith(prefix + "/")


def make_web_app_id(address: str) -> str:
    """Make the id of a web app: the first 32 digits of the double SHA-256 of its address, 0-f written as a-p.

    Source: chromium/chromium chrome/browser/web_applications/web_app_helpers.cc, components/crx_file/id_util.cc.
    """
    import hashlib  # loaded on demand: only hosts with web apps need it

    digits = hashlib.sha256(hashlib.sha256(address.encode("utf-8", "replace")).digest()).hexdigest()[:32]
    return digits.translate(str.maketrans("0123456789abcdef", "abcdefghijklmnop"))
