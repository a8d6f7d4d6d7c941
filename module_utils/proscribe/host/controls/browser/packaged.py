"""Browsers that flatpak or snap keeps apart from the host's files: does the policy of their place reach them?

The wrapper of a flatpak takes the host's policies over if it may see the host's /etc. Every user can take that away
from it (flatpak-override(1)). Other flatpaks read an extension, which a user's own one of that name hides. A snap sees
a folder of /etc through a plug. Nothing of that can be corrected for those who chose it, so it is only reported.
"""

from __future__ import annotations

import contextlib
import stat
from typing import Iterator, Sequence

from ....base.patterns import MULTILINE, compile_pattern
from ....base.tuples import NamedTuple
from ....model.finding import Finding
from ...system import ControlError, Host, ObservationError, User
from ...system.budget import ReadBudget
from ...system.forked import run_each_apart
from .places import OWN_EXTENSION, PACKAGERS, Place
from .running import Seen

SYSTEM, PERSONAL = "/var/lib/flatpak", "/.local/share/flatpak"  # the latter below a home
SNAPS = PACKAGERS[-2:]
PROFILES = "/var/lib/snapd/apparmor/profiles"
# What an interface of a snap opens, as snapd writes it (interfaces/builtin/common_files.go).
_OPENED = compile_pattern(r'^"(/etc[^"{]*)\{,/,/\*\*\}" r', MULTILINE)
UNPLACED = "nobody knows where it reads policies: docs/browsers.md"


class Installation(NamedTuple):
    """Where flatpaks are: the system's installation, or a user's own."""

    folder: str
    user: User | None
    apps: frozenset[str]

    @property
    def scope(self) -> str:
        return f"user:{self.user.name}" if self.user else "system"


def check_packaged(host: Host, places: Sequence[Place], others: Sequence[Place]) -> Seen:
    """Observe the packaged browsers of some places; `others` are those whose browsers may be here all the same.

    Users' own are observed apart, on a budget of each one's: a user controls his home.
    """
    findings: list[Finding] = []
    unseen: list[str] = []
    for root in [None, *(user for user in host.list_users() if user.uid == 0)]:
        found, reasons = _found(host, places, others, root)
        findings += found
        unseen += reasons

    def of_user(user: User) -> Iterator[tuple[list[Finding], list[str]]]:
        host.budget = ReadBudget()
        yield _found(host, places, others, user)

    for user, parts, why in run_each_apart([user for user in host.list_users() if user.uid], of_user):
        for rows, its in parts:
            findings += [Finding(*row) for row in rows]
            unseen += its
        unseen += [f"{user.name}: {why}"] if why else []
    return Seen(list(dict.fromkeys(findings)), "; ".join(dict.fromkeys(unseen)))


def _found(
    host: Host, places: Sequence[Place], others: Sequence[Place], user: User | None
) -> tuple[list[Finding], list[str]]:
    """What there is for the system, and for a user; and what could not be checked."""
    findings: list[Finding] = []
    unseen: list[str] = []
    installations = list(_installations(host, user, unseen))
    for place in places:
        for id_ in place.flatpaks:
            if any(id_ in installation.apps for installation in installations):
                findings += _flatpak(host, place, id_, installations, unseen)
        for name in place.snaps:
            if _snap_is_here(host, name):
                findings += _snap(host, place, name, unseen)
    for place in (*places, *others):
        findings += _unplaced(host, place, installations)
    return findings, unseen


def _installations(host: Host, user: User | None, unseen: list[str]) -> Iterator[Installation]:
    """Whatever is odd in a home is unseen there, and hides nothing of anybody else."""
    for folder, whose in [(SYSTEM, None), *([(user.home + PERSONAL, user)] if user else [])]:
        try:
            yield Installation(folder, whose, frozenset(host.list_directory(folder + "/app")))
        except (ObservationError, ControlError) as error:
            unseen.append(str(error))


def _flatpak(
    host: Host, place: Place, id_: str, installations: Sequence[Installation], unseen: list[str]
) -> Iterator[Finding]:
    system = next((one for one in installations if one.user is None), None)
    in_system = system is not None and id_ in system.apps
    concerned = [one for one in installations if one.user and (in_system or id_ in one.apps)]
    yield from _links(host, place, id_)
    if not place.path.startswith(SYSTEM):
        permissions = Permissions(host, place, id_, in_system)
        with _noting(unseen):
            yield from permissions.taken_away(system if in_system else None, concerned, unseen)
        return
    for installation in concerned:
        with _noting(unseen):
            yield from _extensions(host, place, id_, installation)


@contextlib.contextmanager
def _noting(unseen: list[str]) -> Iterator[None]:
    try:
        yield
    except (ObservationError, ControlError) as error:
        unseen.append(str(error))


def _links(host: Host, place: Place, id_: str) -> Iterator[Finding]:
    """Links that lead to nothing inside: a wrapper takes over files alone, and a flatpak sees /etc and nothing else."""
    step = ""
    for name in place.path.split("/")[1:]:
        step += "/" + name
        seen = host.find_entry(step)
        if seen is None or not stat.S_ISLNK(seen.st_mode):
            continue
        if step == place.path:
            yield _finding(place, id_, "system", step, "it is a link, which the flatpak does not take over")
        elif not place.path.startswith(SYSTEM) and not (target := host.resolve_link(step)).startswith("/etc/"):
            yield _finding(place, id_, "system", step, f"it leads to {target}, which the flatpak does not see")
            return


class Permissions:
    """Whether an application sees the host's /etc. Each file of overrides has the last word over those before it:
    the application's own, the system's for all and for this one, the user's for all and for this one.
    """

    def __init__(self, host: Host, place: Place, id_: str, in_system: bool) -> None:
        self.host, self.place, self.id = host, place, id_
        self.own = f"{SYSTEM}/app/{id_}/current/active/metadata" if in_system else ""

    def taken_away(
        self, system: Installation | None, users: Sequence[Installation], unseen: list[str]
    ) -> Iterator[Finding]:
        """Where it does not: once for the system, or for each user whose overrides are why."""
        granted = {"host-etc": True}  # a user's own copy says so, or is another application
        if self.own and (text := self.host.read_text(self.own)) is not None:
            granted = applied({}, text)
        shared = [f"{SYSTEM}/overrides/{name}" for name in ("global", self.id)]
        of_all, culprit = self._after(granted, shared)
        if not sees_etc(of_all) and system is not None:
            yield self._finding(system, culprit or self.own)
        for user in users:
            with _noting(unseen):
                files = [f"{user.folder}/overrides/{name}" for name in ("global", self.id)]
                its, culprit = self._after(of_all, files)
                if not sees_etc(its) and (culprit or self.id in user.apps):
                    yield self._finding(user, culprit or shared[1])

    def _after(self, granted: dict[str, bool], files: Sequence[str]) -> tuple[dict[str, bool], str]:
        """What is granted after some files of overrides, and which of them took /etc away ("": none did)."""
        culprit = ""
        for path in files:
            before = sees_etc(granted)
            granted = applied(granted, self.host.read_text(path) or "")
            if before and not sees_etc(granted):
                culprit = path
            elif sees_etc(granted):
                culprit = ""
        return granted, culprit

    def _finding(self, installation: Installation, path: str) -> Finding:
        detail = f"it hides the host's /etc from the flatpak, and {self.place.path} with it"
        return _finding(self.place, self.id, installation.scope, path, detail)


def applied(granted: dict[str, bool], text: str) -> dict[str, bool]:
    """The file systems that are granted after a file of permissions or overrides (flatpak-metadata(5))."""
    entries = []
    group = ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            group = line
        elif group == "[Context]" and line.partition("=")[0].strip() == "filesystems":
            entries = [entry.strip() for entry in line.partition("=")[2].split(";")]
    after = {} if "!host:reset" in entries else dict(granted)  # it takes back what others granted, not what follows
    for entry in entries:
        after[entry.lstrip("!").partition(":")[0]] = not entry.startswith("!")
    return after


def sees_etc(granted: dict[str, bool]) -> bool:
    """Whether an application with these file systems has the host's /etc: each of the two is enough."""
    return granted.get("host", False) or granted.get("host-etc", False)


def _extensions(host: Host, place: Place, id_: str, user: Installation) -> Iterator[Finding]:
    """A user's own extensions at the point that the place fills: flatpak looks for one there first."""
    ours = place.path[len(SYSTEM) :].split("/")[2]
    point = ours[: -len(OWN_EXTENSION)] if ours.endswith(OWN_EXTENSION) else ""  # else the point takes one only
    for kind in ("extension", "runtime"):
        for name in host.list_directory(f"{user.folder}/{kind}"):
            path = f"{user.folder}/{kind}/{name}"
            if name in (ours, point):
                yield _finding(place, id_, user.scope, path, f"the flatpak takes it instead of {place.path}")
            elif point and name.startswith(point + ".") and _has_policies(host, path):
                yield _finding(place, id_, user.scope, path, f"it brings policies of its own beside {place.path}")


def _has_policies(host: Host, extension: str) -> bool:
    for arch in host.list_directory(extension):
        for branch in host.list_directory(f"{extension}/{arch}"):
            folder = f"{extension}/{arch}/{branch}"
            deployed = host.list_directory(folder)
            if "policies" in deployed or any(
                "policies" in host.list_directory(f"{folder}/{one}/files") for one in deployed
            ):
                return True
    return False


def _snap_is_here(host: Host, name: str) -> bool:
    return any(host.find_entry(f"{folder}/{name}") is not None for folder in SNAPS)


def _snap(host: Host, place: Place, name: str, unseen: list[str]) -> Iterator[Finding]:
    """The profile of a snap names what its connected plugs open."""
    profiles = [f"{PROFILES}/{one}" for one in host.list_directory(PROFILES) if one.startswith(f"snap.{name}.")]
    folder = place.path.rpartition("/")[0] + "/"
    with _noting(unseen):
        texts = [host.read_text(profile) or "" for profile in profiles]
        if any(folder.startswith(opened.rstrip("/") + "/") for text in texts for opened in _OPENED.findall(text)):
            return
        ask = f"snap connections {name}"
        if not profiles:
            unseen.append(f"whether the snap {name} sees {place.path} is only known to snapd: {ask}")
            return
        detail = f"no plug lets it see {place.path}: {ask}, then snap connect the one for {folder.rstrip('/')}"
        yield Finding("snap", name, manager=place.id, scope="system", path=profiles[0], detail=detail)


def _unplaced(host: Host, place: Place, installations: Sequence[Installation]) -> Iterator[Finding]:
    for packaging, _, name in (one.partition(" ") for one in place.elsewhere):
        if packaging == "snap" and _snap_is_here(host, name):
            yield Finding("snap", name, manager=place.id, scope="system", detail=UNPLACED)
        for installation in installations if packaging == "flatpak" else ():
            if name in installation.apps:
                path = f"{installation.folder}/app/{name}"
                yield _finding(place, name, installation.scope, path, UNPLACED)


def _finding(place: Place, id_: str, scope: str, path: str, detail: str) -> Finding:
    return Finding("flatpak", id_, manager=place.id, scope=scope, path=path, detail=detail)
