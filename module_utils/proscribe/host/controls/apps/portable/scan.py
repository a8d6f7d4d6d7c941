"""Portable apps, which no package system knows: AppImages, unpacked archives, vendors' own directories, Wine programs.

A single file scan lists them, below the places of software and of users' files. The user chooses the name of such a
file. So an app that is known by its name or its path alone is reported and left in place. Its content and its
neighbours show for certain that it is the app (evidence.py). Only the app's own files move (own_files.py).
"""

from __future__ import annotations

import contextlib
import stat
from typing import TYPE_CHECKING, Collection, Iterator, Mapping, Sequence

from .....base.named_tuple import NamedTuple
from .....model.finding import Finding
from ....system import ControlError, Host, ObservationError, User, escape_text
from .. import owning_package
from ..systems.package import Package
from . import appimage
from .app_names import ELECTRON_FILES, WEB_APP_PREFIX, AppNames

if TYPE_CHECKING:
    from .....model.types.plan import PlanEntry
    from ....system.file_scan import RememberedDirectory
    from . import evidence

# In the later places, entries of root alone belong to the host; entries of others are scanned on their behalf.
SCANNED_PLACES = ("/opt", "/usr/local", "/srv", "/tmp", "/var/tmp", "/dev/shm", "/media", "/run/media")
SYSTEM_HOMES = ("/bin", "/boot", "/dev", "/etc", "/lib", "/proc", "/run", "/sbin", "/sys", "/usr")
WINE_DRIVE = "drive_c"  # in a Wine prefix


class PortableApp(NamedTuple):
    """Part of a restricted app that no package system installed."""

    services: list[str]
    kind: str  # appimage, program, tree, wine, web_app, autostart, launcher
    path: str  # path of the whole app, with surrogates for undecodable bytes
    name: str  # name of the program
    owner: User | None  # user of the home around it; None for the system's places
    reason: str  # the evidence
    doubt: str = ""  # why the app stays in place; "" if it is certain
    version: str = ""  # from the name, which the user chose
    uid: int = -1  # owner of the program; -1 if it does not matter
    parts: Sequence[str] = ()  # paths of a directory that move; empty if the whole directory moves
    leftovers: str = ""  # description of the files that stay

    def make_finding(self) -> Finding:
        kind = self.kind if self.kind in ("web_app", "autostart", "launcher") else "file"
        scope = f"user:{self.owner.name}" if self.owner else "system"
        version = "version as its name says" if self.version else ""
        detail = ", ".join(filter(None, [self.reason, version, self.doubt, self.leftovers]))
        return Finding(
            kind, escape_text(self.name), self.kind, self.version, scope, escape_text(self.path), escape_text(detail)
        )

    def is_moved_with(self, path: str) -> bool:
        """Return whether an entry below the app's path moves together with the app."""
        return not self.doubt and (
            self.kind == "tree" and (not self.parts or any(f"{path}/".startswith(f"{part}/") for part in self.parts))
        )


class PortableAppScan(NamedTuple):
    """Result of a scan, with the places that were not scanned."""

    portable_apps: list[PortableApp]
    unseen: list[str]
    web_apps: list[str]  # folders of web apps that a browser installed, of any service
    remembered: Mapping[str, RememberedDirectory]  # by directory: data that the next scan need not read again
    # By uid: entries to scan on behalf of a user (system/file_scan.py).
    foreign_entries: Mapping[int, list[tuple[str, Sequence[str]]]]


class ScanRegion(NamedTuple):
    """Region of a scan: the host's own places, or everything of one user."""

    homes: Mapping[str, User]  # homes in which `~/` is searched
    roots: Sequence[str]  # directories that are scanned completely
    files: Sequence[tuple[str, Sequence[str]]] = ()  # a shared directory, and the names of single files in it
    user: User | None = None  # owner of everything in the region; None for the host
    owned_directories: Sequence[str] = ()  # directories of package systems; nothing in them is moved


def scan_portable_apps(
    host: Host,
    services: Mapping[str, PlanEntry],
    names: AppNames,
    region: ScanRegion,
    packages: Sequence[tuple[list[str], Package]],
    remembered: Mapping[str, RememberedDirectory],
) -> PortableAppScan:
    """Return the portable apps in a region.

    Apps in the system's own places are left out for a service that a package in `packages` belongs to. `remembered`
    comes from earlier scans.
    """
    if not names.has_names:
        return PortableAppScan([], [], [], {}, {})
    installed = {service for names_listed, package in packages if package.owner is None for service in names_listed}
    flatpaks = {f"{home}/.local/share/flatpak" for home in region.homes}  # flatpak.py checks these
    scan_result = host.scan_directories(
        region.roots, names.choose_names, remembered, flatpaks, separates_owned=region.user is None
    )
    search = _PortableAppSearch(
        host, names, region, installed, {service: entry["paths"] for service, entry in services.items()}
    )
    foreign_directories = [
        directory
        for names_listed in scan_result.foreign_entries.values()
        for directory, files in names_listed
        if not files
    ]
    for service, entry in services.items():
        for path in entry["paths"]:
            search.check_named_path(service, path, foreign_directories)
    for directory, names_listed in scan_result.hits:
        with search.note_unseen():
            search.check_directory(directory, names_listed)
    for directory, names_listed in region.files:
        with search.note_unseen():
            search.check_directory(directory, names_listed, set(names_listed))  # the names beside them may be anybody's
    web_apps = [
        f"{directory}/{name}"
        for directory, names_listed in scan_result.hits
        for name in names_listed
        if name.startswith(WEB_APP_PREFIX)
    ]
    return PortableAppScan(
        _merge_portable_apps(search.portable_apps),
        [*scan_result.unseen, *search.unseen],
        web_apps,
        scan_result.remembered,
        scan_result.foreign_entries,
    )


def check_portable_app(
    host: Host,
    services: Mapping[str, PlanEntry],
    names: AppNames,
    region: ScanRegion,
    packages: Sequence[tuple[list[str], Package]],
    path: str,
) -> list[PortableApp]:
    """Return the portable apps that a file is, by its content and its neighbours, as a file scan would.

    Other files that would move with it are not determined. The cost does not depend on the number of files around it.
    Raises ObservationError and ControlError.
    """
    installed = {
        service for listed_services, package in packages if package.owner is None for service in listed_services
    }
    paths = {service: entry["paths"] for service, entry in services.items()}
    search = _PortableAppSearch(host, names, region, installed, paths, includes_parts=False)
    directory, _, name = path.rpartition("/")
    chosen_names = names.choose_names(directory, [name])
    if chosen_names:
        from . import evidence

        search.check_directory(directory, chosen_names, evidence.list_neighbours(host, directory, names, name))
    return _merge_portable_apps(search.portable_apps)


def is_personal_home(user: User) -> bool:
    """Return whether the home of an account is a person's. The home of bin is /bin, a part of the system."""
    is_person = user.uid == 0 or user.uid >= 1000 or user.home.startswith("/home/")
    return is_person and not is_system_home(user.home)


def is_system_home(home: str) -> bool:
    """Return whether a home is below a directory in which only root creates files."""
    return any(f"{home}/".startswith(f"{place}/") for place in SYSTEM_HOMES)


class _PortableAppSearch:
    """Check of the names that the file scan returned."""

    def __init__(
        self,
        host: Host,
        names: AppNames,
        region: ScanRegion,
        installed: Collection[str],
        paths: Mapping[str, Sequence[str]],
        includes_parts: bool = True,
    ) -> None:
        self.host = host
        self.names = names
        self.region = region
        self.homes = region.homes
        self.installed_services = installed
        self.paths = paths
        self.includes_parts = includes_parts  # False: the files that move are not determined
        self.portable_apps: list[PortableApp] = []
        self.unseen: list[str] = []

    @contextlib.contextmanager
    def note_unseen(self) -> Iterator[None]:
        """Record the error of a check, so that it hides nothing of other places."""
        try:
            yield
        except (ObservationError, ControlError) as error:
            self.unseen.append(str(error))

    def check_named_path(self, service: str, path: str, foreign_directories: Sequence[str]) -> None:
        """Check a path of the catalogue, absolute or below each home.

        Paths in /usr belong to packages. Paths below the `foreign_directories` are scanned on behalf of other users.
        """
        if path.startswith("~/"):
            places = [home + path[1:] for home in self.homes]
        else:
            roots = self.region.roots if self.region.user else SCANNED_PLACES
            is_inside = path.startswith(tuple(f"{place}/" for place in roots))
            places = (
                [path] if is_inside and not path.startswith(tuple(f"{place}/" for place in foreign_directories)) else []
            )
        for place in places:
            with self.note_unseen():
                status = self.host.find_entry(place)
                if status and (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
                    from . import evidence  # loaded on demand: few hosts need it

                    if stat.S_ISDIR(status.st_mode):
                        self._add_portable_app(
                            service, "tree", place, evidence.identify_named_directory(self.host, place)
                        )
                    else:
                        is_own_directory = self.names.is_own_directory(place.rpartition("/")[0], service)
                        self._add_portable_app(
                            service, "program", place, evidence.identify_named_file(self.host, place, is_own_directory)
                        )

    def check_directory(
        self, directory: str, chosen_names: Collection[str], neighbours: set[str] | None = None
    ) -> None:
        """Check the chosen names in a directory. `neighbours` are the names beside them, by default all names there."""
        present_names = set(self.host.list_directory(directory)) if neighbours is None else neighbours
        for name in sorted(present_names.intersection(chosen_names)):
            path = f"{directory}/{name}"
            if name.startswith(WEB_APP_PREFIX):
                continue  # launchers.py checks these
            status = self.host.find_entry(path)
            if status is None or not stat.S_ISREG(status.st_mode):
                continue
            if name in self.names.desktop_files:
                self._check_unpacked_app(directory, name, present_names)
            elif name in ELECTRON_FILES.values():
                self._check_electron_app(path)
            elif name in self.names.windows_paths:
                self._check_windows_program(path, name)
            elif name.lower().endswith(appimage.IMAGE_SUFFIX) or (
                self._is_unknown_program(name) and status.st_mode & 0o111
            ):
                self._check_image(path, name, status.st_size)
            elif status.st_mode & 0o111:
                self._check_program(path, name, present_names)

    def _is_unknown_program(self, name: str) -> bool:
        return name not in self.names.programs and name not in self.names.marked_programs

    def _check_program(self, path: str, name: str, neighbours: set[str]) -> None:
        head = self.host.read_head(path, 11)
        services = [*self.names.programs.get(name, ()), *self.names.marked_programs.get(name, ())]
        if not head.startswith((appimage.ELF_MAGIC, b"#!")):
            return
        from . import evidence

        for service in dict.fromkeys(services):
            if appimage.is_appimage(head):
                self._add_portable_app(
                    service, "appimage", path, evidence.identify_appimage(self.host, path, self.names, service)
                )
            else:
                app_evidence = evidence.identify_program(
                    self.host, path, self.names, service, neighbours, self._is_at_known_path(path, service)
                )
                self._add_portable_app(service, "program", path, app_evidence)

    def _is_at_known_path(self, path: str, service: str) -> bool:
        """Return whether a path is below a path of the catalogue."""
        path_forms = [path, *("~" + path[len(home) :] for home in self.homes if path.startswith(home + "/"))]
        return any(
            form.startswith(f"{known_path}/") for form in path_forms for known_path in self.paths.get(service, ())
        )

    def _check_image(self, path: str, name: str, size: int) -> None:
        services = self.names.find_image_services(name)
        if name in self.names.portable_apps:
            self._check_portable_browser(path, name)
            return
        is_image = appimage.is_appimage(self.host.read_head(path, 11)) if services else False
        if is_image and (name.lower().endswith(appimage.IMAGE_SUFFIX) or size >= appimage.MIN_IMAGE_BYTES):
            from . import evidence

            for service in services:
                self._add_portable_app(
                    service, "appimage", path, evidence.identify_appimage(self.host, path, self.names, service)
                )
        elif services and not is_image:
            from . import evidence

            for service in services:  # a tool under the name of its release: cloudflared-linux-amd64
                if "go" in self.names.markers.get(service, ()):
                    self._add_portable_app(
                        service, "program", path, evidence.identify_marked_tool(self.host, path, self.names, service)
                    )

    def _check_portable_browser(self, path: str, name: str) -> None:
        """Check an unpacked browser. It counts only in a home, and with the rest of a browser around it."""
        if self._find_home_user(path) and self.host.read_head(path, 4) == appimage.ELF_MAGIC:
            from . import evidence

            if sign := evidence.find_frame_sign(self.host, path.rpartition("/")[0]):
                for service in self.names.portable_apps[name]:
                    self._add_portable_app(
                        service, "program", path, evidence.AppEvidence(f"a copy of a browser, beside {sign}")
                    )

    def _check_electron_app(self, path: str) -> None:
        from . import evidence

        for service, app_evidence in evidence.identify_electron_app(
            self.host, path, self.names, (*self.homes, *SCANNED_PLACES)
        ).items():
            self._add_portable_app(service, "tree", path.rpartition("/resources/")[0], app_evidence)

    def _check_windows_program(self, path: str, name: str) -> None:
        drive, separator, path_inside = path.rpartition(f"/{WINE_DRIVE}/")
        if not separator or self.host.read_head(path, 2) != b"MZ":
            return
        from . import evidence

        for service, endings in self.names.windows_paths[name].items():
            is_known_path = any(f"/{path_inside}".lower().endswith(ending) for ending in endings)
            self._add_portable_app(
                service, "wine", path, evidence.identify_windows_program(self.host, path, is_known_path)
            )

    def _check_unpacked_app(self, directory: str, name: str, neighbours: set[str]) -> None:
        """Check a directory with the app's name and desktop entry: an archive that somebody unpacked."""
        for service in self.names.desktop_files[name]:
            if self.names.is_own_directory(directory, service):
                from . import evidence

                self._add_portable_app(
                    service, "tree", directory, evidence.identify_unpacked_app(self.host, directory, name, neighbours)
                )

    def _find_home_user(self, path: str) -> User | None:
        parent = path
        while parent := parent.rpartition("/")[0]:
            if parent in self.homes:
                return self.homes[parent]
        return self.region.user

    def _add_portable_app(self, service: str, kind: str, path: str, app_evidence: evidence.AppEvidence | None) -> None:
        owner = self._find_home_user(path)
        if app_evidence is None or (not owner and service in self.installed_services):
            return
        status = self.host.find_entry(path)
        uid = status.st_uid if status else -1
        doubt = app_evidence.doubt
        if not doubt and path.startswith(
            tuple(f"{owned_directory}/" for owned_directory in self.region.owned_directories)
        ):
            doubt = "a package system owns it, so it is not moved"
        if not owner and not doubt and (package := owning_package.find_owning_package(self.host, path)):
            doubt = f"it belongs to {package}, so it is not moved"
        moved_path, leftovers = path, ""
        parts: Sequence[str] = ()
        directory = path if kind == "tree" else path.rpartition("/")[0]
        if (
            self.includes_parts
            and app_evidence.is_own_directory
            and not doubt
            and directory not in (*self.homes, *SCANNED_PLACES)
        ):
            from . import evidence

            kind, moved_path = "tree", directory
            parts, leftovers, doubt = evidence.choose_moved_parts(self.host, directory, path, self.names, service, uid)
        name = path.rpartition("/")[2]
        self.portable_apps.append(
            PortableApp(
                [service],
                kind,
                moved_path,
                name,
                owner,
                app_evidence.reason,
                doubt,
                self._parse_version(path),
                uid,
                parts,
                leftovers,
            )
        )

    @staticmethod
    def _parse_version(path: str) -> str:
        *_, parent, name = path.split("/")
        return appimage.parse_name_version(name) or appimage.parse_name_version(parent)


def _merge_portable_apps(portable_apps: Sequence[PortableApp]) -> list[PortableApp]:
    """Return each portable app once, with all its services, and without the apps inside a certain app."""
    merged: dict[str, PortableApp] = {}
    for app in sorted(portable_apps, key=lambda app: (app.path, bool(app.doubt), app.services)):
        outer_app = next((merged[parent] for parent in _iterate_upwards(app.path) if parent in merged), None)
        if outer_app is None or (outer_app.path != app.path and not outer_app.is_moved_with(app.path)):
            merged[app.path] = app
        else:
            outer_app.services.extend(
                service for service in app.services if service not in outer_app.services and outer_app.path == app.path
            )
    return list(merged.values())


def _iterate_upwards(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]
