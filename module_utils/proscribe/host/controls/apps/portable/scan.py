"""Search for portable apps, which no package system knows.

Portable apps are AppImages, unpacked archives, vendors' own directories and Wine programs. A single file scan lists
their names, below the places of software and of users' files. A user can choose the name of such a file. So an app that
is known by its name or its path alone is reported and left in place. Its content and the files beside it show for
certain that it is the app (evidence.py). Only files that belong to the app move (own_files.py).
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

# Directories outside of homes that are scanned. Entries of root belong to the host. Entries of other users are scanned
# in the observation of these users.
SCANNED_PLACES = ("/opt", "/usr/local", "/srv", "/tmp", "/var/tmp", "/dev/shm", "/media", "/run/media")
# directories of the system: an account with a home in one of them is no person
SYSTEM_HOMES = ("/bin", "/boot", "/dev", "/etc", "/lib", "/proc", "/run", "/sbin", "/sys", "/usr")
WINE_DRIVE = "drive_c"  # directory of Windows programs in a Wine prefix (the data directory of Wine)


class PortableApp(NamedTuple):
    """Restricted app that no package system installed, or a launcher of a restricted app."""

    services: list[str]
    kind: str  # appimage, program, tree, wine, web_app, autostart, launcher
    path: str  # path of the whole app; bytes that are not UTF-8 are surrogates
    name: str  # name of the program
    owner: User | None  # user of the home that has the app; None if it is in a place of the host, such as /opt
    reason: str  # the evidence as a text
    doubt: str = ""  # why the app may be something else, so that it stays in place; "" if it is certain
    version: str = ""  # version in the name of the file or directory, which a user may have chosen
    uid: int = -1  # uid of the program's owner; -1 if the owner does not matter
    parts: Sequence[str] = ()  # paths that move into the quarantine; empty if everything at `path` moves
    leftovers: str = ""  # description of the files that stay; "" for none

    def make_finding(self) -> Finding:
        """Return the finding that reports the app.

        Its texts are escaped, because a user may have chosen them.
        """
        kind = self.kind if self.kind in ("web_app", "autostart", "launcher") else "file"
        scope = f"user:{self.owner.name}" if self.owner else "system"
        version = "version as its name says" if self.version else ""
        detail = ", ".join(filter(None, [self.reason, version, self.doubt, self.leftovers]))
        return Finding(
            kind, escape_text(self.name), self.kind, self.version, scope, escape_text(self.path), escape_text(detail)
        )

    def is_moved_with(self, path: str) -> bool:
        """Return whether the file at `path`, below the app's path, moves with the app into the quarantine."""
        return not self.doubt and (
            self.kind == "tree" and (not self.parts or any(f"{path}/".startswith(f"{part}/") for part in self.parts))
        )


class PortableAppScan(NamedTuple):
    """Result of a scan for portable apps."""

    portable_apps: list[PortableApp]
    unseen: list[str]  # reasons why places could not be scanned or files could not be checked
    web_apps: list[str]  # folders of web apps that a browser installed, of restricted services or not
    remembered: Mapping[str, RememberedDirectory]  # by directory: data that the next scan need not read again
    # By uid of a user other than root: files in the host's shared places, for the observation of that user
    # (system/file_scan.py). Each pair is a directory and the names of the user's files in it. No names mean that the
    # whole directory is the user's.
    foreign_entries: Mapping[int, list[tuple[str, Sequence[str]]]]


class ScanRegion(NamedTuple):
    """Region of a scan: the host's places with the home of root, or everything of another user."""

    homes: Mapping[str, User]  # users by home; catalogue paths with `~/` are searched in these homes
    roots: Sequence[str]  # directories that are scanned completely
    # shared directories, such as /tmp, each with the names of the user's files in it that are checked
    files: Sequence[tuple[str, Sequence[str]]] = ()
    user: User | None = None  # owner of everything in the region; None for the host
    owned_directories: Sequence[str] = ()  # directories of package systems; nothing in them moves into the quarantine


def scan_portable_apps(
    host: Host,
    services: Mapping[str, PlanEntry],
    names: AppNames,
    region: ScanRegion,
    packages: Sequence[tuple[list[str], Package]],
    remembered: Mapping[str, RememberedDirectory],
) -> PortableAppScan:
    """Return the portable apps in a region, after a scan of its files.

    `packages` are the installed packages with their services. An app in a place of the host is left out if a package of
    the host provides its service. `remembered` has, by path, directories of earlier scans: they are not read again if
    they have not changed.
    """
    if not names.has_names:
        return PortableAppScan([], [], [], {}, {})
    installed = {service for names_listed, package in packages if package.owner is None for service in names_listed}
    flatpaks = {f"{home}/.local/share/flatpak" for home in region.homes}  # flatpak.py checks these
    # in the region of the host, files of other users are not scanned, but returned in `foreign_entries`
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
            # only these names are neighbours: other files in a shared directory may be those of any user
            search.check_directory(directory, names_listed, set(names_listed))
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
    """Return the portable apps of which the file at `path` is the program, as a file scan would.

    Only this file is checked, so that the watch can check a program that somebody starts. The files that would move
    into the quarantine with it are not determined. The cost does not depend on the number of files beside it. The other
    parameters are those of `scan_portable_apps`. Raises ObservationError and ControlError.
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
    """Return whether an account has the home of a person, which users fill with files.

    Accounts of the system have none: the home of `bin` is /bin, a part of the system.
    """
    is_person = user.uid == 0 or user.uid >= 1000 or user.home.startswith("/home/")
    return is_person and not is_system_home(user.home)


def is_system_home(home: str) -> bool:
    """Return whether a home is in a directory of the system, in which only root creates files."""
    return any(f"{home}/".startswith(f"{place}/") for place in SYSTEM_HOMES)


class _PortableAppSearch:
    """Check of the names that the file scan returned. It collects the portable apps with these names."""

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
        self.includes_parts = includes_parts  # False: the files of an app that move are not determined
        self.portable_apps: list[PortableApp] = []
        self.unseen: list[str] = []

    @contextlib.contextmanager
    def note_unseen(self) -> Iterator[None]:
        """Record the error of the `with` body, so that an error at one path does not prevent other checks."""
        try:
            yield
        except (ObservationError, ControlError) as error:
            self.unseen.append(str(error))

    def check_named_path(self, service: str, path: str, foreign_directories: Sequence[str]) -> None:
        """Check whether the app of a service is at a path of the catalogue.

        A path with `~/` is checked in each home. Other paths are checked only within the region. So paths in /usr are
        left out, because packages own them. Paths below the `foreign_directories` are left out too: the scans for the
        users who own them check them.
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
        """Check the files in a directory that have one of `chosen_names`, each by a method for its kind.

        `neighbours` are names in the directory. Other names are neither checked nor evidence for a checked file. None
        means all names in it.
        """
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
                # An executable of an unknown name may be an AppImage without the suffix, or a release of a tool.
                self._check_image(path, name, status.st_size)
            elif status.st_mode & 0o111:
                self._check_program(path, name, present_names)

    def _is_unknown_program(self, name: str) -> bool:
        """Return whether a file name is no program name of the catalogue, so that it may be that of an AppImage."""
        return name not in self.names.programs and name not in self.names.marked_programs

    def _check_program(self, path: str, name: str, neighbours: set[str]) -> None:
        """Check a file with the name of a program. It must be an AppImage, another ELF file or a script."""
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
        """Return whether a path is below a path that the catalogue has for the service."""
        path_forms = [path, *("~" + path[len(home) :] for home in self.homes if path.startswith(home + "/"))]
        return any(
            form.startswith(f"{known_path}/") for form in path_forms for known_path in self.paths.get(service, ())
        )

    def _check_image(self, path: str, name: str, size: int) -> None:
        """Check a file with the name of an AppImage, a portable browser, or a release such as `tool-linux-amd64`."""
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

            for service in services:  # a tool may have the name of its release: cloudflared-linux-amd64
                if "go" in self.names.markers.get(service, ()):
                    self._add_portable_app(
                        service, "program", path, evidence.identify_marked_tool(self.host, path, self.names, service)
                    )

    def _check_portable_browser(self, path: str, name: str) -> None:
        """Check a browser that somebody unpacked from an archive.

        The browser counts only in a user's home, and with other files of a browser beside it.
        """
        if self._find_home_user(path) and self.host.read_head(path, 4) == appimage.ELF_MAGIC:
            from . import evidence

            if sign := evidence.find_frame_sign(self.host, path.rpartition("/")[0]):
                for service in self.names.portable_apps[name]:
                    self._add_portable_app(
                        service, "program", path, evidence.AppEvidence(f"a copy of a browser, beside {sign}")
                    )

    def _check_electron_app(self, path: str) -> None:
        """Check the code of an Electron app: `app.asar` or `package.json` in `resources`."""
        from . import evidence

        for service, app_evidence in evidence.identify_electron_app(
            self.host, path, self.names, (*self.homes, *SCANNED_PLACES)
        ).items():
            self._add_portable_app(service, "tree", path.rpartition("/resources/")[0], app_evidence)

    def _check_windows_program(self, path: str, name: str) -> None:
        """Check a Windows program in a Wine prefix (the data directory of Wine, with `drive_c`)."""
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
        """Check a directory with the name and the desktop entry of an app: an archive that somebody unpacked."""
        for service in self.names.desktop_files[name]:
            if self.names.is_own_directory(directory, service):
                from . import evidence

                self._add_portable_app(
                    service, "tree", directory, evidence.identify_unpacked_app(self.host, directory, name, neighbours)
                )

    def _find_home_user(self, path: str) -> User | None:
        """Return the user of the home that contains a path, or else the user of the region (None for the host)."""
        parent = path
        while parent := parent.rpartition("/")[0]:
            if parent in self.homes:
                return self.homes[parent]
        return self.region.user

    def _add_portable_app(self, service: str, kind: str, path: str, app_evidence: evidence.AppEvidence | None) -> None:
        """Add a portable app, with the files of it that move into the quarantine.

        Nothing is added if `app_evidence` is None, which means that the program at `path` is no app of the service.
        Nothing is added either in a place of the host if a package provides the service. An app that a package system
        owns gets a doubt, so that it stays in place.
        """
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
        # If the app has a directory of its own, the directory moves instead of the program alone. A home or a shared
        # place, such as /opt, never moves.
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
        """Return the version in the name of a file, or else in the name of its directory, or ""."""
        *_, parent, name = path.split("/")
        return appimage.parse_name_version(name) or appimage.parse_name_version(parent)


def _merge_portable_apps(portable_apps: Sequence[PortableApp]) -> list[PortableApp]:
    """Return each app once by path, with all services that were found for the path.

    An app is left out if it is inside another app with which it moves into the quarantine.
    """
    merged: dict[str, PortableApp] = {}
    # outer apps come before inner apps, and for the same path, certain apps before doubtful apps
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
