"""Check that the policy of a place reaches the browsers that flatpak or snap isolates from the host's files.

The wrapper of a flatpak copies the host's policies if it may see the host's /etc. Every user can revoke that permission
(flatpak-override(1)). Other flatpaks read an extension, which a user's own extension of the same name hides. A snap
sees a folder of /etc through a plug. Proscribe only reports these cases: it cannot correct them for the users who chose
them.
"""

from __future__ import annotations

import contextlib
import stat
from typing import Iterator, Sequence

from ....base.lazy_patterns import MULTILINE, compile_pattern
from ....base.named_tuple import NamedTuple
from ....model.finding import Finding
from ...system import ControlError, Host, ObservationError, User
from ...system.budget import ReadBudget
from ...system.forked_work import run_each_apart
from .browser_processes import BrowserCheck
from .policy_places import OWN_EXTENSION_SUFFIX, PolicyPlace, find_snap

SYSTEM_FLATPAKS, PERSONAL_FLATPAKS = "/var/lib/flatpak", "/.local/share/flatpak"  # the second is below a home directory
APPARMOR_PROFILES = "/var/lib/snapd/apparmor/profiles"
# Paths that an interface of a snap opens, in snapd's format (interfaces/builtin/common_files.go).
_OPENED_PATH_PATTERN = compile_pattern(r'^"(/etc[^"{]*)\{,/,/\*\*\}" r', MULTILINE)
UNPLACED_DETAIL = "nobody knows where it reads policies: docs/browsers.md"


class FlatpakInstallation(NamedTuple):
    """Installation of flatpaks: the system's, or a user's own."""

    folder: str
    user: User | None  # None for the system's installation
    apps: frozenset[str]  # ids of its applications

    @property
    def scope(self) -> str:
        """`scope` of a finding: the user, or the system."""
        return f"user:{self.user.name}" if self.user else "system"


def check_packaged(host: Host, places: Sequence[PolicyPlace], other_places: Sequence[PolicyPlace]) -> BrowserCheck:
    """Check that the policy reaches the flatpaks and snaps that read the files of `places`.

    `other_places` are further places of the plan. Of their browsers, only packages that read policies at an unknown
    path are reported. Each user's own browsers are observed in a separate process with its own budget, because users
    control their homes.
    """
    findings: list[Finding] = []
    gaps: list[str] = []
    # Root's own flatpaks are checked in this process, because no user controls that home.
    for root_user in [None, *(user for user in host.list_users() if user.uid == 0)]:
        root_findings, reasons = _check_installations(host, places, other_places, root_user)
        findings += root_findings
        gaps += reasons

    def check_user(user: User) -> Iterator[tuple[list[Finding], list[str]]]:
        host.budget = ReadBudget()
        yield _check_installations(host, places, other_places, user)

    for user, results, reason in run_each_apart([user for user in host.list_users() if user.uid], check_user):
        for finding_rows, user_gaps in results:
            findings += [Finding(*row) for row in finding_rows]
            gaps += user_gaps
        gaps += [f"{user.name}: {reason}"] if reason else []
    return BrowserCheck(list(dict.fromkeys(findings)), "; ".join(dict.fromkeys(gaps)))


def _check_installations(
    host: Host, places: Sequence[PolicyPlace], other_places: Sequence[PolicyPlace], user: User | None
) -> tuple[list[Finding], list[str]]:
    """Return the findings for the system and for a user, and the reasons for missing checks.

    With `user` None, only the system is checked.
    """
    findings: list[Finding] = []
    gaps: list[str] = []
    installations = list(_list_installations(host, user, gaps))
    for place in places:
        for id_ in place.flatpaks:
            if any(id_ in installation.apps for installation in installations):
                findings += _check_flatpak(host, place, id_, installations, gaps)
        for name in place.snaps:
            if find_snap(host, name):
                findings += _check_snap(host, place, name, gaps)
    for place in (*places, *other_places):
        findings += _find_unplaced(host, place, installations)
    return findings, gaps


def _list_installations(host: Host, user: User | None, gaps: list[str]) -> Iterator[FlatpakInstallation]:
    """Yield the installations of flatpaks that can be read: the system's, and the user's.

    An unreadable home adds a reason to `gaps`, and hides no other installation.
    """
    for folder, owner in [(SYSTEM_FLATPAKS, None), *([(user.home + PERSONAL_FLATPAKS, user)] if user else [])]:
        try:
            yield FlatpakInstallation(folder, owner, frozenset(host.list_directory(folder + "/app")))
        except (ObservationError, ControlError) as error:
            gaps.append(str(error))


def _check_flatpak(
    host: Host, place: PolicyPlace, id_: str, installations: Sequence[FlatpakInstallation], gaps: list[str]
) -> Iterator[Finding]:
    """Yield findings if the policy of a place does not reach a flatpak: for the system, or for each affected user.

    A place outside of the folder of flatpaks requires the permission to see /etc. A place in that folder is an
    extension, which a user's own extension may hide. Reasons for missing checks are added to `gaps`.
    """
    system_installation = next((installation for installation in installations if installation.user is None), None)
    in_system = system_installation is not None and id_ in system_installation.apps
    user_installations = [
        installation for installation in installations if installation.user and (in_system or id_ in installation.apps)
    ]
    yield from _check_links(host, place, id_)
    if not place.path.startswith(SYSTEM_FLATPAKS):
        permissions = FlatpakPermissions(host, place, id_, in_system)
        with _note_gaps(gaps):
            yield from permissions.find_denials(system_installation if in_system else None, user_installations, gaps)
        return
    for installation in user_installations:
        with _note_gaps(gaps):
            yield from _check_extensions(host, place, id_, installation)


@contextlib.contextmanager
def _note_gaps(gaps: list[str]) -> Iterator[None]:
    """Add the reason to `gaps` if the `with` body cannot observe something, and continue after the body."""
    try:
        yield
    except (ObservationError, ControlError) as error:
        gaps.append(str(error))


def _check_links(host: Host, place: PolicyPlace, id_: str) -> Iterator[Finding]:
    """Yield findings for links on the path of the policy file that a flatpak cannot follow.

    The wrapper of a flatpak copies only regular files. The flatpak sees none of the host's directories but /etc.
    """
    step = ""
    for name in place.path.split("/")[1:]:
        step += "/" + name
        status = host.find_entry(step)
        if status is None or not stat.S_ISLNK(status.st_mode):
            continue
        if step == place.path:
            yield _make_finding(place, id_, "system", step, "it is a link, which the flatpak does not take over")
        elif not place.path.startswith(SYSTEM_FLATPAKS) and not (target := host.resolve_link(step)).startswith("/etc/"):
            yield _make_finding(place, id_, "system", step, f"it leads to {target}, which the flatpak does not see")
            return


class FlatpakPermissions:
    """Access of a flatpak application to the host's /etc, computed from its files of permissions and overrides.

    Each file of overrides has priority over the earlier files. Their order: the application's own, the system's for all
    and for this application, the user's for all and for this application.
    """

    def __init__(self, host: Host, place: PolicyPlace, id_: str, in_system: bool) -> None:
        self.host, self.place, self.id = host, place, id_
        self.metadata_path = f"{SYSTEM_FLATPAKS}/app/{id_}/current/active/metadata" if in_system else ""

    def find_denials(
        self, system: FlatpakInstallation | None, user_installations: Sequence[FlatpakInstallation], gaps: list[str]
    ) -> Iterator[Finding]:
        """Yield a finding for the system, or for each user whose overrides deny the access.

        `system` is the system's installation if it has the application; else None.
        """
        # by file system: whether it is granted
        granted = {"host-etc": True}  # without the system's: a user's own installation grants this, or is another app
        if self.metadata_path and (text := self.host.read_text(self.metadata_path)) is not None:
            granted = apply_overrides({}, text)
        system_overrides = [f"{SYSTEM_FLATPAKS}/overrides/{name}" for name in ("global", self.id)]
        common_grants, culprit = self._apply_overrides(granted, system_overrides)
        if not has_etc(common_grants) and system is not None:
            yield self._make_finding(system, culprit or self.metadata_path)
        for installation in user_installations:
            with _note_gaps(gaps):
                files = [f"{installation.folder}/overrides/{name}" for name in ("global", self.id)]
                user_grants, culprit = self._apply_overrides(common_grants, files)
                # If the user has neither overrides nor the application, the finding for the system is enough.
                if not has_etc(user_grants) and (culprit or self.id in installation.apps):
                    yield self._make_finding(installation, culprit or system_overrides[1])

    def _apply_overrides(self, granted: dict[str, bool], files: Sequence[str]) -> tuple[dict[str, bool], str]:
        """Return the grants after some files of overrides, and the file that revoked /etc ("" if none did)."""
        culprit = ""
        for path in files:
            had_etc = has_etc(granted)
            granted = apply_overrides(granted, self.host.read_text(path) or "")
            if had_etc and not has_etc(granted):
                culprit = path
            elif has_etc(granted):
                culprit = ""
        return granted, culprit

    def _make_finding(self, installation: FlatpakInstallation, path: str) -> Finding:
        detail = f"it hides the host's /etc from the flatpak, and {self.place.path} with it"
        return _make_finding(self.place, self.id, installation.scope, path, detail)


def apply_overrides(granted: dict[str, bool], text: str) -> dict[str, bool]:
    """Return, by file system, whether it is granted after a file of permissions or overrides (flatpak-metadata(5)).

    `granted` has the file systems before the file, and `text` is the content of the file. In the file, `!` before a
    name denies the file system.
    """
    entries = []
    group = ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            group = line
        elif group == "[Context]" and line.partition("=")[0].strip() == "filesystems":
            entries = [entry.strip() for entry in line.partition("=")[2].split(";")]
    # The entry `!host:reset` revokes the grants of earlier files, but no grant of the same file.
    new_grants = {} if "!host:reset" in entries else dict(granted)
    for entry in entries:
        new_grants[entry.lstrip("!").partition(":")[0]] = not entry.startswith("!")
    return new_grants


def has_etc(granted: dict[str, bool]) -> bool:
    """Return whether an application sees the host's /etc. The grant `host` is enough, and so is `host-etc`."""
    return granted.get("host", False) or granted.get("host-etc", False)


def _check_extensions(host: Host, place: PolicyPlace, id_: str, installation: FlatpakInstallation) -> Iterator[Finding]:
    """Yield findings for a user's own extensions that the flatpak reads instead of or beside Proscribe's.

    Flatpak searches the user's extensions first.
    """
    # <flatpak folder>/extension/<name>/...
    own_extension = place.path[len(SYSTEM_FLATPAKS) :].split("/")[2]
    # An extension point with OWN_EXTENSION_SUFFIX accepts several extensions, any other accepts a single one.
    extension_point = (
        own_extension[: -len(OWN_EXTENSION_SUFFIX)] if own_extension.endswith(OWN_EXTENSION_SUFFIX) else ""
    )
    for kind in ("extension", "runtime"):
        for name in host.list_directory(f"{installation.folder}/{kind}"):
            path = f"{installation.folder}/{kind}/{name}"
            if name in (own_extension, extension_point):
                yield _make_finding(
                    place, id_, installation.scope, path, f"the flatpak takes it instead of {place.path}"
                )
            elif extension_point and name.startswith(extension_point + ".") and _has_policies(host, path):
                yield _make_finding(
                    place, id_, installation.scope, path, f"it brings policies of its own beside {place.path}"
                )


def _has_policies(host: Host, extension: str) -> bool:
    """Return whether a flatpak extension (its folder) has a folder of policies, in any architecture and branch."""
    for arch in host.list_directory(extension):
        for branch in host.list_directory(f"{extension}/{arch}"):
            folder = f"{extension}/{arch}/{branch}"
            deployed = host.list_directory(folder)
            if "policies" in deployed or any(
                "policies" in host.list_directory(f"{folder}/{deployment}/files") for deployment in deployed
            ):
                return True
    return False


def _check_snap(host: Host, place: PolicyPlace, name: str, gaps: list[str]) -> Iterator[Finding]:
    """Yield a finding unless a connected plug lets a snap see the policy folder, by its AppArmor profile.

    A plug opens a path of the host to a snap. A reason is added to `gaps` if the host has no profile of the snap.
    """
    profiles = [
        f"{APPARMOR_PROFILES}/{profile_name}"
        for profile_name in host.list_directory(APPARMOR_PROFILES)
        if profile_name.startswith(f"snap.{name}.")
    ]
    folder = place.path.rpartition("/")[0] + "/"
    with _note_gaps(gaps):
        texts = [host.read_text(profile) or "" for profile in profiles]
        if any(
            folder.startswith(opened_path.rstrip("/") + "/")
            for text in texts
            for opened_path in _OPENED_PATH_PATTERN.findall(text)
        ):
            return
        command = f"snap connections {name}"
        if not profiles:
            gaps.append(f"whether the snap {name} sees {place.path} is only known to snapd: {command}")
            return
        detail = f"no plug lets it see {place.path}: {command}, then snap connect the one for {folder.rstrip('/')}"
        yield Finding("snap", name, manager=place.id, scope="system", path=profiles[0], detail=detail)


def _find_unplaced(host: Host, place: PolicyPlace, installations: Sequence[FlatpakInstallation]) -> Iterator[Finding]:
    """Yield a finding for each installed package of a browser that reads policies at an unknown path."""
    for packaging, _, name in (packaged_id.partition(" ") for packaged_id in place.elsewhere):
        if packaging == "snap" and find_snap(host, name):
            yield Finding("snap", name, manager=place.id, scope="system", detail=UNPLACED_DETAIL)
        for installation in installations if packaging == "flatpak" else ():
            if name in installation.apps:
                path = f"{installation.folder}/app/{name}"
                yield _make_finding(place, name, installation.scope, path, UNPLACED_DETAIL)


def _make_finding(place: PolicyPlace, id_: str, scope: str, path: str, detail: str) -> Finding:
    return Finding("flatpak", id_, manager=place.id, scope=scope, path=path, detail=detail)
