"""The syntax of identifiers: domains, networks, names of packages, programs, files and extensions.

Each check takes a text and returns "" if it is well-formed, else the expected text. Identifiers end up in argument
lists, packet filter sets, policy files and lines of /etc/hosts. On hosts Proscribe is root. So these grammars permit no
control character, quote or backslash. Paths of Windows contain backslashes, but are never sent to a host.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from ....base.lazy_patterns import compile_pattern
from ....base.name_folding import fold_name
from ...policy_errors import propose_similar_names
from . import package_names
from .networks import NetworkTable

Check = Callable[[str], str]

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_TOP_LABEL = r"(?:[a-z]{2,63}|xn--[a-z0-9-]{1,59})"
_HOST_PATTERN = compile_pattern(rf"(?=.{{4,253}}\Z)(?:{_LABEL}\.)+{_TOP_LABEL}")
# Second-level names for registrations, in nearly every country that has them. The rest of the Public Suffix List is not
# worth its 300 kB here.
_PUBLIC_SUFFIX_PATTERN = compile_pattern(
    r"(?:(?:ac|co|com|edu|gov|mil|ne|net|or|org)\.[a-z]{2}|(?:ltd|me|plc|sch)\.uk)"
)
# Reserved for names that DNS itself, a host, or no resolver answers: reverse zones, home networks, localhost (RFC 6761,
# 8375, 9476, 3172). No service has a name there. known_good.py has the zones of organisations' own networks.
_RESERVED_LABELS = ("alt", "arpa", "invalid", "localhost")
_URL_PATH_PATTERN = compile_pattern(r"/[A-Za-z0-9._~/-]+")

HOST_DESCRIPTION = "a host name such as mail.example.com"

# Group names as in the user database. A number is refused, because it may be another group on another host.
POSIX_GROUP_PATTERN = compile_pattern(r"""(?!-|\d+$)[^\s:/,"']{1,100}""")
MAX_GROUPS = 20  # most groups in a waiver or a restriction: a host resolves each group


def check_domain(text: str) -> str:
    """A host name in lower case (RFC 1123), of two labels or more, not a public suffix. Names below it are included."""
    top_label = text.rpartition(".")[2]
    if problem := check_host_name(text):
        return problem
    return (
        f"{HOST_DESCRIPTION}: .{top_label} is reserved, no service has a name there"
        if top_label in _RESERVED_LABELS
        else ""
    )


def check_host_name(text: str) -> str:
    """Check a host name in lower case (RFC 1123). Reserved names are well-formed, too, for names not to block."""
    if "://" in text or "/" in text:
        return f"{HOST_DESCRIPTION}, without scheme and path (a page has its place under urls)"
    if text.startswith(("*", ".")):
        return f"{HOST_DESCRIPTION}: all names below it are included without a wildcard"
    if text.endswith("."):
        return f"{HOST_DESCRIPTION}, without a dot at its end"
    if text != text.lower():
        return f"{HOST_DESCRIPTION}, in lower case"
    if not text.isascii():
        return f"{HOST_DESCRIPTION}, international names in their xn-- form"
    if text.isalpha() or _PUBLIC_SUFFIX_PATTERN.fullmatch(text):
        return f"{HOST_DESCRIPTION}: this one is a public suffix"
    return "" if _HOST_PATTERN.fullmatch(text) else HOST_DESCRIPTION


def check_url(text: str) -> str:
    """A host, or a host and a path, without scheme: `www.example.com/mail`."""
    host, slash, path = text.partition("/")
    if "://" in text or check_domain(host) or (slash and not _URL_PATH_PATTERN.fullmatch("/" + path)):
        return "a host, or a host with a path such as www.example.com/mail, without scheme, query and wildcard"
    return ""


# Networks whose loss would cut a host off from itself, its neighbours or its own organisation. Source: IANA's registry
# of special-purpose addresses. Its documentation networks are left out: no host needs them, and examples do.
_OWN_NETWORKS = NetworkTable(
    dict.fromkeys(
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "224.0.0.0/3",
        ),
        "every host",
    )
)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_MIN_PREFIX_LENGTHS = {4: 12, 6: 24}  # by IP version: the shortest prefix that can still belong to a single service


def check_network(text: str) -> str:
    """A public network in canonical CIDR notation, with a prefix length of at least 12 (IPv4) or 24 (IPv6)."""
    example = "a network such as 198.51.100.0/24 or 2001:db8::/48; a single address is a /32 or /128"
    try:
        net = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return example
    if "%" in text:  # Python accepts any text as the zone of an address
        return example
    if "/" not in text:
        return f"{net}: {example}"
    if net.prefixlen < _MIN_PREFIX_LENGTHS[net.version]:
        return f"a network of one service: at least /{_MIN_PREFIX_LENGTHS[net.version]}"
    if _OWN_NETWORKS.find_text(net) or isinstance(net, ipaddress.IPv6Network) and not net.subnet_of(_GLOBAL_UNICAST):
        return "a network of the public Internet, not a private, local or multicast one"
    return "" if str(net) == text else f"{net}, the network's canonical form"


@dataclass(frozen=True)
class PatternCheck:
    """A check by a regular expression over the whole text."""

    pattern: re.Pattern[str]
    expected: str

    def __call__(self, text: str) -> str:
        return "" if self.pattern.fullmatch(text) else self.expected


@dataclass(frozen=True)
class WordCheck:
    """A check for a member of a short list of words."""

    words: tuple[str, ...]

    def __call__(self, text: str) -> str:
        return "" if text in self.words else f"one of {', '.join(self.words)}{propose_similar_names(text, self.words)}"


def make_pattern_check(expression: str, expected: str) -> Check:
    """Return a check by a regular expression. `expected` is its message."""
    return PatternCheck(compile_pattern(expression), expected)


def make_word_check(*words: str) -> Check:
    """Return a check for membership in these words."""
    return WordCheck(words)


check_service_id = make_pattern_check(
    r"[a-z][a-z0-9_]{0,63}", "an id: lower case letters, digits and _, a letter first"
)


def check_label(text: str) -> str:
    """A line of text for hosts and reports: at most 120 characters, without quotes, backslash, $, <, >, { and }."""
    is_valid = text.isprintable() and 0 < len(text) <= 120 and not set(text) & set("\"'`\\$<>{}")
    return "" if is_valid else "one line of at most 120 characters, without quotes, backslash, $, <, >, { and }"


def check_native_name(text: str) -> str:
    """A name in a writing system other than Latin, 2 to 40 characters. Case and width do not count in comparisons."""
    if check_label(text) or text.isascii() or not 2 <= len(text) <= 40 or "/" in text or text != text.strip():
        return "a name in a script of its own such as 微信, 2 to 40 characters; Latin names are known by `name`"
    if unicodedata.normalize("NFC", text) != text:
        return f"{unicodedata.normalize('NFC', text)}, in Unicode's composed form (NFC)"
    # Imported here, because it loads all of the apps, and a run with a cached catalogue does not need them.
    from ....host.controls.apps.portable.appimage import make_name_stem

    # Hosts compare this name with names of files, from which they strip version, processor and suffix.
    return "" if make_name_stem(text) == fold_name(text) else "a name without version, processor and suffix of a file"


def check_prose(text: str) -> str:
    """Explanatory text on a single line, at most 1000 characters. It never leaves the controller."""
    return "" if text.isprintable() and 0 < len(text) <= 1000 else "one line of printable text, at most 1000 characters"


def check_day(text: str) -> str:
    """A day (ISO 8601) such as 2026-11-26, at most a day in the future, because clocks differ."""
    tomorrow = datetime.datetime.now(datetime.timezone.utc).date() + datetime.timedelta(days=1)
    with contextlib.suppress(ValueError):
        if datetime.date.fromisoformat(text) <= tomorrow:
            return ""
    return "a day such as 2026-11-26, not in the future"


# Package names on Linux, as each package system declares them, and on other systems. winget and Chocolatey: by their
# own repositories.
PACKAGE_NAMES: dict[str, Check] = {
    **{key: make_pattern_check(*spelled) for key, spelled in package_names.NAMES.items()},
    "winget": make_pattern_check(
        r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9+_-]+)+|msstore:[0-9A-Z]{12}",
        "a winget id such as Vendor.Program or msstore:<id>",
    ),
    "choco": make_pattern_check(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", "a Chocolatey id: letters, digits, . _ -"),
    "appx": make_pattern_check(
        r"[A-Za-z0-9.-]{3,50}(?:_[a-z0-9]{13})?", "an appx package name, with its publisher hash or without"
    ),
}

# Programs that other software uses: ending or blocking them would break that software.
_SHARED_PROGRAMS = compile_pattern(
    r"(?:python|perl|ruby|node|php|lua)[0-9.]*|pypy.*|(?:ba|da|z|k|c|tc|fi)?sh|busybox|env|sudo|su|java|mono|wine.*|electron[0-9]*"
    r"|systemd.*|init|sshd.*|ssh|dbus-.*|flatpak|snap|bwrap|apt.*|dpkg.*|rpm|dnf.*|pacman|cron|crond|login|Xorg|gnome-shell"
)


def check_program(text: str) -> str:
    """The base name of an executable on Linux that no other software uses."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}", text):
        return "the base name of a program: letters, digits, . _ + -, without directory"
    return "a program of this service alone: other software runs it too" if _SHARED_PROGRAMS.fullmatch(text) else ""


_GO_PACKAGE_PATTERN = compile_pattern(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+(?:/[A-Za-z0-9._~-]+)*")


def check_go_package(text: str) -> str:
    """The import path of a Go package or module (The Go Modules Reference, "Module paths")."""
    return (
        ""
        if _GO_PACKAGE_PATTERN.fullmatch(text)
        else "the path of a Go module or package, such as github.com/owner/name"
    )


_PATH_PATTERN = compile_pattern(r"(?:~|/[A-Za-z0-9._+@-]+)(?:/[A-Za-z0-9 ._+@()=,&-]+)*")
_SYSTEM_DIRECTORIES = compile_pattern(
    r"/(?:bin|boot|dev|etc|lib|lib32|lib64|proc|root|run|sbin|sys|lost\+found)(?:/.*)?"
)
_SHARED_DIRECTORIES = compile_pattern(
    r"/[^/]+|/opt/(?:apps|google|local)|/usr/(?:local/)?[a-z0-9]+|/usr/lib/[a-z0-9_]+-linux-gnu[a-z0-9]*|/usr/(?:local/)?share/[a-z]+s"
    r"|/var/[a-z]+|/var/lib/(?:apt|dpkg|flatpak|rpm|pacman|snapd|proscribe)(?:/.*)?"
    r"|~|~/(?:\.cache|\.config|\.local|\.local/[a-z]+|\.mozilla|\.var|\.var/app|Desktop|Documents|Downloads|Pictures|Music|Videos)"
)


def check_path(text: str) -> str:
    """An absolute path on Linux, or a path below every user's home (`~/`), that belongs to the service alone."""
    steps = text.split("/")
    if (
        not _PATH_PATTERN.fullmatch(text)
        or "." in steps
        or ".." in steps
        or any(step != step.strip() for step in steps)
    ):
        return "an absolute path, or one that starts with ~/, without .., patterns and special characters"
    if _SYSTEM_DIRECTORIES.fullmatch(text) or _SHARED_DIRECTORIES.fullmatch(text):
        return "a path of this service alone, not one that the system or other programs use"
    return ""


# A flatpak installation fills in <id>, <arch> and <branch>.
check_policy_path = make_pattern_check(
    r"(?:/[A-Za-z0-9_-](?:[A-Za-z0-9._-]*)|/<(?:id|arch|branch)>|/[A-Za-z0-9_-][A-Za-z0-9._-]*\.<id>)+",
    "an absolute path, with <id>, <arch> or <branch> where the installation decides",
)
check_windows_path = make_pattern_check(
    r"%[A-Za-z()0-9]+%(?:\\[A-Za-z0-9 ._()+-]+)+", "a path such as %ProgramFiles%\\Vendor\\Program.exe"
)
_IMAGE = r"[A-Za-z0-9][A-Za-z0-9 ._+-]*\.exe"
# Image names of many programs: parts of Windows, runtimes, and usual names in installers.
_SHARED_IMAGES = compile_pattern(
    r"(?:agent|app|application|browser|brave|chrome|client|cmd|conhost|crashpad_handler|cscript|dashboard|dllhost|electron"
    r"|explorer|firefox|helper|host|iexplore|install(?:er)?|javaw?|launcher|main|msedge(?:webview2)?|mshta|msiexec|node"
    r"|nw|powershell|program|pwsh|pythonw?|regsvr32|rundll32|server|service|setup|start|stub|svchost|taskhostw|tray"
    r"|unins[0-9]*|uninstall(?:er)?|updater?|winword|excel|wscript)\.exe"
)


def check_windows_program(text: str) -> str:
    """The image name of a program on Windows that no other software uses."""
    if not re.fullmatch(_IMAGE, text):
        return "the base name of a program, ending in .exe"
    is_shared = _SHARED_IMAGES.fullmatch(text.lower())
    return "an image name of this service alone: other programs have it too" if is_shared else ""


def check_program_file_name(text: str) -> str:
    """The file name of a program on Windows, in lower case."""
    is_image = re.fullmatch(_IMAGE, text) and text == text.lower()
    return "" if is_image else "the file name of a program in lower case, ending in .exe"


# Apple's own applications whose names a service could have, too, and usual names of web page wrappers.
_APPLE_APPS = compile_pattern(
    r"(?:app|app store|books|calendar|chrome apps?|contacts|electron|facetime|find my|finder|home|installer|mail|maps"
    r"|messages|music|news|notes|passwords|phone|photos|podcasts|preview|reminders|safari|setup|shortcuts|stocks"
    r"|system settings|terminal|tv|updater?|voice memos|weather)\.app"
)


def check_mac_app(text: str) -> str:
    """The file name of an application on macOS that no other software uses."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,60}\.app", text):
        return "the file name of an application, ending in .app"
    return (
        "a file name of this service alone: other applications have it too"
        if _APPLE_APPS.fullmatch(text.lower())
        else ""
    )


check_uninstall_key = make_pattern_check(
    r"[^\s\\/][^\\/\x00-\x1f\x7f]{0,118}[^\s\\/]", "the name of an uninstall key, without a path"
)
check_registered_name = make_pattern_check(
    r"[^\s\\][^\\\x00-\x1f\x7f]{0,98} by [^\s\\][^\\\x00-\x1f\x7f]{1,98}",
    "the name that an installer registers, and its publisher: Parrot by Parrot Messaging Ltd",
)
check_desktop_file = make_pattern_check(
    r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,120}\.desktop", "the file name of a desktop entry, without directory"
)
check_chrome_extension = make_pattern_check(r"[a-p]{32}", "the id of a Chrome extension: 32 letters from a to p")
check_firefox_extension = make_pattern_check(
    r"\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}|[A-Za-z0-9._-]{0,60}@[A-Za-z0-9._-]{1,60}",
    "the id of a Firefox add-on, {guid} or name@vendor",
)
check_bundle_id = make_pattern_check(
    r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9_-]+)+", "a macOS bundle identifier such as com.example.App"
)
# Apple assigns the identifier of a team. A signed program has its own, usually that of the bundle. "platform" in place
# of a team would be a part of macOS itself.
check_team_id = make_pattern_check(
    r"[A-Z0-9]{10}", "the identifier of a team of Apple's developers, ten capital letters and digits"
)
check_signing_id = make_pattern_check(
    r"[A-Z0-9]{10}:[A-Za-z0-9][A-Za-z0-9._-]{0,199}",
    "a team and the identifier that it signs the program with, such as EXAMPLE123:com.example.App",
)
# RFC 9110, section 5.6.2: a field name is a token.
check_header_name = make_pattern_check(r"[A-Za-z0-9-]{1,80}", "the name of an HTTP header")
check_header_value = make_pattern_check(r"[A-Za-z0-9.,:/_-]{1,200}", "the value of an HTTP header")
