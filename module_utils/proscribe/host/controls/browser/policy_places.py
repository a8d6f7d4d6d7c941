"""Places where browsers read policies, and where Proscribe writes its files.

The plan has the places from the catalogue's browsers.yml, where each browser has one entry. A place is the path of a
single file, which several browsers may read. A browser that a user unpacks at home reads the file too, because the path
is compiled into the browser.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ....base.named_tuple import NamedTuple
from ...system import Host

if TYPE_CHECKING:
    from ....model.types.plan import Plan

THUNDERBIRD = "thunderbird"
# Paths that exist where flatpak or snap is in use. Both isolate browsers from the host's files.
SNAP_DIRECTORIES = ("/snap", "/var/lib/snapd/snap")  # Fedora and openSUSE have /snap only if an administrator made it
PACKAGER_PATHS = ("/var/lib/flatpak", "/usr/bin/flatpak", *SNAP_DIRECTORIES)
FLATPAK_APPS = "/var/lib/flatpak/app"
OWN_FILE = "proscribe.json"  # name of Proscribe's file in a folder of which Chromium and its relatives read every file
OWN_EXTENSION_SUFFIX = ".proscribe"  # ending of Proscribe's extension for a flatpak that accepts several extensions
# By the kernel's name of a machine: flatpak's name, if it differs (flatpak_get_arch).
_FLATPAK_ARCHITECTURES = {"i686": "i386", "i586": "i386", "armv7l": "arm", "armv8l": "arm"}


class PolicyPlace(NamedTuple):
    """Path of a policy file, and the browsers that read the file."""

    id: str  # id of the first browser that reads the file
    family: str  # policy language: chromium, firefox, or thunderbird, which is firefox without sites
    path: str
    fallbacks: tuple[str, ...] = ()  # firefox: files that it reads only as long as `path` does not exist
    browsers: tuple[str, ...] = ()  # all browsers that read the file
    programs: tuple[str, ...] = ()  # base names of their executables
    paths: tuple[str, ...] = ()  # paths where a package system installs them
    present: tuple[str, ...] = ()  # a file is written only if one of these paths exists; empty: always
    flatpaks: tuple[str, ...] = ()  # flatpak applications that read the file
    snaps: tuple[str, ...] = ()  # snaps that read the file
    # "flatpak <id>" or "snap <name>" of each packaging in which it is unknown where the browser reads policies
    elsewhere: tuple[str, ...] = ()

    def is_browser_installed(self, host: Host) -> bool:
        """Return whether a browser that reads the file is installed for all users of the host.

        Homes of users are not searched.
        """
        return any(host.find_entry(path) is not None for path in self.paths) or bool(self.find_packages(host))

    def find_packages(self, host: Host) -> list[str]:
        """Return the directories of this place's flatpaks and snaps that are installed for all users."""
        flatpaks = [path for id_ in self.flatpaks if host.find_entry(path := f"{FLATPAK_APPS}/{id_}") is not None]
        return [*flatpaks, *(path for name in self.snaps if (path := find_snap(host, name)))]

    @property
    def has_sites(self) -> bool:
        """True if a policy at this place can block sites; False for Thunderbird, which opens no sites."""
        return self.family != THUNDERBIRD


def find_snap(host: Host, name: str) -> str:
    """Return the directory of a snap that is installed on the host, or ""."""
    paths = (f"{directory}/{name}" for directory in SNAP_DIRECTORIES)
    return next((path for path in paths if host.find_entry(path) is not None), "")


def list_places(host: Host, plan: Plan, everywhere: bool = False) -> list[PolicyPlace]:
    """Return the places of a plan where Proscribe writes policy files on a host.

    A place with a condition (`present`) is left out if none of these paths exists. With `everywhere`, all places are
    returned.
    """
    machine = os.uname().machine
    placeholders = {
        "<id>": OWN_EXTENSION_SUFFIX[1:],
        "<arch>": _FLATPAK_ARCHITECTURES.get(machine, machine),
        "<branch>": "stable",
    }
    policy_places = []
    for entry in plan["browsers"]:
        path = entry["path"]
        for placeholder, replacement in placeholders.items():
            path = path.replace(placeholder, replacement)
        # the optional fields of PolicyPlace, which are lists in the plan
        list_fields = {key: tuple(entry_value) for key, entry_value in entry.items() if isinstance(entry_value, list)}
        place = PolicyPlace(entry["id"], entry["family"], path, **list_fields)
        if (
            everywhere
            or not place.present
            or any(host.find_entry(required_path) is not None for required_path in place.present)
        ):
            policy_places.append(place)
    return policy_places
