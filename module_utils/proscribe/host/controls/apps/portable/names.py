"""The names by which the file scan finds portable apps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Collection, Iterable, Mapping, Sequence

from .....base.folding import fold_name
from .....model.plan import compute_once
from . import appimage

if TYPE_CHECKING:
    from .....model.types.plan import ControlIdentifiers

# Where users put single programs: there an AppImage is recognised without its suffix.
PROGRAM_FOLDERS = ("", "/bin", "/.local/bin", "/opt", "/Applications", "/AppImages", "/Apps", "/Desktop", "/Downloads")
SYSTEM_FOLDERS = ("/opt", "/usr/local/bin", "/tmp", "/var/tmp", "/dev/shm")
DISTINCT = 5  # letters that a name has at least which is compared without more; `box` and `line` are also other things
WEB_APPS = "Web Applications"  # a browser's folder of installed web apps
WEB_APP = "_crx_"
# Where the code of an Electron app is, below the directory of its program, and the file that says what it is called.
ELECTRON = {"/resources": "app.asar", "/resources/app": "package.json"}
# Directories of many programs: that a catalogue's path has one says nothing of an app's own directory.
SHARED = frozenset(
    ("bin", "sbin", "lib", "lib64", "libexec", "share", "opt", "local", "dist", "files", "runtime", "apps")
)


class Names:
    """The names to scan for, each with its services."""

    def __init__(self, services: Mapping[str, ControlIdentifiers], homes: Iterable[str] = ()) -> None:
        # Directories of many things: an AppImage there may have lost its suffix, and none of them is an app's own.
        self.program_folders = {*SYSTEM_FOLDERS, *(home + folder for home in homes for folder in PROGRAM_FOLDERS)}
        self.programs: dict[str, list[str]]
        self.portable_apps: dict[str, list[str]]  # programs that only count with the rest of an app around them
        self.windows: dict[str, dict[str, list[str]]]  # then by service: how a path has to end
        self.desktop_files: dict[str, list[str]]
        self.stems: dict[str, list[str]]
        self.folders: dict[str, set[str]]  # by service: the names of directories that are an app's own
        self.marked: dict[str, list[str]]  # programs that only count with a marker in them
        self.called: dict[str, frozenset[str]]  # by service: all that its app calls itself, in small letters
        self.titles: dict[str, list[str]]  # its names in its own script, folded: never certain
        (
            self.programs,
            self.portable_apps,
            self.windows,
            self.desktop_files,
            self.stems,
            self.folders,
            self.marked,
            self.called,
            self.titles,
        ) = compute_once(services, "apps/copies", lambda: _by_kind(services))
        self.markers = {service: entry["markers"] for service, entry in services.items() if "markers" in entry}
        # Whether there is anything to scan for at all. What the others do not name lies at a path or is a web app.
        # Every program is among the stems, or has portable apps.
        self.any = any(
            [self.portable_apps, self.windows, self.desktop_files, self.stems, self.titles]
            + [entry["paths"] or entry.get("web_hosts") for entry in services.values()]
        )
        self.all = frozenset([*self.programs, *self.portable_apps, *self.windows, *self.desktop_files, *self.marked])

    def choose(self, directory: str, names: Sequence[str]) -> Collection[str]:
        """Of the names in a directory, those that must be checked; quick, since a host has a million of them."""
        chosen = frozenset() if self.all.isdisjoint(names) else self.all.intersection(names)
        together = "\0".join(names)
        if ".AppImage" in together or ".appimage" in together:  # as people write it
            images = (name for name in names if name.lower().endswith(appimage.SUFFIX))
            chosen |= {name for name in images if self.images(name)}
        if directory.endswith("/" + WEB_APPS):
            chosen |= {name for name in names if name.startswith(WEB_APP)}
        elif directory in self.program_folders:
            chosen |= {name for name in names if self.images(name)}
        elif "/resources" in directory:
            chosen |= {file for place, file in ELECTRON.items() if directory.endswith(place) and file in names}
        return chosen

    def beside(self, folders: Collection[str]) -> Names:
        """The same names, with more directories of many things."""
        if not folders:
            return self
        names = Names.__new__(Names)
        names.__dict__.update(self.__dict__)
        names.program_folders = {*self.program_folders, *folders}
        return names

    def images(self, name: str) -> list[str]:
        """Whose AppImage a file may be, by its name."""
        stem = appimage.stem(name)
        return self.stems.get(stem) or self.titles.get(stem, [])

    def programs_of(self, service: str) -> list[str]:
        """The names of an app's programs."""
        return [name for names in (self.programs, self.marked) for name, of in names.items() if service in of]

    def entries_of(self, service: str) -> list[str]:
        """The names of an app's desktop entries."""
        return [name for name, of in self.desktop_files.items() if service in of]

    def own(self, directory: str, service: str) -> bool:
        """Whether a directory's name says that all in it belongs to a service's app."""
        name = directory.rpartition("/")[2]
        return name in self.folders[service] or service in self.stems.get(appimage.stem(name), ())


def _by_kind(services: Mapping[str, ControlIdentifiers]) -> tuple[Any, ...]:
    programs: dict[str, list[str]] = {}
    portable_apps: dict[str, list[str]] = {}
    windows: dict[str, dict[str, list[str]]] = {}
    desktop_files: dict[str, list[str]] = {}
    stems: dict[str, list[str]] = {}
    folders: dict[str, set[str]] = {}
    marked: dict[str, list[str]] = {}
    called: dict[str, frozenset[str]] = {}
    titles: dict[str, list[str]] = {}
    for service, entry in services.items():
        packages = [name for key in ("apt", "rpm", "pacman", "snap") for name in entry["packages"].get(key, ())]
        distinct = [name for name in (*packages, service) if len(appimage.stem(name)) >= DISTINCT]
        _add(programs, entry["processes"], service)
        _add(portable_apps, entry.get("copies", ()), service)
        for path in entry.get("windows", ()):
            windows.setdefault(path.rpartition("/")[2], {}).setdefault(service, []).append("/" + path.lower())
        _add(desktop_files, entry.get("desktop_files", ()), service)
        if "copies" not in entry:
            _add(stems, map(appimage.stem, (*entry["processes"], *distinct)), service)
        _add(titles, map(fold_name, entry.get("names", ())), service)
        tools = entry.get("markers", {}).get("programs", ())
        _add(marked, tools, service)
        _add(stems, map(appimage.stem, tools), service)
        ids = [
            name
            for key in ("apt", "rpm", "pacman", "snap", "flatpak", "npm")
            for name in entry["packages"].get(key, ())
        ]
        entries = [name[: -len(".desktop")] for name in entry.get("desktop_files", ())]
        called[service] = frozenset(name.lower() for name in (*entry["processes"], *entries, *ids, *tools))
        paths = [path.split("/") for path in entry["paths"]]
        folders[service] = {part for path in paths for part in path[-2:]} - SHARED
    return programs, portable_apps, windows, desktop_files, stems, folders, marked, called, titles


def _add(index: dict[str, list[str]], names: Iterable[str], service: str) -> None:
    for name in names:
        if name and service not in index.setdefault(name, []):
            index[name].append(service)
