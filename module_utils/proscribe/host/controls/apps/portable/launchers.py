"""Search for launchers: small files that start a restricted app or open a restricted web address.

Launchers are desktop entries with a web address, and web apps that a browser installed. Autostart entries and systemd
services of the session count too, and desktop entries that start a program in a container.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Collection, Iterable, Mapping, Sequence

from .....base.name_folding import fold_name
from .....model.plan import compute_once
from ....system import ControlError, Host, ObservationError, User, escape_text
from .. import owning_package
from . import desktop_entries
from .app_names import WEB_APP_PREFIX
from .scan import PortableApp

if TYPE_CHECKING:
    from .....model.types.plan import PlanEntry
    from . import container_launchers

MENU_DIRECTORIES = ("/.local/share/applications", "/Desktop")  # below a home
AUTOSTART_DIRECTORY = "/.config/autostart"
UNIT_DIRECTORIES = ("/.config/systemd/user", "/.local/share/systemd/user")
SYSTEM_MENU_DIRECTORIES = ("/usr/share/applications", "/usr/local/share/applications")
SYSTEM_AUTOSTART_DIRECTORY = "/etc/xdg/autostart"
SYSTEM_UNIT_DIRECTORY = "/etc/systemd/user"
MAX_ENTRY_BYTES = 1024 * 1024
PROGRAM_DIRECTORY = "/.local/bin"  # below a home: `distrobox-export --bin` puts its scripts there
# Commands that start a program in a container.
CONTAINER_RUNNERS = (
    "waydroid",
    "distrobox",
    "toolbox",
    "podman",
    "docker",
    "lxc",
    "incus",
)
MAX_SHOWN_CHARACTERS = 200  # most characters of an address or a command that a finding shows


def find_launchers(
    host: Host,
    services: Mapping[str, PlanEntry],
    find_services: Callable[[str, str], list[str]],
    users: Iterable[User],
    has_system: bool,
    desktops: Mapping[str, str] = {},
    installed: Collection[str] = (),
) -> tuple[list[PortableApp], list[str]]:
    """Return the launchers of restricted services, and the reasons why some could not be checked.

    The launchers of `users` are searched, and with `has_system` those of the host. `find_services` returns the services
    of a program, by path and flatpak id. `desktops` has, by home, the path of a desktop directory that the user named.
    `installed` are the services that a package of the host provides. The name that a desktop entry of the host shows
    does not count for these services.
    """
    search = _LauncherSearch(host, services, find_services, installed)
    if not (search.web_hosts.paths_by_host or search.can_start or search.services_by_title):
        return [], []
    for user in users:
        menus = [user.home + menu for menu in MENU_DIRECTORIES]
        if user.home in desktops:
            menus.append(desktops[user.home])
        for menu in dict.fromkeys(menus):
            search.check_directory(menu, user, "web_app")
        search.check_directory(user.home + AUTOSTART_DIRECTORY, user, "autostart")
        for units in UNIT_DIRECTORIES:
            search.check_directory(user.home + units, user, "autostart", ".service")
        search.check_exported_scripts(user)
    if has_system:
        for menu in SYSTEM_MENU_DIRECTORIES:
            search.check_directory(menu, None, "web_app")
        search.check_directory(SYSTEM_AUTOSTART_DIRECTORY, None, "autostart")
        search.check_directory(SYSTEM_UNIT_DIRECTORY, None, "autostart", ".service")
    return search.launchers, search.unseen


def find_installed_web_apps(
    host: Host, services: Mapping[str, PlanEntry], paths: Iterable[str], find_owner: Callable[[str], User | None]
) -> list[PortableApp]:
    """Return the web apps of services among the folders `paths`, which the file scan found.

    `find_owner` returns the user of a folder, or None.
    """
    search = None  # made for the first folder only, because most hosts have none
    for path in paths:
        search = search or _LauncherSearch(host, services, lambda program, flatpak_id: [])
        if app_services := search.web_hosts.find_app_services(path.rpartition(WEB_APP_PREFIX)[2]):
            search.add_launcher(app_services, "web_app", path, find_owner(path), "a web app that a browser installed")
    return [_add_moved_parts(host, app) for app in search.launchers] if search else []


def _add_moved_parts(host: Host, app: PortableApp) -> PortableApp:
    """Return a web app with the files of its folder that move into the quarantine: those that the browser wrote.

    A web app that is gone or doubtful is returned unchanged.
    """
    status = host.find_entry(app.path)
    if status is None or app.doubt:
        return app
    from . import evidence  # loaded on demand: few hosts need it

    parts, leftovers, doubt = evidence.choose_moved_web_app(host, app.path, status.st_uid)
    return app._replace(uid=status.st_uid, parts=parts, leftovers=leftovers, doubt=doubt)


def _index_names(
    services: Mapping[str, PlanEntry],
) -> tuple[dict[str, list[str]], dict[str, list[str]], set[str], bool]:
    """Return (services by desktop entry, services by title, program names, whether a launcher could start an app).

    A desktop entry is its file name. A title is the name that it shows, folded for a comparison. No launcher can start
    an app if no service has programs, paths or packages.
    """
    titles: dict[str, list[str]] = {}
    for service, entry in services.items():
        for title in entry.get("names", ()):
            titles.setdefault(fold_name(title), []).append(service)
    entries = {name: [service] for service, entry in services.items() for name in entry.get("desktop_files", ())}
    programs = {name for entry in services.values() for name in entry["processes"]}
    starts = any(entry["processes"] or entry["paths"] or entry["packages"] for entry in services.values())
    return entries, titles, programs, starts


class _LauncherSearch:
    """Search for launchers.

    It collects the launchers, and the reasons why some directories could not be checked.
    """

    def __init__(
        self,
        host: Host,
        services: Mapping[str, PlanEntry],
        find_services: Callable[[str, str], list[str]],
        installed: Collection[str] = (),
    ) -> None:
        self.host = host
        self.installed_services = installed
        self.find_services = find_services
        self.web_hosts = desktop_entries.WebHosts(services)
        self.services_by_entry: dict[str, list[str]]
        self.services_by_title: dict[str, list[str]]
        self.program_names: set[str]
        indexes = compute_once(services, "apps/launchers", lambda: _index_names(services))
        self.services_by_entry, self.services_by_title, self.program_names, self.can_start = indexes
        self.services = services
        self.container_apps: container_launchers.ContainerApps | None = None
        self.launchers: list[PortableApp] = []
        self.unseen: list[str] = []

    def check_directory(self, directory: str, owner: User | None, kind: str, suffix: str = ".desktop") -> None:
        """Check each file of a directory that ends with `suffix`: desktop entries, or systemd units.

        `kind` is the kind of the launchers there: `web_app` (menus and desktops) or `autostart`. `owner` is the user of
        the directory, or None for the host.
        """
        try:
            names = [name for name in self.host.list_directory(directory) if name.endswith(suffix)]
        except (ObservationError, ControlError) as error:
            self.unseen.append(str(error))
            return
        for name in names:
            try:
                content = self.host.read_file(f"{directory}/{name}", MAX_ENTRY_BYTES)
            except ObservationError as error:
                self.unseen.append(str(error))
            except ControlError:  # a link, a pipe or a huge file is no launcher
                pass
            else:
                if content:
                    self.check_entry(f"{directory}/{name}", content.decode("utf-8", "replace"), owner, kind)

    def check_entry(self, path: str, text: str, owner: User | None, kind: str) -> None:
        """Check the text of a desktop entry or a unit, and add a launcher for each service that it starts or opens.

        `kind` and `owner` are those of `check_directory`. A `launcher` is a menu entry of another kind than `web_app`.
        """
        if path.endswith(".service"):
            launcher = desktop_entries.parse_launcher(text, ("ExecStart", "ExecStartPre", "ExecStartPost"), "Service")
        else:
            launcher = desktop_entries.parse_launcher(text)
        if launcher.is_hidden:
            return
        for address in launcher.addresses:
            if services := self.web_hosts.find_address_services(address):
                self.add_launcher(services, kind, path, owner, f"it opens {address[:MAX_SHOWN_CHARACTERS]}")
        for app_id in launcher.app_ids:
            if services := self.web_hosts.find_app_services(app_id):
                self.add_launcher(services, kind, path, owner, f"it opens the web app {app_id}")
        if any(word in text for word in CONTAINER_RUNNERS):
            for services, reason, doubt in self.load_container_apps().identify_launcher(
                path, launcher.commands, self.find_services
            ):
                self.add_launcher(services, "launcher" if kind == "web_app" else kind, path, owner, reason, doubt)
        # An entry of a menu or desktop counts for an address, a web app or a container, but not for a program.
        for command in launcher.commands if kind == "autostart" else ():
            program, flatpak_id = desktop_entries.parse_started_program(command)
            if services := self.find_services(program, flatpak_id) or self.services_by_entry.get(
                path.rpartition("/")[2], []
            ):
                self.add_launcher(
                    services,
                    kind,
                    path,
                    owner,
                    f"it starts {(flatpak_id or program)[:MAX_SHOWN_CHARACTERS]} with the session",
                )
        for title in launcher.titles if self.services_by_title else ():
            title_services = [
                service
                for service in self.services_by_title.get(fold_name(title), ())
                if owner or service not in self.installed_services
            ]
            if title_services:
                from . import evidence  # loaded on demand: few hosts need it

                kind = "launcher" if kind == "web_app" else kind
                self.add_launcher(
                    title_services, kind, path, owner, f"it is called {escape_text(title)}", evidence.NAME_ONLY_DOUBT
                )

    def load_container_apps(self) -> container_launchers.ContainerApps:
        if self.container_apps is None:
            from . import container_launchers  # loaded on demand: only hosts with such a launcher need it

            self.container_apps = container_launchers.ContainerApps(self.services)
        return self.container_apps

    def check_exported_scripts(self, user: User) -> None:
        """Check the scripts in a user's ~/.local/bin that start programs in containers of distrobox.

        A script has the name of the program that it starts. So only files with the name of a restricted program count.
        """
        try:
            names = [
                name for name in self.host.list_directory(user.home + PROGRAM_DIRECTORY) if name in self.program_names
            ]
        except (ObservationError, ControlError):
            return  # the file scan reports the same problem
        for path, services, reason, doubt in (
            self.load_container_apps().find_exported_scripts(self.host, user, names) if names else ()
        ):
            self.add_launcher(services, "launcher", path, user, reason, doubt)

    def add_launcher(
        self, services: Sequence[str], kind: str, path: str, owner: User | None, reason: str, doubt: str = ""
    ) -> None:
        """Add the launcher at `path` for each of `services` for which it is not added yet.

        `reason` is the evidence. `doubt` says why the file stays in place; "" if it may move. A launcher of the host
        that belongs to a package stays in place.
        """
        known_services = {service for app in self.launchers if app.path == path for service in app.services}
        if owner is None and (package := owning_package.find_owning_package(self.host, path)):
            doubt = f"it belongs to {package}, so it is not moved"
        for service in services:
            if service not in known_services:
                self.launchers.append(PortableApp([service], kind, path, path.rpartition("/")[2], owner, reason, doubt))
