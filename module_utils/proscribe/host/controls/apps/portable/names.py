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
SYSTEM_PROGRAM_FOLDERS = ("/opt", "/usr/local/bin", "/tmp", "/var/tmp", "/dev/shm")
MIN_NAME_LETTERS = (
    5  # letters that a name has at least which is compared without more; `box` and `line` are also other things
)
WEB_APPS_FOLDER = "Web Applications"  # a browser's folder of installed web apps
WEB_APP_PREFIX = "_crx_"
# Where the code of an Electron app is, below the directory of its program, and the file that says what it is called.
ELECTRON_FILES = {"/resources": "app.asar", "/resources/app": "package.json"}
# Directories of many programs: that a catalogue's path has one says nothing of an app's own directory.
SHARED_FOLDERS = frozenset(
    ("bin", "sbin", "lib", "lib64", "libexec", "share", "opt", "local", "dist", "files", "runtime", "apps")
)


class AppNames:
    """The names to scan for, each with its services."""

    def __init__(self, services: Mapping[str, ControlIdentifiers], homes: Iterable[str] = ()) -> None:
        # Directories of many things: an AppImage there may have lost its suffix, and none of them is an app's own.
        self.program_folders = {
            *SYSTEM_PROGRAM_FOLDERS,
            *(home + folder for home in homes for folder in PROGRAM_FOLDERS),
        }
        self.programs: dict[str, list[str]]
        self.portable_apps: dict[str, list[str]]  # programs that only count with the rest of an app around them
        self.windows_paths: dict[str, dict[str, list[str]]]  # then by service: how a path has to end
        self.desktop_files: dict[str, list[str]]
        self.services_by_stem: dict[str, list[str]]
        self.own_folders: dict[str, set[str]]  # by service: the names of directories that are an app's own
        self.marked_programs: dict[str, list[str]]  # programs that only count with a marker in them
        self.names_by_service: dict[str, frozenset[str]]  # by service: all that its app calls itself, in small letters
        self.services_by_title: dict[str, list[str]]  # its names in its own script, folded: never certain
        (
            self.programs,
            self.portable_apps,
            self.windows_paths,
            self.desktop_files,
            self.services_by_stem,
            self.own_folders,
            self.marked_programs,
            self.names_by_service,
            self.services_by_title,
        ) = compute_once(services, "apps/copies", lambda: _index_names_by_kind(services))
        self.markers = {service: entry["markers"] for service, entry in services.items() if "markers" in entry}
        # Whether there is anything to scan for at all. What the others do not name lies at a path or is a web app.
        # Every program is among the stems, or has portable apps.
        self.has_names = any(
            [self.portable_apps, self.windows_paths, self.desktop_files, self.services_by_stem, self.services_by_title]
            + [entry["paths"] or entry.get("web_hosts") for entry in services.values()]
        )
        self.all_names = frozenset(
            [*self.programs, *self.portable_apps, *self.windows_paths, *self.desktop_files, *self.marked_programs]
        )

    def choose_names(self, directory: str, names: Sequence[str]) -> Collection[str]:
        """Of the names in a directory, those that must be checked; quick, since a host has a million of them."""
        chosen = frozenset() if self.all_names.isdisjoint(names) else self.all_names.intersection(names)
        joined_names = "\0".join(names)
        if ".AppImage" in joined_names or ".appimage" in joined_names:  # as people write it
            images = (name for name in names if name.lower().endswith(appimage.IMAGE_SUFFIX))
            chosen |= {name for name in images if self.find_image_services(name)}
        if directory.endswith("/" + WEB_APPS_FOLDER):
            chosen |= {name for name in names if name.startswith(WEB_APP_PREFIX)}
        elif directory in self.program_folders:
            chosen |= {name for name in names if self.find_image_services(name)}
        elif "/resources" in directory:
            chosen |= {file for place, file in ELECTRON_FILES.items() if directory.endswith(place) and file in names}
        return chosen

    def add_program_folders(self, folders: Collection[str]) -> AppNames:
        """The same names, with more directories of many things."""
        if not folders:
            return self
        names = AppNames.__new__(AppNames)
        names.__dict__.update(self.__dict__)
        names.program_folders = {*self.program_folders, *folders}
        return names

    def find_image_services(self, name: str) -> list[str]:
        """Whose AppImage a file may be, by its name."""
        stem = appimage.make_name_stem(name)
        return self.services_by_stem.get(stem) or self.services_by_title.get(stem, [])

    def list_programs(self, service: str) -> list[str]:
        """The names of an app's programs."""
        return [
            name
            for names in (self.programs, self.marked_programs)
            for name, services in names.items()
            if service in services
        ]

    def list_desktop_entries(self, service: str) -> list[str]:
        """The names of an app's desktop entries."""
        return [name for name, services in self.desktop_files.items() if service in services]

    def is_own_directory(self, directory: str, service: str) -> bool:
        """Whether a directory's name says that all in it belongs to a service's app."""
        name = directory.rpartition("/")[2]
        return name in self.own_folders[service] or service in self.services_by_stem.get(
            appimage.make_name_stem(name), ()
        )


def _index_names_by_kind(services: Mapping[str, ControlIdentifiers]) -> tuple[Any, ...]:
    programs: dict[str, list[str]] = {}
    portable_apps: dict[str, list[str]] = {}
    windows_paths: dict[str, dict[str, list[str]]] = {}
    desktop_files: dict[str, list[str]] = {}
    stems: dict[str, list[str]] = {}
    folders: dict[str, set[str]] = {}
    marked_programs: dict[str, list[str]] = {}
    names_by_service: dict[str, frozenset[str]] = {}
    titles: dict[str, list[str]] = {}
    for service, entry in services.items():
        packages = [name for key in ("apt", "rpm", "pacman", "snap") for name in entry["packages"].get(key, ())]
        distinct = [name for name in (*packages, service) if len(appimage.make_name_stem(name)) >= MIN_NAME_LETTERS]
        _add_to_index(programs, entry["processes"], service)
        _add_to_index(portable_apps, entry.get("copies", ()), service)
        for path in entry.get("windows", ()):
            windows_paths.setdefault(path.rpartition("/")[2], {}).setdefault(service, []).append("/" + path.lower())
        _add_to_index(desktop_files, entry.get("desktop_files", ()), service)
        if "copies" not in entry:
            _add_to_index(stems, map(appimage.make_name_stem, (*entry["processes"], *distinct)), service)
        _add_to_index(titles, map(fold_name, entry.get("names", ())), service)
        tools = entry.get("markers", {}).get("programs", ())
        _add_to_index(marked_programs, tools, service)
        _add_to_index(stems, map(appimage.make_name_stem, tools), service)
        package_ids = [
            name
            for key in ("apt", "rpm", "pacman", "snap", "flatpak", "npm")
            for name in entry["packages"].get(key, ())
        ]
        entries = [name[: -len(".desktop")] for name in entry.get("desktop_files", ())]
        names_by_service[service] = frozenset(
            name.lower() for name in (*entry["processes"], *entries, *package_ids, *tools)
        )
        paths = [path.split("/") for path in entry["paths"]]
        folders[service] = {path_part for path in paths for path_part in path[-2:]} - SHARED_FOLDERS
    return (
        programs,
        portable_apps,
        windows_paths,
        desktop_files,
        stems,
        folders,
        marked_programs,
        names_by_service,
        titles,
    )


def _add_to_index(index: dict[str, list[str]], names: Iterable[str], service: str) -> None:
    for name in names:
        if name and service not in index.setdefault(name, []):
            index[name].append(service)
