"""Where browsers read policies: the places that Proscribe keeps a file in.

They come with the plan, out of the catalogue's browsers.yml, so that a browser is one entry there. A place is one file;
several browsers may read it (a copy of one at home reads it too: the path is compiled in).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ....base.tuples import NamedTuple
from ...system import Host

if TYPE_CHECKING:
    from ....model.types.plan import Plan

THUNDERBIRD = "thunderbird"
# Where flatpak and snap are in use, which keep browsers apart from the host's files.
PACKAGER_PATHS = ("/var/lib/flatpak", "/usr/bin/flatpak", "/snap", "/var/lib/snapd/snap")
FLATPAK_APPS = "/var/lib/flatpak/app"
OWN_FILE = "proscribe.json"  # of a folder in which Chromium and its relatives read every file
OWN_EXTENSION_SUFFIX = ".proscribe"  # at a point of a flatpak that takes extensions of many.
# How flatpak calls a machine where that is not how the kernel calls it (flatpak_get_arch).
_FLATPAK_ARCHITECTURES = {"i686": "i386", "i586": "i386", "armv7l": "arm", "armv8l": "arm"}


class PolicyPlace(NamedTuple):
    """One policy file."""

    id: str  # of the first browser that reads it
    family: str  # whose policy language it is in: chromium, firefox; thunderbird, which is firefox without sites
    path: str
    fallbacks: tuple[str, ...] = ()  # firefox: what it reads only as long as `path` is not there
    browsers: tuple[str, ...] = ()  # all that read it
    programs: tuple[str, ...] = ()  # the base names of their executables
    paths: tuple[str, ...] = ()  # where a package system puts them
    present: tuple[str, ...] = ()  # one of these has to be there, else nothing is written here; none: always
    flatpaks: tuple[str, ...] = ()  # the flatpak applications that read it
    snaps: tuple[str, ...] = ()  # the snaps that read it
    elsewhere: tuple[str, ...] = ()  # "flatpak <id>", "snap <name>" of its browsers: nobody knows where they read

    def is_browser_installed(self, host: Host) -> bool:
        """Whether a browser that reads it is installed for the whole host; one in a home is not searched for."""
        packaged_paths = [f"{FLATPAK_APPS}/{id_}" for id_ in self.flatpaks] + [f"/snap/{name}" for name in self.snaps]
        return any(host.find_entry(path) is not None for path in (*self.paths, *packaged_paths))

    @property
    def has_sites(self) -> bool:
        """Whether sites can be blocked here."""
        return self.family != THUNDERBIRD


def list_places(host: Host, plan: Plan, everywhere: bool = False) -> list[PolicyPlace]:
    """The places of a host; `everywhere` also where nothing that reads them is there (any more)."""
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
        lists = {key: tuple(entry_value) for key, entry_value in entry.items() if isinstance(entry_value, list)}
        place = PolicyPlace(entry["id"], entry["family"], path, **lists)
        if (
            everywhere
            or not place.present
            or any(host.find_entry(required_path) is not None for required_path in place.present)
        ):
            policy_places.append(place)
    return policy_places
