"""Where flatpak keeps what it installed for the whole host, and from which remotes it would install there."""

from __future__ import annotations

from .....base.tuples import NamedTuple
from ....system import Host
from ..blocks.parts import read_file_text

DEFAULT = "default"  # what flatpak calls the installation that needs no configuration
SYSTEM = "/var/lib/flatpak"
CONFIGURED = "/etc/flatpak/installations.d"
ANNOUNCED = ("/etc/flatpak/remotes.d", "/usr/share/flatpak/remotes.d")
DIRECTORY = "/etc/proscribe/flatpak"
INSTEAD = "# Instead of: "
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
ODD = "has a name that no file can have"


class Remote(NamedTuple):
    installation: str
    name: str
    filter: str  # the path of its filter; "" for none


def installations(host: Host) -> dict[str, str]:
    """The system's installations by name, each with its directory (flatpak-installation(5))."""
    found = {DEFAULT: SYSTEM}
    for file in host.list_directory(CONFIGURED):
        if file.endswith(".conf"):
            for name, keys in groups(host.read_text(f"{CONFIGURED}/{file}") or "", "Installation"):
                if keys.get("Path", "").startswith("/"):
                    found[name] = keys["Path"].rstrip("/")
    return found


def remotes(host: Host) -> list[Remote]:
    """Every remote that something can be installed from. The origin of a bundle is listed as one, without address."""
    return [
        Remote(installation, name, keys.get("xa.filter", ""))
        for installation, path in installations(host).items()
        for name, keys in groups(host.read_text(f"{path}/repo/config") or "", "remote")
        if keys.get("url")
    ]


def groups(text: str, kind: str) -> list[tuple[str, dict[str, str]]]:
    """The groups `[kind "name"]` of a key file, with their keys. A group that is there twice is one, and of a key that
    is there twice the last value counts.
    """
    found: dict[str, dict[str, str]] = {}
    keys: dict[str, str] = {}
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            keys = {}  # those of another group are dropped
            if line.startswith(f'[{kind} "') and line.endswith('"]'):
                keys = found.setdefault(line[len(kind) + 3 : -2], keys)
        elif "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            keys[key.strip()] = value.strip()
    return list(found.items())


def announced(host: Host) -> list[str]:
    """The files of remotes that flatpak adds by itself at its next start, without our filter."""
    text = host.read_text(f"{SYSTEM}/repo/config") or ""
    lines = (line.partition("=") for line in text.splitlines())
    applied = {
        one for key, _, value in lines if key.strip() == "xa.applied-remotes" for one in value.strip().split(";")
    }
    known = applied.union(name for name, _ in groups(text, "remote"))
    suffix = ".flatpakrepo"
    return [
        f"{folder}/{name}"
        for folder in ANNOUNCED
        for name in host.list_directory(folder)
        if name.endswith(suffix) and name[: -len(suffix)] not in known
    ]


def own_file(remote: Remote) -> str:
    return f"{DIRECTORY}/{remote.installation}/{remote.name}.filter"


def odd(remote: Remote) -> bool:
    """Whether one of a remote's names cannot be a part of a path."""
    return not all(name[:1].isalnum() and _LETTERS.issuperset(name) for name in remote[:2])


def ours(path: str) -> bool:
    return path.startswith(DIRECTORY + "/")


def former(host: Host, remote: Remote) -> str:
    """The filter that a remote has, or had before ours; "" for none."""
    if not ours(remote.filter):
        return remote.filter
    lines = read_file_text(host, remote.filter).splitlines()
    return next((line[len(INSTEAD) :] for line in lines if line.startswith(INSTEAD)), "")
