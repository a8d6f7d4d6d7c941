"""What starts a restricted app, or opens a restricted service as if it were one: desktop entries with a web address,
web apps that a browser installed, entries that start with the session, users' own services.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Collection, Iterable, Mapping, Sequence

from .....base.folding import fold_name
from .....model.plan import compute_once
from ....system import ControlError, Host, ObservationError, User, escape_text
from .. import file_owner
from . import desktop_entries
from .names import WEB_APP
from .scan import PortableApp

if TYPE_CHECKING:
    from .....model.types.plan import PlanEntry
    from . import container_launchers

MENUS = ("/.local/share/applications", "/Desktop")  # below a home
AUTOSTART = "/.config/autostart"
UNITS = ("/.config/systemd/user", "/.local/share/systemd/user")
SYSTEM_MENUS = ("/usr/share/applications", "/usr/local/share/applications")
SYSTEM_AUTOSTART = "/etc/xdg/autostart"
SYSTEM_UNITS = "/etc/systemd/user"
LARGEST = 1024 * 1024  # bytes of an entry
PROGRAMS = "/.local/bin"  # below a home: where `distrobox-export --bin` puts its scripts
RUNNERS = ("waydroid", "distrobox", "toolbox", "podman", "docker", "lxc", "incus")  # of what is in a container
SHOWN = 200  # characters of what an entry says


def find_launchers(
    host: Host,
    services: Mapping[str, PlanEntry],
    services_of: Callable[[str, str], list[str]],
    users: Iterable[User],
    system: bool,
    desktops: Mapping[str, str] = {},
    installed: Collection[str] = (),
) -> tuple[list[PortableApp], list[str]]:
    """The launchers of some users, and those of the system; and what could not be checked.

    `services_of` says whose a program is, by path and by flatpak id. `desktops` are users' desktops by home, where
    these are called otherwise. For the services of `installed` a package of the host stands already.
    """
    one = _Search(host, services, services_of, installed)
    if not (one.web.hosts or one.starts or one.titles):
        return [], []
    for user in users:
        menus = [user.home + menu for menu in MENUS]
        if user.home in desktops:
            menus.append(desktops[user.home])
        for menu in dict.fromkeys(menus):
            one.directory(menu, user, "web_app")
        one.directory(user.home + AUTOSTART, user, "autostart")
        for units in UNITS:
            one.directory(user.home + units, user, "autostart", ".service")
        one.exported(user)
    if system:
        for menu in SYSTEM_MENUS:
            one.directory(menu, None, "web_app")
        one.directory(SYSTEM_AUTOSTART, None, "autostart")
        one.directory(SYSTEM_UNITS, None, "autostart", ".service")
    return one.found, one.unseen


def installed(
    host: Host, services: Mapping[str, PlanEntry], paths: Iterable[str], owner_of: Callable[[str], User | None]
) -> list[PortableApp]:
    """The web apps of services that browsers installed into some folders, which the file scan found."""
    one = None
    for path in paths:
        one = one or _Search(host, services, lambda program, flatpak_id: [])
        if whose := one.web.services_of_app(path.rpartition(WEB_APP)[2]):
            one.add(whose, "web_app", path, owner_of(path), "a web app that a browser installed")
    return [_with_parts(host, app) for app in one.found] if one else []


def _with_parts(host: Host, app: PortableApp) -> PortableApp:
    """A browser's folder of a web app, with what of it is the browser's."""
    seen = host.find_entry(app.path)
    if seen is None or app.doubt:
        return app
    from . import evidence  # only a host that has such a thing pays for it

    parts, stays, doubt = evidence.moving_web_app(host, app.path, seen.st_uid)
    return app._replace(uid=seen.st_uid, parts=parts, stays=stays, doubt=doubt)


def _named(services: Mapping[str, PlanEntry]) -> tuple[dict[str, list[str]], dict[str, list[str]], set[str], bool]:
    """Desktop entries, their titles and programs by their names, and whether a launcher could start anything."""
    titles: dict[str, list[str]] = {}
    for service, entry in services.items():
        for title in entry.get("names", ()):
            titles.setdefault(fold_name(title), []).append(service)
    entries = {name: [s] for s, entry in services.items() for name in entry.get("desktop_files", ())}
    programs = {name for entry in services.values() for name in entry["processes"]}
    starts = any(entry["processes"] or entry["paths"] or entry["packages"] for entry in services.values())
    return entries, titles, programs, starts


class _Search:
    def __init__(
        self,
        host: Host,
        services: Mapping[str, PlanEntry],
        services_of: Callable[[str, str], list[str]],
        installed: Collection[str] = (),
    ) -> None:
        self.host = host
        self.installed = installed
        self.services_of = services_of
        self.web = desktop_entries.WebHosts(services)
        self.entries: dict[str, list[str]]
        self.titles: dict[str, list[str]]
        self.programs: set[str]
        known = compute_once(services, "apps/launchers", lambda: _named(services))
        self.entries, self.titles, self.programs, self.starts = known
        self.services = services
        self.known: container_launchers.Known | None = None
        self.found: list[PortableApp] = []
        self.unseen: list[str] = []

    def directory(self, directory: str, owner: User | None, kind: str, suffix: str = ".desktop") -> None:
        try:
            names = [name for name in self.host.list_directory(directory) if name.endswith(suffix)]
        except (ObservationError, ControlError) as error:
            self.unseen.append(str(error))
            return
        for name in names:
            try:
                content = self.host.read_file(f"{directory}/{name}", LARGEST)
            except ObservationError as error:
                self.unseen.append(str(error))
            except ControlError:  # a link, a pipe, something huge: no launcher that could be read
                pass
            else:
                if content:
                    self.entry(f"{directory}/{name}", content.decode("utf-8", "replace"), owner, kind)

    def entry(self, path: str, text: str, owner: User | None, kind: str) -> None:
        """One desktop entry or unit."""
        if path.endswith(".service"):
            launcher = desktop_entries.parse(text, ("ExecStart", "ExecStartPre", "ExecStartPost"), "Service")
        else:
            launcher = desktop_entries.parse(text)
        if launcher.hidden:
            return
        for address in launcher.addresses:
            if services := self.web.services(address):
                self.add(services, kind, path, owner, f"it opens {address[:SHOWN]}")
        for id_ in launcher.app_ids:
            if services := self.web.services_of_app(id_):
                self.add(services, kind, path, owner, f"it opens the web app {id_}")
        if any(word in text for word in RUNNERS):
            for services, why, doubt in self.contained().claims(path, launcher.commands, self.services_of):
                self.add(services, "launcher" if kind == "web_app" else kind, path, owner, why, doubt)
        for command in launcher.commands if kind == "autostart" else ():
            program, flatpak = desktop_entries.started(command)
            if services := self.services_of(program, flatpak) or self.entries.get(path.rpartition("/")[2], []):
                self.add(services, kind, path, owner, f"it starts {(flatpak or program)[:SHOWN]} with the session")
        for title in launcher.titles if self.titles else ():
            named = [s for s in self.titles.get(fold_name(title), ()) if owner or s not in self.installed]
            if named:
                from . import evidence  # only a host that has such a thing pays for it

                kind = "launcher" if kind == "web_app" else kind
                self.add(named, kind, path, owner, f"it is called {escape_text(title)}", evidence.ALONE)

    def contained(self) -> container_launchers.Known:
        if self.known is None:
            from . import container_launchers  # only a host with a launcher of what runs in one pays for it

            self.known = container_launchers.Known(self.services)
        return self.known

    def exported(self, user: User) -> None:
        """Scripts of distrobox in a home, which have the name of the program that they start."""
        try:
            names = [name for name in self.host.list_directory(user.home + PROGRAMS) if name in self.programs]
        except (ObservationError, ControlError):
            return  # the file scan says so too
        for path, services, why, doubt in self.contained().exported(self.host, user, names) if names else ():
            self.add(services, "launcher", path, user, why, doubt)

    def add(self, services: Sequence[str], kind: str, path: str, owner: User | None, why: str, doubt: str = "") -> None:
        known = {service for app in self.found if app.path == path for service in app.services}
        if owner is None and (package := file_owner.owner(self.host, path)):
            doubt = f"it belongs to {package}, so it is not moved"
        for service in services:
            if service not in known:
                self.found.append(PortableApp([service], kind, path, path.rpartition("/")[2], owner, why, doubt))
