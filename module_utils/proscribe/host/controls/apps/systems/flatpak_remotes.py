"""Installations of flatpak for the whole host, with their remotes (repositories of apps)."""

from __future__ import annotations

from .....base.named_tuple import NamedTuple
from ....system import Host
from ..blocks.parts import read_file_text

DEFAULT_INSTALLATION = "default"  # flatpak's name for the installation that needs no configuration, in SYSTEM_DIRECTORY
SYSTEM_DIRECTORY = "/var/lib/flatpak"
INSTALLATION_CONFIGURATION = "/etc/flatpak/installations.d"
# Directories of the distribution or the administrator with files of remotes, which flatpak adds at its next start.
ANNOUNCED_REMOTES = ("/etc/flatpak/remotes.d", "/usr/share/flatpak/remotes.d")
FILTER_DIRECTORY = "/etc/proscribe/flatpak"
REPLACED_FILTER_PREFIX = "# Instead of: "  # begins the line of Proscribe's filter that names the administrator's filter
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
ODD_NAME_PROBLEM = "has a name that no file can have"


class FlatpakRemote(NamedTuple):
    """Remote of an installation, with the path of its filter file."""

    installation: str
    name: str
    filter_path: str  # path of the filter file; "" if the remote has no filter


def list_installations(host: Host) -> dict[str, str]:
    """Return, by name, the directory of each installation of flatpak for the whole host.

    Further installations than the default are configured in files (flatpak-installation(5)).
    """
    paths_by_name = {DEFAULT_INSTALLATION: SYSTEM_DIRECTORY}
    for file in host.list_directory(INSTALLATION_CONFIGURATION):
        if file.endswith(".conf"):
            for name, keys in parse_groups(
                host.read_text(f"{INSTALLATION_CONFIGURATION}/{file}") or "", "Installation"
            ):
                if keys.get("Path", "").startswith("/"):
                    paths_by_name[name] = keys["Path"].rstrip("/")
    return paths_by_name


def list_remotes(host: Host) -> list[FlatpakRemote]:
    """Return each remote of the host's installations from which apps can be installed.

    Flatpak also keeps a remote for each bundle (app file) that was installed. Such a remote has no address and is left
    out.
    """
    return [
        FlatpakRemote(installation, name, keys.get("xa.filter", ""))
        for installation, path in list_installations(host).items()
        for name, keys in parse_groups(host.read_text(f"{path}/repo/config") or "", "remote")
        if keys.get("url")
    ]


def parse_groups(text: str, kind: str) -> list[tuple[str, dict[str, str]]]:
    """Return the groups `[kind "name"]` of a configuration file as (name, values by key).

    A group is such a line with the lines `key=value` after it. Groups of the same name are merged. If a key occurs
    twice, its last value counts.
    """
    keys_by_name: dict[str, dict[str, str]] = {}
    keys: dict[str, str] = {}
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            keys = {}  # keys of a group of another kind go into this dictionary, which is dropped
            if line.startswith(f'[{kind} "') and line.endswith('"]'):
                keys = keys_by_name.setdefault(line[len(kind) + 3 : -2], keys)
        elif "=" in line and not line.startswith("#"):
            key, _, key_value = line.partition("=")
            keys[key.strip()] = key_value.strip()
    return list(keys_by_name.items())


def list_announced_remotes(host: Host) -> list[str]:
    """Return the files of remotes (repositories of apps) that flatpak will add by itself at its next start.

    A remote that flatpak has added is listed in its configuration. A new remote has no filter of Proscribe until the
    next run.
    """
    text = host.read_text(f"{SYSTEM_DIRECTORY}/repo/config") or ""
    lines = (line.partition("=") for line in text.splitlines())
    applied = {
        remote_name
        for key, _, key_value in lines
        if key.strip() == "xa.applied-remotes"
        for remote_name in key_value.strip().split(";")
    }
    known_names = applied.union(name for name, _ in parse_groups(text, "remote"))
    suffix = ".flatpakrepo"
    return [
        f"{folder}/{name}"
        for folder in ANNOUNCED_REMOTES
        for name in host.list_directory(folder)
        if name.endswith(suffix) and name[: -len(suffix)] not in known_names
    ]


def make_filter_path(remote: FlatpakRemote) -> str:
    """Return the path of the filter file that Proscribe writes for a remote."""
    return f"{FILTER_DIRECTORY}/{remote.installation}/{remote.name}.filter"


def has_odd_name(remote: FlatpakRemote) -> bool:
    """Return whether the name of a remote, or of its installation, cannot be part of a path."""
    return not all(name[:1].isalnum() and _NAME_CHARACTERS.issuperset(name) for name in remote[:2])


def is_own_filter(path: str) -> bool:
    """Return whether the filter file at `path` is Proscribe's."""
    return path.startswith(FILTER_DIRECTORY + "/")


def find_former_filter(host: Host, remote: FlatpakRemote) -> str:
    """Return the path of the administrator's filter for a remote, or "" for none.

    If Proscribe's filter has replaced that filter, the path is in the header of Proscribe's filter.
    """
    if not is_own_filter(remote.filter_path):
        return remote.filter_path
    lines = read_file_text(host, remote.filter_path).splitlines()
    return next((line[len(REPLACED_FILTER_PREFIX) :] for line in lines if line.startswith(REPLACED_FILTER_PREFIX)), "")
