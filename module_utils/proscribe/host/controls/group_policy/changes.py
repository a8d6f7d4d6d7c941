"""Our Group Policy objects brought in line with the plan, or removed.

An object is complete in SYSVOL before the directory has it, and is linked last. Of one that is changed, the directory
gets the new version first and GPT.INI last: wherever a run is ended, both differ, and the next run goes on from there.
A client takes an object anew when the version in GPT.INI is another one, so a version is never given to two contents.
"""

from __future__ import annotations

import contextlib
import os
from functools import partial
from typing import TYPE_CHECKING, Iterable, Iterator, Mapping, Sequence

from ...system import ControlError, Host
from ...system.directories import remove_entry
from ..base import ChangeRefusal, Changes, ControlAction
from . import domain as domains
from . import ldif, permissions, state
from .applocker import TEMPLATE, template
from .desired import Desired, attributes, desired, ini
from .differences import OTHER_RULES, of_entry, of_permissions, parts
from .domain import Domain, below, same
from .identity import rule
from .observed import (
    BESIDE,
    ENFORCED,
    INI,
    OFF,
    OURS,
    POLICY,
    SECURITY,
    UNFINISHED,
    Link,
    Observed,
    Seen,
    observed,
)

if TYPE_CHECKING:
    from ....model.types.plan import Plan

READABLE = 0o770  # the mask of the file's access list, which Samba fills
MOST_ASIDE = 64 << 20  # bytes of a file that is set aside
MACHINE = 0xFFFF  # the part of a version that counts the settings for computers


def enforce(host: Host, plan: Plan) -> Changes:
    """What brings the objects in line. Raises ControlError and Unseen."""
    objects = desired(plan)
    found = observed(host, objects)
    actions: list[ControlAction] = []
    refused: list[ChangeRefusal] = []
    names = {
        seen.guid: one.name
        for one, seen in zip(objects, found.objects)
        if seen.anything or (one.drifts and one.name not in found.others)
    }
    if missing := {id_: name for id_, name in names.items() if id_ not in found.state.names}:
        known = found.state._replace(names={**found.state.names, **missing})
        actions.append(ControlAction("note", state.FILE, partial(state.write, host, known)))
    for one, seen in zip(objects, found.objects):
        if not one.drifts:
            continue
        id_ = found.taken.get(one.name.casefold())
        if id_ and seen.entry is None:
            refused.append(
                ChangeRefusal(rule(one.name), one.name, f"another object, {id_}, has this name and is not ours")
            )
            continue
        if others := found.others.get(one.name):
            refused += [ChangeRefusal(rule(one.name), other, OTHER_RULES.format(other)) for other in others]
            continue
        refused += _refused(found, one)
        actions += _in_line(host, found, one, seen)
    for seen in found.objects[len(objects) :]:
        actions += _removed(host, found.domain, seen)
    if actions or found.state.names.keys() - names.keys():
        actions.append(ControlAction("note", state.FILE, partial(_note, host, found.domain, names)))
    return Changes(actions, refused)


def lift(host: Host, plan: Plan) -> Changes:
    """What removes all of our objects. Raises ControlError and Unseen."""
    known = state.read(host)
    objects = desired(plan, whole=False)
    if not objects and not known.names:
        return Changes()
    found = observed(host, objects)
    actions = [action for seen in found.objects for action in _removed(host, found.domain, seen)]
    if host.has_traces(state.FILE):
        actions.append(ControlAction("delete", state.FILE, partial(host.delete_file, state.FILE)))
    aside = host.list_directory(state.ASIDE) or any(
        path not in UNFINISHED for seen in found.objects for path in _of_others(seen)
    )
    left = [f"what others had put into these objects is in {state.ASIDE}"] if aside else []
    return Changes(actions, notes=left)


def _refused(found: Observed, one: Desired) -> Iterator[ChangeRefusal]:
    for ou in one.ous:
        if same(ou) not in found.units:
            yield ChangeRefusal(
                rule(one.name), ou, "the domain has no such object; links to other units stay as they are"
            )


def _in_line(host: Host, found: Observed, one: Desired, seen: Seen) -> Iterator[ControlAction]:
    """What brings an object in line, in the order in which a kill after any of it is healed by the next run."""
    domain = found.domain
    folder = domain.folder_of(seen.guid)
    for path in _of_others(seen, one.template):
        yield ControlAction("set aside", f"{folder}/{path}", partial(_set_aside, host, folder, path, seen))
    desired_files = {TEMPLATE: one.template, POLICY: one.policy} if one.template else {POLICY: one.policy}
    there = {TEMPLATE: seen.template, POLICY: seen.policy}
    stale = [] if one.template else [path for path in (TEMPLATE, *reversed(SECURITY)) if path in seen.there]
    gone = [path for path in stale if path not in _of_others(seen)]
    changed = [path for path, content in desired_files.items() if there[path] != content or path not in seen.there]
    new = bool(changed or stale)
    differs = list(of_entry(domain, one, seen))
    version = _version(seen, new or (bool(differs) and seen.version == seen.version_of_files))
    if seen.entry is not None and (differs or seen.version != version):
        yield ControlAction("change", domain.dn_of(seen.guid), partial(_change_entry, host, domain, one, seen, version))
    for path in gone:
        yield ControlAction("delete", f"{folder}/{path}", partial(_delete_part, host, folder, path))
    for path in parts(one):
        if path not in (INI, *desired_files, *seen.there):
            yield ControlAction("make", below(folder, path), partial(_make_folder, host, folder, path))
    text = ini(version)
    written = {*changed, *([INI] if seen.ini != text else [])}
    # Before anything is written: whoever may not write there any more replaces none of it.
    for path in dict.fromkeys(path for path, _ in of_permissions(host, found, seen)):
        if path not in written and path not in stale:
            whole = below(folder, path)
            yield ControlAction("set the permissions of", whole, partial(permissions.give_file, host, whole))
    for path in changed:
        yield _write(host, folder, path, desired_files[path], _about(there[path], desired_files[path]))
    if INI in written:
        yield _write(host, folder, INI, text, (seen.ini.decode("utf-8", "replace"), text.decode()))
    if seen.entry is None:
        yield ControlAction("add", domain.dn_of(seen.guid), partial(_add_entry, host, domain, one, seen.guid, version))
    yield from _linking(host, found, one, seen)


def _of_others(seen: Seen, desired_template: bytes = b"") -> list[str]:
    """What others have put into an object: a security template too, where the object is to have none."""
    theirs = TEMPLATE in seen.there and not desired_template and seen.template != template()
    return [*([TEMPLATE] if theirs else []), *seen.foreign]


def _version(seen: Seen, changed: bool) -> int:
    """The version that an object gets. One that the directory already has alone was given by a run that was ended."""
    newest = max(seen.version, seen.version_of_files, 0)
    if not changed and newest:
        return newest
    if seen.version > seen.version_of_files:
        return seen.version
    return (newest & ~MACHINE) + (newest & MACHINE) % MACHINE + 1


def _about(before: bytes, after: bytes) -> tuple[str, str]:
    """A file of thousands of values, for the diff: its size."""
    return f"{len(before)} bytes\n" if before else "", f"{len(after)} bytes\n"


def _delete_part(host: Host, folder: str, path: str) -> None:
    """Delete what an object has no longer: a file, or a folder that nothing else is in."""
    whole = below(folder, path)
    if path not in SECURITY:
        host.delete_file(whole)
        return
    parent, _, name = whole.rpartition("/")
    with _reported(f"cannot delete {whole}"), host.open_directory(parent) as directory:
        os.rmdir(name, dir_fd=directory)


def _write(host: Host, folder: str, path: str, content: bytes, diff: Sequence[str]) -> ControlAction:
    return ControlAction(
        "write", f"{folder}/{path}", partial(_replace, host, f"{folder}/{path}", content), diff[0], diff[1]
    )


def _replace(host: Host, path: str, content: bytes) -> None:
    """Put a file in place that has its permissions already."""
    host.write_file(path + BESIDE, content, READABLE)
    permissions.give_file(host, path + BESIDE)
    host.rename_file(path + BESIDE, path.rpartition("/")[2])


def _make_folder(host: Host, folder: str, path: str) -> None:
    whole = below(folder, path)
    parent, _, name = whole.rpartition("/")
    with (
        _reported(f"cannot make {whole}"),
        host.open_directory(parent) as directory,
        contextlib.suppress(FileExistsError),
    ):
        os.mkdir(name, READABLE, dir_fd=directory)
    permissions.give_file(host, whole)


@contextlib.contextmanager
def _reported(message: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ControlError(f"{message}: {error.strerror}") from None


def _change_entry(host: Host, domain: Domain, one: Desired, seen: Seen, version: int) -> None:
    parts = [ldif.replaced(name, value) for name, value in attributes(domain, one, seen.guid)]
    parts.append(ldif.replaced("versionNumber", str(version)))
    parts.append(ldif.replaced("nTSecurityDescriptor", permissions.DIRECTORY))
    domains.change(host, domain, [ldif.modified(domain.dn_of(seen.guid), parts)])


def _add_entry(host: Host, domain: Domain, one: Desired, id_: str, version: int) -> None:
    dn = domain.dn_of(id_)
    values = [
        ("objectClass", "groupPolicyContainer"),
        ("showInAdvancedViewOnly", "TRUE"),
        *((name, value) for name, value in attributes(domain, one, id_) if value),
        ("versionNumber", str(version)),
        ("nTSecurityDescriptor", permissions.DIRECTORY),
    ]
    container = [("objectClass", "container"), ("showInAdvancedViewOnly", "TRUE")]
    parts = [ldif.added(f"CN={name},{dn}", container) for name in ("Machine", "User")]
    domains.change(host, domain, [ldif.added(dn, values), *parts])


def _linking(host: Host, found: Observed, one: Desired, seen: Seen) -> Iterator[ControlAction]:
    """All new links, then those that go: none does before the new ones are there, nor while one cannot be there. A unit
    that was renamed or mistyped would otherwise leave its machines without the policy.
    """
    places = {same(ou): ou for ou in one.ous}
    for key in places:
        if key not in found.units:
            continue
        link = seen.links.get(key) or Link(found.units[key].dn, found.units[key].one("gPLink"), "", 0)
        options = link.options & ~OFF | (ENFORCED if one.enforced else 0)
        if not link.text or options != link.options:
            text = f"[LDAP://{found.domain.dn_of(seen.guid)};{options}]"
            # In front, where `samba-tool gpo setlink` has a new one; a link that is there keeps its place.
            after = link.before.replace(link.text, text, 1) if link.text else text + link.before
            yield _relink(host, found.domain, "link", link, after)
    if all(key in found.units for key in places):
        yield from _unlinking(host, found.domain, (link for key, link in seen.links.items() if key not in places))


def _unlinking(host: Host, domain: Domain, links: Iterable[Link]) -> Iterator[ControlAction]:
    for link in links:
        if link.text:
            yield _relink(host, domain, "unlink", link, link.before.replace(link.text, "", 1))


def _relink(host: Host, domain: Domain, verb: str, link: Link, after: str) -> ControlAction:
    """Change the links of an object of the directory, unless somebody else has changed them meanwhile."""
    record = ldif.modified(link.dn, [ldif.exchanged("gPLink", link.before, after)])
    return ControlAction(verb, link.dn, partial(domains.change, host, domain, [record]), link.before, after)


def _removed(host: Host, domain: Domain, seen: Seen) -> Iterator[ControlAction]:
    """What removes an object: its links, then the object, then its files."""
    yield from _unlinking(host, domain, seen.links.values())
    dn, folder = domain.dn_of(seen.guid), domain.folder_of(seen.guid)
    if seen.entry is not None:
        yield ControlAction("delete", dn, partial(_delete_entry, host, domain, dn))
    for path in _of_others(seen):
        yield ControlAction("set aside", f"{folder}/{path}", partial(_set_aside, host, folder, path, seen))
    if "" in seen.there:
        yield ControlAction("delete", folder, partial(_delete_folder, host, folder))


def _delete_entry(host: Host, domain: Domain, dn: str) -> None:
    domains.run(host, ["ldbdel", "-H", domain.database, "--recursive", dn])


def _delete_folder(host: Host, folder: str) -> None:
    for path in (POLICY, TEMPLATE, INI):
        host.delete_file(f"{folder}/{path}")
    parent, _, name = folder.rpartition("/")
    with _reported(f"cannot delete {folder}"), host.open_directory(parent) as directory:
        remove_entry(directory, name)


def _set_aside(host: Host, folder: str, path: str, seen: Seen) -> str:
    """Keep what somebody has put into an object of ours where only root reads it, and take it out of the object."""
    whole = below(folder, path)
    if path.endswith("/"):
        parent, _, name = whole.rpartition("/")
        with _reported(f"cannot delete {whole}"), host.open_directory(parent) as directory:
            os.rmdir(name, dir_fd=directory)
        return ""
    if path in UNFINISHED:
        host.delete_file(whole)
        return ""
    try:
        content = host.read_range(whole, 0, MOST_ASIDE + 1)
    except ControlError:  # a link, a device, a socket: nothing of it is worth keeping
        content = b""
    if len(content) > MOST_ASIDE:
        raise ControlError(f"{whole} is larger than {MOST_ASIDE} bytes: remove it, it is not of this object")
    first = place = f"{state.ASIDE}/{seen.guid}/{path or 'folder'}"
    number = 1
    while host.find_entry(place) is not None:
        number += 1
        place = f"{first}.{number}"
    if content:
        host.write_file(place, content, 0o600)
    host.delete_file(whole)
    return f"as {place}" if content else ""


def _note(host: Host, domain: Domain, names: Mapping[str, str]) -> None:
    """Note the objects that there are now, and the permissions that their files were just given or found to have."""
    paths: dict[str, str] = {}  # one of each kind
    for id_ in names:
        for path in OURS:
            whole = below(domain.folder_of(id_), path)
            paths.setdefault(permissions.print_of_file(host, whole), whole)
    paths.pop("", None)
    right = [
        one for one, path in paths.items() if not permissions.wrong(permissions.of_file(host, path), permissions.FILES)
    ]
    state.write(host, state.State(names, right))
