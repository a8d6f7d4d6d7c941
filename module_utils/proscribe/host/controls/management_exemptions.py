"""The management exemptions: what a host depends on, and no control may cut: gateways, resolvers, package sources, the
connection it is managed over.

Read from files only: nothing is queried over the network here. What an ordinary user may not read is left out.
"""

from __future__ import annotations

import os
import sys
from typing import Iterable, Iterator, Sequence

from ...base.patterns import MULTILINE, compile_pattern
from ..system import ControlError, Host, ObservationError
from .forwarders import FORWARDERS

_HEX = frozenset("0123456789ABCDEFabcdef")
# Files and folders in which package managers name their mirrors and their proxy.
SOURCE_FILES = (
    "/etc/apt/sources.list",
    "/etc/apt/sources.list.d",
    "/etc/apt/apt.conf",
    "/etc/apt/apt.conf.d",
    "/etc/dnf/dnf.conf",
    "/etc/yum.repos.d",
    "/etc/zypp/repos.d",
    "/etc/pacman.d",
    "/etc/apk/repositories",
    "/etc/environment",
)
_SCHEMES = ("http", "https", "ftp")
_BEHIND = str.maketrans(dict.fromkeys(" \t\"'", "/"))  # what ends the part of a URL that has the host
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-")
_PARENT = compile_pattern(r"^PPid:\s*(\d+)", MULTILINE)
_GATEWAY_FLAG = 0x2  # RTF_GATEWAY of linux/route.h and linux/ipv6_route.h


def gateways(host: Host) -> list[str]:
    """The addresses of the default gateways, from the kernel's main routing tables."""
    found = []
    for line in _lines(host, "/proc/net/route"):
        field = line.split()
        if len(field) > 7 and field[1] == "00000000" and field[7] == "00000000" and int(field[3], 16) & _GATEWAY_FLAG:
            packed = int(field[2], 16).to_bytes(4, sys.byteorder)  # shown as a number of the host's own byte order
            found.append(".".join(map(str, packed)))
    for line in _lines(host, "/proc/net/ipv6_route"):
        field = line.split()
        if len(field) > 8 and set(field[0] + field[1]) == {"0"} and int(field[8], 16) & _GATEWAY_FLAG:
            found.append(":".join(field[4][i : i + 4] for i in range(0, 32, 4)))
    return found


def resolvers(host: Host) -> list[str]:
    """The addresses of the name servers that the host asks, itself or through a resolver of its own. Without zones and
    ports.
    """
    found: dict[str, None] = {}
    for paths, options in ((("/etc/resolv.conf",), ("nameserver ",)), *FORWARDERS):
        for file in (file for path in paths for file in _files(host, path)):
            found.update(dict.fromkeys(_servers(_lines(host, file), options)))
    return list(found)


def _servers(lines: Iterable[str], options: Sequence[str]) -> Iterator[str]:
    """The addresses in the lines that begin with an option. A line without any may have them in the next ones, each at
    the beginning: a list of YAML, a block in braces.
    """
    in_list = False
    for line in lines:
        value = _value(line, options)
        if value is not None:
            found = [*_addresses(value)]
            in_list = not found
        elif in_list and line[:1] not in ("", "#"):
            first = line.lstrip("-[{(\"' ")
            found = [one for one in _addresses(first) if first.startswith(one)]
            in_list = bool(found)
        else:
            continue
        yield from found


def _value(line: str, options: Sequence[str]) -> str | None:
    """What stands behind the one of some options that a line begins with; None where it begins with none."""
    for option in options:
        if line.startswith(option[:-1]):
            key, mark, value = line.replace("\t", " ").partition(option[-1])
            if mark and key.rstrip() == option[:-1]:
                return value
    return None


def _addresses(text: str) -> Iterator[str]:
    """The addresses in a text, as `/example.org/192.0.2.1#53`, `192.0.2.1@853#name`, `[2001:db8::1]:53` have them."""
    for word in "".join(letter if letter.isalnum() or letter in "_.:" else " " for letter in text).split():
        v4, v6 = word.partition(":")[0].split("."), word.split(":")
        if len(v4) == 4 and all(part.isdecimal() and len(part) <= 3 for part in v4):
            yield ".".join(v4)
        elif 3 <= len(v6) <= 8 and all(
            len(part) <= 4 and _HEX.issuperset(part) for part in [*v6[:-1], v6[-1].partition(".")[0]]
        ):
            yield word


def _hosts_of_urls(line: str) -> Iterator[str]:
    """The hosts of the URLs in a line, in lower case."""
    scheme, *rest = line.split("://")
    for text in rest:
        host = text.translate(_BEHIND).partition("/")[0].rpartition("@")[2].lower()
        name = host.partition(":")[0].rstrip(".-")
        if scheme.endswith(_SCHEMES) and host.startswith("["):
            yield host[1:].partition("]")[0]
        elif scheme.endswith(_SCHEMES) and name[:1].isalnum() and _LETTERS.issuperset(name):
            yield name
        scheme = text


def resolvers_need_tls(host: Host) -> bool:
    """Whether systemd-resolved takes answers over TLS only (`opportunistic` goes back to port 53 by itself)."""
    paths = ["/etc/systemd/resolved.conf", *_files(host, "/etc/systemd/resolved.conf.d")]
    said = [line.replace(" ", "").lower() for path in paths for line in _lines(host, path)]
    values = [line.partition("=")[2] for line in said if line.startswith("dnsovertls=")]
    return bool(values) and values[-1] in ("yes", "true", "on", "1")


def package_sources(host: Host) -> list[str]:
    """The hosts, names or addresses, of the URLs that package managers are configured with: mirrors and proxies."""
    found: dict[str, None] = {}
    for path in SOURCE_FILES:
        for file in _files(host, path):
            for line in _lines(host, file):
                if not line.startswith(("#", "//")):
                    found.update(dict.fromkeys(_hosts_of_urls(line)))
    return list(found)


def ssh_ports(host: Host) -> list[int]:
    """The ports that sshd is configured to listen on; 22 where there is none."""
    found = []
    for path in ("/etc/ssh/sshd_config", *_files(host, "/etc/ssh/sshd_config.d")):
        for line in _lines(host, path):
            word = line.replace("=", " ").split()
            if len(word) > 1 and word[0].lower() == "port":
                found.append(word[1])
            elif len(word) > 1 and word[0].lower() == "listenaddress" and (word[1].count(":") == 1 or "]:" in word[1]):
                found.append(word[1].rpartition(":")[2])
    return sorted({int(port) for port in found if port.isdigit() and 0 < int(port) < 65536} or {22})


def control_connections(host: Host) -> list[tuple[str, int]]:
    """The SSH connections that this run depends on: address of the other side, port on this side.

    sudo and su drop SSH_CONNECTION, but a parent on the way up to sshd still has it.
    """
    found: dict[tuple[str, int], None] = {}
    process = "self"
    for _ in range(32):  # a chain of parents is short; a loop is a race with a process that ended
        try:
            environment = (host.read_file(f"/proc/{process}/environ") or b"").decode("utf-8", "replace")
            status = host.read_text(f"/proc/{process}/status") or ""
        except (ObservationError, OSError):
            break
        for variable in environment.split("\0"):
            value = variable.partition("SSH_CONNECTION=")[2].split() if variable.startswith("SSH_CONNECTION=") else []
            if len(value) == 4 and value[3].isdigit():
                found[value[0].partition("%")[0], int(value[3])] = None
        parent = _PARENT.search(status)
        if parent is None or parent[1] == "0":
            break
        process = parent[1]
    return list(found)


def own_names(host: Host) -> set[str]:
    """The names that a host calls itself."""
    return {name.lower() for name in (os.uname().nodename, *_lines(host, "/etc/hostname")) if name}


def _files(host: Host, path: str) -> Iterator[str]:
    """The path itself if it is a file, the files in it if it is a folder."""
    try:
        names = host.list_directory(path)
    except (ObservationError, ControlError):
        return
    if not names:
        yield path
    yield from (f"{path}/{name}" for name in names if not name.endswith("~"))


def _lines(host: Host, path: str) -> list[str]:
    try:
        return [line.strip() for line in (host.read_text(path) or "").splitlines()]
    except (
        ObservationError,
        ControlError,
    ):  # a folder, a device, a link that a user made: nothing that a tool would read either
        return []
