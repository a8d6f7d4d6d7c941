"""Management exemptions: gateways, resolvers, package sources and the management connection of a host.

The host depends on these addresses, and no control may cut them. They are read from files only, without queries over
the network. Files that an ordinary user cannot read are left out.
"""

from __future__ import annotations

import os
import sys
from typing import Iterable, Iterator, Sequence

from ...base.lazy_patterns import MULTILINE, compile_pattern
from ..system import ControlError, Host, ObservationError
from .forwarders import FORWARDER_SETTINGS

_HEX_DIGITS = frozenset("0123456789ABCDEFabcdef")
# Files and folders with the mirrors and proxies of package managers.
PACKAGE_SOURCE_PATHS = (
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
_URL_SCHEMES = ("http", "https", "ftp")
_HOST_END_TABLE = str.maketrans(dict.fromkeys(" \t\"'", "/"))  # characters that end the host part of a URL
_HOST_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-")
_PARENT_PID_PATTERN = compile_pattern(r"^PPid:\s*(\d+)", MULTILINE)
_GATEWAY_FLAG = 0x2  # RTF_GATEWAY of linux/route.h and linux/ipv6_route.h


def read_gateways(host: Host) -> list[str]:
    """Return the addresses of the default gateways, from the kernel's main routing tables."""
    addresses = []
    # Fields: [1] is the destination, [2] the gateway, [3] the flags, [7] the mask. Destination and mask of a default
    # route are zero.
    for line in _read_lines(host, "/proc/net/route"):
        fields = line.split()
        if (
            len(fields) > 7
            and fields[1] == "00000000"
            and fields[7] == "00000000"
            and int(fields[3], 16) & _GATEWAY_FLAG
        ):
            # The kernel prints the address as a number in the byte order of the host.
            packed = int(fields[2], 16).to_bytes(4, sys.byteorder)
            addresses.append(".".join(map(str, packed)))
    # Fields: [0] is the destination, [1] its prefix length, [4] the gateway, [8] the flags.
    for line in _read_lines(host, "/proc/net/ipv6_route"):
        fields = line.split()
        if len(fields) > 8 and set(fields[0] + fields[1]) == {"0"} and int(fields[8], 16) & _GATEWAY_FLAG:
            addresses.append(":".join(fields[4][i : i + 4] for i in range(0, 32, 4)))
    return addresses


def read_resolvers(host: Host) -> list[str]:
    """Return the addresses of the name servers that the host queries, without ports and IPv6 zones.

    If a resolver on the host queries other servers, these servers are included.
    """
    addresses: dict[str, None] = {}
    for paths, options in ((("/etc/resolv.conf",), ("nameserver ",)), *FORWARDER_SETTINGS):
        for file in (file for path in paths for file in _list_files(host, path)):
            addresses.update(dict.fromkeys(_read_servers(_read_lines(host, file), options)))
    return list(addresses)


def _read_servers(lines: Iterable[str], options: Sequence[str]) -> Iterator[str]:
    """Yield the addresses of name servers in the lines that begin with one of the options.

    If such a line has no address, the next lines may begin with addresses. Examples are a list in YAML, and addresses
    in braces.
    """
    in_list = False
    for line in lines:
        option_value = _read_option_value(line, options)
        if option_value is not None:
            addresses = [*_find_addresses(option_value)]
            in_list = not addresses
        elif in_list and line[:1] not in ("", "#"):
            rest = line.lstrip("-[{(\"' ")
            addresses = [address for address in _find_addresses(rest) if rest.startswith(address)]
            in_list = bool(addresses)
        else:
            continue
        yield from addresses


def _read_option_value(line: str, options: Sequence[str]) -> str | None:
    """Return the text after the option that a line begins with; None if it begins with no option.

    The last character of an option separates it from its value: "nameserver ", "server=".
    """
    for option in options:
        if line.startswith(option[:-1]):
            key, mark, option_value = line.replace("\t", " ").partition(option[-1])
            if mark and key.rstrip() == option[:-1]:
                return option_value
    return None


def _find_addresses(text: str) -> Iterator[str]:
    """Yield the addresses in a text, such as `/example.org/192.0.2.1#53`, `192.0.2.1@853#name`, `[2001:db8::1]:53`."""
    for word in "".join(letter if letter.isalnum() or letter in "_.:" else " " for letter in text).split():
        # An IPv6 address may end with an IPv4 address, of which only the first number is checked.
        v4, v6 = word.partition(":")[0].split("."), word.split(":")
        if len(v4) == 4 and all(part.isdecimal() and len(part) <= 3 for part in v4):
            yield ".".join(v4)
        elif 3 <= len(v6) <= 8 and all(
            len(part) <= 4 and _HEX_DIGITS.issuperset(part) for part in [*v6[:-1], v6[-1].partition(".")[0]]
        ):
            yield word


def _find_url_hosts(line: str) -> Iterator[str]:
    """Yield the hosts of the URLs in a line, in lower case."""
    text_before, *texts_after = line.split("://")
    for text in texts_after:
        host = text.translate(_HOST_END_TABLE).partition("/")[0].rpartition("@")[2].lower()
        name = host.partition(":")[0].rstrip(".-")
        if text_before.endswith(_URL_SCHEMES) and host.startswith("["):  # an IPv6 address
            yield host[1:].partition("]")[0]
        elif text_before.endswith(_URL_SCHEMES) and name[:1].isalnum() and _HOST_CHARACTERS.issuperset(name):
            yield name
        text_before = text


def is_resolver_tls_required(host: Host) -> bool:
    """Return whether systemd-resolved is configured to use DNS over TLS only.

    The value `opportunistic` does not count: it falls back to port 53 by itself.
    """
    paths = ["/etc/systemd/resolved.conf", *_list_files(host, "/etc/systemd/resolved.conf.d")]
    lines = [line.replace(" ", "").lower() for path in paths for line in _read_lines(host, path)]
    values = [line.partition("=")[2] for line in lines if line.startswith("dnsovertls=")]
    # of several lines, the last counts
    return bool(values) and values[-1] in ("yes", "true", "on", "1")


def read_package_sources(host: Host) -> list[str]:
    """Return the hosts of the mirrors and proxies that package managers use, as names or addresses."""
    source_hosts: dict[str, None] = {}
    for path in PACKAGE_SOURCE_PATHS:
        for file in _list_files(host, path):
            for line in _read_lines(host, file):
                if not line.startswith(("#", "//")):
                    source_hosts.update(dict.fromkeys(_find_url_hosts(line)))
    return list(source_hosts)


def read_ssh_ports(host: Host) -> list[int]:
    """Return the ports that sshd is configured to listen on, sorted; [22] if none is configured."""
    ports = []
    for path in ("/etc/ssh/sshd_config", *_list_files(host, "/etc/ssh/sshd_config.d")):
        for line in _read_lines(host, path):
            words = line.replace("=", " ").split()
            if len(words) > 1 and words[0].lower() == "port":
                ports.append(words[1])
            elif (
                len(words) > 1
                # only `host:port` and `[IPv6]:port` have a port: two or more colons without brackets are a bare IPv6
                # address
                and words[0].lower() == "listenaddress"
                and (words[1].count(":") == 1 or "]:" in words[1])
            ):
                ports.append(words[1].rpartition(":")[2])
    return sorted({int(port) for port in ports if port.isdigit() and 0 < int(port) < 65536} or {22})


def find_control_connections(host: Host) -> list[tuple[str, int]]:
    """Return the SSH connections that this run depends on: remote address and local port.

    sudo and su drop SSH_CONNECTION, but a parent process below sshd still has it.
    """
    connections: dict[tuple[str, int], None] = {}
    process = "self"
    # a process has few ancestors; an endless loop could result if a process ends meanwhile and its id is used again
    for _ in range(32):
        try:
            environment = (host.read_file(f"/proc/{process}/environ") or b"").decode("utf-8", "replace")
            status = host.read_text(f"/proc/{process}/status") or ""
        except (ObservationError, OSError):
            break
        for variable in environment.split("\0"):
            # SSH_CONNECTION=<remote address> <remote port> <local address> <local port>
            fields = variable.partition("SSH_CONNECTION=")[2].split() if variable.startswith("SSH_CONNECTION=") else []
            if len(fields) == 4 and fields[3].isdigit():
                connections[fields[0].partition("%")[0], int(fields[3])] = None
        parent = _PARENT_PID_PATTERN.search(status)
        if parent is None or parent[1] == "0":
            break
        process = parent[1]
    return list(connections)


def read_own_names(host: Host) -> set[str]:
    """Return the names of the host itself, in lower case: its node name, and the lines of /etc/hostname."""
    return {name.lower() for name in (os.uname().nodename, *_read_lines(host, "/etc/hostname")) if name}


def _list_files(host: Host, path: str) -> Iterator[str]:
    """Yield the files in a folder, or the path itself if it is a file or missing.

    Backups (`name~`) are left out. Nothing is yielded for a path that cannot be read.
    """
    try:
        names = host.list_directory(path)
    except (ObservationError, ControlError):
        return
    if not names:
        yield path
    yield from (f"{path}/{name}" for name in names if not name.endswith("~"))


def _read_lines(host: Host, path: str) -> list[str]:
    """Return the lines of a file without surrounding spaces; [] if it is missing or cannot be read."""
    try:
        return [line.strip() for line in (host.read_text(path) or "").splitlines()]
    except (
        ObservationError,
        ControlError,
        # a folder, a device or a user's link: the program that this file configures would not read it either
    ):
        return []
