"""Names of portable apps, for which the file scan searches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Collection, Iterable, Mapping, Sequence

from .....base.name_folding import fold_name
from .....model.plan import compute_once
from . import appimage

if TYPE_CHECKING:
    from .....model.types.plan import ControlIdentifiers

# Folders below a home in which users put single programs. There, an AppImage is recognised without its suffix too.
PROGRAM_FOLDERS = ("", "/bin", "/.local/bin", "/opt", "/Applications", "/AppImages", "/Apps", "/Desktop", "/Downloads")
SYSTEM_PROGRAM_FOLDERS = ("/opt", "/usr/local/bin", "/tmp", "/var/tmp", "/dev/shm")
# shorter package names and service ids are not searched, because they are common words (`box`, `line`)
MIN_NAME_LETTERS = 5
WEB_APPS_FOLDER = "Web Applications"  # folder of a browser's installed web apps
WEB_APP_PREFIX = "_crx_"  # prefix of the folder of a single web app there
# Key: folder with the code of an Electron app, below the directory of its program. Value: the file there that has the
# app's name.
ELECTRON_FILES = {"/resources": "app.asar", "/resources/app": "package.json"}
# Directory names that occur in the paths of many programs. A directory with such a name is not one app's own directory.
SHARED_FOLDERS = frozenset(
    ("bin", "sbin", "lib", "lib64", "libexec", "share", "opt", "local", "dist", "files", "runtime", "apps")
)


class AppNames:
    """Names for which the file scan searches, each with its services.

    A stem is the name of a program without version, processor and suffix, as in the file name of an AppImage.
    """

    def __init__(self, services: Mapping[str, ControlIdentifiers], homes: Iterable[str] = ()) -> None:
        # Folders with single programs of many apps. An AppImage there may lack its suffix, and the folder never moves
        # as a whole.
        self.program_folders = {
            *SYSTEM_PROGRAM_FOLDERS,
            *(home + folder for home in homes for folder in PROGRAM_FOLDERS),
        }
        self.programs: dict[str, list[str]]  # by program name: services
        # by program name that counts only if other files of the app are beside the program: services
        self.portable_apps: dict[str, list[str]]
        # by name of a Windows program, then by service: the ends of the program's path, in lower case
        self.windows_paths: dict[str, dict[str, list[str]]]
        self.desktop_files: dict[str, list[str]]  # by file name of a desktop entry: services
        self.services_by_stem: dict[str, list[str]]  # by stem of an AppImage's file name
        self.own_folders: dict[str, set[str]]  # by service: names of directories that belong to its app alone
        # by program name that counts only if the program has the mark of its maker (a Go module): services
        self.marked_programs: dict[str, list[str]]
        # by service: names of the programs, desktop entries and packages of its app, in lower case
        self.names_by_service: dict[str, frozenset[str]]
        # by folded title, such as the app's Chinese name: such a name is never certain
        self.services_by_title: dict[str, list[str]]
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
        # True if the scan has something to search for. `programs` needs no check: each program name is in
        # `services_by_stem` too, or its service is in `portable_apps`.
        self.has_names = any(
            [self.portable_apps, self.windows_paths, self.desktop_files, self.services_by_stem, self.services_by_title]
            + [entry["paths"] or entry.get("web_hosts") for entry in services.values()]
        )
        self.all_names = frozenset(
            [*self.programs, *self.portable_apps, *self.windows_paths, *self.desktop_files, *self.marked_programs]
        )

    def choose_names(self, directory: str, names: Sequence[str]) -> Collection[str]:
        """Return those of the `names` in a directory that the scan must check.

        The function must be fast, because a host has a million names. So cheap tests come before the exact ones.
        """
        chosen = frozenset() if self.all_names.isdisjoint(names) else self.all_names.intersection(names)
        joined_names = "\0".join(names)
        if ".AppImage" in joined_names or ".appimage" in joined_names:  # the usual spellings
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
        """Return an object with the same names and the program folders `folders` in addition."""
        if not folders:
            return self
        names = AppNames.__new__(AppNames)
        names.__dict__.update(self.__dict__)
        names.program_folders = {*self.program_folders, *folders}
        return names

    def find_image_services(self, name: str) -> list[str]:
        """Return the services whose AppImage a file may be, judged by the name of the file."""
        stem = appimage.make_name_stem(name)
        return self.services_by_stem.get(stem) or self.services_by_title.get(stem, [])

    def list_programs(self, service: str) -> list[str]:
        """Return the names of the programs that belong to a service's app."""
        return [
            name
            for names in (self.programs, self.marked_programs)
            for name, services in names.items()
            if service in services
        ]

    def list_desktop_entries(self, service: str) -> list[str]:
        """Return the file names of the desktop entries that belong to a service's app."""
        return [name for name, services in self.desktop_files.items() if service in services]

    def is_own_directory(self, directory: str, service: str) -> bool:
        """Return whether a directory belongs to a service's app as a whole, judged by its name."""
        name = directory.rpartition("/")[2]
        return name in self.own_folders[service] or service in self.services_by_stem.get(
            appimage.make_name_stem(name), ()
        )


def _index_names_by_kind(services: Mapping[str, ControlIdentifiers]) -> tuple[Any, ...]:
    """Return the indexes of AppNames, in the order in which its `__init__` unpacks them.

    The catalogue's key `copies` has the programs that count only with other files of the app beside them.
    """
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
        if "copies" not in entry:  # an AppImage is a single file, without the other files that `copies` need beside it
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
        # the last two names of each path of the catalogue, without names that occur in the paths of many programs
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
    """Add a service to an index of services under each of `names`, without empty names and repetitions."""
    for name in names:
        if name and service not in index.setdefault(name, []):
            index[name].append(service)
