"""Our Group Policy objects as they are, in the directory and in SYSVOL, and what differs from the desired ones.

Others may change these objects: administrators by Microsoft's console, whoever may write to SYSVOL, whoever links
objects. So what is read is bounded, no link is followed, and what is found is named as it differs.
"""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING, Iterable, Iterator, Mapping, Sequence

from ....base.tuples import NamedTuple
from ....model.finding import COMPLIANT, NONCOMPLIANT, Finding, Verdict
from ...system import ControlError, Host, Unseen, escaped, one_line
from . import permissions
from .desired import Desired, desired, ini
from .domain import WHOLE_FOREST, Domain, domain_of, plain, same, search
from .identity import EXTENSIONS, MARK, guid, marked, rule
from .ldif import Entry
from .registry_pol import MOST_BYTES, parse, said_by
from .registry_pol import Entry as Value
from .state import State
from .state import read as read_state

if TYPE_CHECKING:
    from ....model.types.plan import Plan

POLICY, INI = "Machine/Registry.pol", "GPT.INI"
FOLDERS = ("", "Machine", "User")
OURS = (*FOLDERS, INI, POLICY)  # what an object of ours has in SYSVOL, "" being its folder
BESIDE = ".new"  # of a file that is being replaced
# What a run that was ended may have left of them.
UNFINISHED = frozenset(
    {f"{INI}{BESIDE}", f"{POLICY}{BESIDE}", f".{INI}{BESIDE}.proscribe~", f"Machine/.Registry.pol{BESIDE}.proscribe~"}
)
MOST_FILES, DEEPEST = 1000, 12
MOST_NAMED = 10  # values of the registry, or files
LINKING = ("organizationalUnit", "domainDNS", "site", "container")  # what can have links
LONGEST_SHOWN = 80  # characters of a value
OFF, ENFORCED = 1, 2  # of a link
MACHINE_OFF = ("2", "3")  # of an object

_LINK = re.compile(r"\[LDAP://([^;\[\]]*);(\d{1,9})\]", re.IGNORECASE)
_VERSION = re.compile(r"^[ \t]*Version[ \t]*=[ \t]*(\d{1,10})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_ATTRIBUTES = (
    "cn",
    "displayName",
    "description",
    "versionNumber",
    "flags",
    "gPCFileSysPath",
    "gPCFunctionalityVersion",
    "gPCMachineExtensionNames",
    "gPCUserExtensionNames",
    "gPCWQLFilter",
    "nTSecurityDescriptor",
)


class Link(NamedTuple):
    """What links of an object of the directory say of one of ours."""

    dn: str
    before: str  # the whole value of gPLink
    text: str  # of it, ours; "" for none
    options: int


class Seen(NamedTuple):
    """One object of ours as it is."""

    guid: str
    name: str
    entry: Entry | None
    links: Mapping[str, Link]  # by the name that compares
    there: frozenset[str]  # of OURS
    policy: bytes
    ini: bytes
    foreign: Sequence[str]  # paths of what else is in its folder, below it; folders end with "/"

    @property
    def version(self) -> int:
        """The version in the directory; -1 for none."""
        text = self.entry.one("versionNumber") if self.entry else ""
        return int(text) if text.isdigit() and len(text) < 11 else -1

    @property
    def version_of_files(self) -> int:
        """The version in SYSVOL; -1 for none."""
        found = _VERSION.search(self.ini.decode("utf-8", "replace"))
        return int(found[1]) if found else -1

    @property
    def anything(self) -> bool:
        """Whether anything of it is there."""
        return bool(self.entry or self.there or self.foreign or any(link.text for link in self.links.values()))


class Observed(NamedTuple):
    """All that a domain has of ours."""

    domain: Domain
    state: State
    objects: Sequence[Seen]  # the desired ones in their order, then those that the plan has no longer
    units: Mapping[str, Entry]  # that the plan names, by the name that compares
    shut: Sequence[Entry]  # units that block the inheritance of objects
    taken: Mapping[str, str]  # names of the plan that an object of somebody else has, with its id


def observe(host: Host, plan: Plan) -> list[Verdict]:
    """A verdict for each object of the plan, and for those of ours that it has no longer."""
    if not host.privileged:
        raise Unseen("the directory and SYSVOL can only be read by root")
    objects = desired(plan)
    found = observed(host, objects)
    verdicts = [
        _verdict(one.name, list(differences(host, found, one, seen)), one.drifts)
        for one, seen in zip(objects, found.objects)
    ]
    for seen in found.objects[len(objects) :]:
        if seen.anything:
            left = Finding("gpo", seen.guid, "samba", detail="the plan does not have this object any more")
            verdicts.append(Verdict(rule(seen.name), NONCOMPLIANT, (left,), drifted=True))
    return verdicts


def _verdict(name: str, found: Sequence[tuple[Finding, bool]], drifts: bool) -> Verdict:
    """The verdict of an object, by what differs, each with whether enforcing corrects it."""
    state = NONCOMPLIANT if found else COMPLIANT
    return Verdict(
        rule(name),
        state,
        tuple(finding for finding, _ in found),
        drifted=drifts and any(corrected for _, corrected in found),
    )


def observed(host: Host, objects: Sequence[Desired]) -> Observed:
    """What the domain has of these objects, and of all others of ours. Raises ControlError and Unseen."""
    domain = domain_of(host)
    state = read_state(host)
    names = {guid(domain.name, one.name): one.name for one in objects}
    named = "".join(f"(displayName={plain(one.name)})" for one in objects)
    ids = "".join(f"(cn={plain(id_)})" for id_ in {**names, **state.names})
    condition = f"(&(objectClass=groupPolicyContainer)(|{ids}{named}(description={plain(MARK)}*)))"
    entries = search(host, domain.database, domain.container, condition, _ATTRIBUTES, scope="one")
    by_id = {entry.one("cn").upper(): entry for entry in entries}
    marks = {id_: name for id_, entry in by_id.items() if (name := marked(entry.one("description")))}
    # An id that does not follow from the name is not ours, whoever has put our mark on it.
    for id_, name in (*marks.items(), *state.names.items()):
        if guid(domain.name, name) == id_:
            names.setdefault(id_, name)
    taken = {entry.one("displayName").casefold(): id_ for id_, entry in by_id.items() if id_ not in names}
    linked = _linked(host, domain, names, objects)
    units = {same(entry.dn): entry for entry in linked}
    return Observed(
        domain,
        state,
        [_seen(host, domain, id_, name, by_id.get(id_), linked) for id_, name in names.items()],
        units,
        [entry for entry in linked if entry.one("gPOptions") == "1"],
        taken,
    )


def _linked(host: Host, domain: Domain, ids: Iterable[str], objects: Iterable[Desired]) -> list[Entry]:
    """What links one of ours, is named as a place for links, or blocks inheritance."""
    of_ids = "".join(f"(gPLink=*{plain(id_)}*)" for id_ in ids)
    of_units = "".join(f"(distinguishedName={plain(ou)})" for one in objects for ou in one.ous)
    if not of_ids:
        return []
    # The class is what the directory has an index for: a large one has a hundred objects that no link is at for each.
    classes = "".join(f"(objectClass={name})" for name in LINKING)
    condition = f"(&(|{classes})(|{of_ids}{of_units}(gPOptions=1)))"
    return search(host, domain.database, domain.dn, condition, ["gPLink", "gPOptions"], control=WHOLE_FOREST)


def _seen(host: Host, domain: Domain, id_: str, name: str, entry: Entry | None, linked: Iterable[Entry]) -> Seen:
    folder = domain.folder_of(id_)
    there, foreign = _files(host, folder)
    links = {}
    for one in linked:
        value = one.one("gPLink")
        mine = next((found for found in _LINK.finditer(value) if id_ in found[1].upper()), None)
        links[same(one.dn)] = Link(one.dn, value, mine[0] if mine else "", int(mine[2]) if mine else 0)
    policy = host.piece(f"{folder}/{POLICY}", 0, MOST_BYTES + 1) if POLICY in there else b""
    text = host.piece(f"{folder}/{INI}", 0, 4096) if INI in there else b""
    return Seen(id_, name, entry, links, frozenset(there), policy, text, foreign)


def _files(host: Host, folder: str) -> tuple[list[str], list[str]]:
    """What the folder of an object has: of OURS, and what else. Raises ControlError for more than can be ours."""
    there: list[str] = []
    foreign: list[str] = []
    if host.stat(folder) is None:
        return there, foreign
    waiting = [""]
    count = 0
    while waiting:
        path = waiting.pop()
        kind = host.stat(f"{folder}/{path}" if path else folder)
        if kind is None:
            continue
        is_folder = stat.S_ISDIR(kind.st_mode)
        if path in FOLDERS and is_folder or path in (INI, POLICY) and stat.S_ISREG(kind.st_mode):
            there.append(path)
        else:
            foreign.append(f"{path}/" if is_folder else path)
        count += 1
        if count > MOST_FILES or path.count("/") > DEEPEST:
            raise ControlError(f"{folder} has more in it than a Group Policy object of ours can have")
        if is_folder:
            waiting += [f"{path}/{name}" if path else name for name in host.list(f"{folder}/{path}")]
    return there, sorted(foreign, reverse=True)  # what is in a folder before the folder


def differences(host: Host, found: Observed, one: Desired, seen: Seen) -> Iterator[tuple[Finding, bool]]:
    """What differs between an object and the desired one, and whether enforcing corrects it."""
    if id_ := found.taken.get(one.name.casefold()):
        yield _gpo(id_, "another object of this name is there, which is not ours: name ours otherwise"), False
    if seen.entry is None:
        yield _gpo(seen.guid, "the directory does not have it"), True
    for detail in of_entry(found.domain, one, seen):
        yield _gpo(seen.guid, detail), True
    folder = found.domain.folder_of(seen.guid)
    for path in OURS if "" in seen.there else ("",):
        if path not in seen.there:
            yield Finding("file", path or seen.guid, "samba", path=_at(folder, path), detail="SYSVOL lacks it"), True
    for finding in _values(one, seen, f"{folder}/{POLICY}"):
        yield finding, True
    if seen.entry and INI in seen.there and (detail := _of_versions(seen)):
        yield Finding("version", seen.guid, "samba", path=f"{folder}/{INI}", detail=detail), True
    for path in seen.foreign[:MOST_NAMED]:
        detail = "a run that was ended left it" if path in UNFINISHED else "it is not of this object"
        yield Finding("file", escaped(path), "samba", path=escaped(f"{folder}/{path}"), detail=detail), True
    for path, detail in of_permissions(host, found, seen):
        yield Finding("permissions", path or seen.guid, "samba", path=_at(folder, path), detail=detail), True
    yield from _links(found, one, seen)


def _at(folder: str, path: str) -> str:
    return f"{folder}/{path}".rstrip("/")


def _gpo(id_: str, detail: str) -> Finding:
    return Finding("gpo", id_, "samba", detail=detail)


def of_entry(domain: Domain, one: Desired, seen: Seen) -> Iterator[str]:
    """What differs of an object in the directory, but for its version."""
    if seen.entry is None:
        return
    for name, value in attributes(domain, one, seen.guid):
        if name == "flags":
            if seen.entry.one(name) in MACHINE_OFF:
                yield "its settings for computers are switched off"
        elif seen.entry.one(name) != value:
            yield f"{name} is not ours: {one_line(seen.entry.one(name))[:100]!r}"
    if descriptor := seen.entry.one("nTSecurityDescriptor"):
        for detail in permissions.wrong(descriptor, permissions.DIRECTORY):
            yield f"its permissions differ: {detail}"


def attributes(domain: Domain, one: Desired, id_: str) -> list[tuple[str, str]]:
    """The attributes that an object of ours has in the directory; "" for one that it must not have."""
    return [
        ("displayName", one.name),
        ("description", MARK + one.name),
        ("flags", "0"),
        ("gPCFileSysPath", f"\\\\{domain.name}\\sysvol\\{domain.name}\\Policies\\{id_}"),
        ("gPCFunctionalityVersion", "2"),
        ("gPCMachineExtensionNames", EXTENSIONS),
        ("gPCUserExtensionNames", ""),
        ("gPCWQLFilter", ""),
    ]


def _of_versions(seen: Seen) -> str:
    if seen.version != seen.version_of_files:
        return f"the directory has version {seen.version}, and SYSVOL {seen.version_of_files}"
    return "" if seen.ini == ini(seen.version) else "it was changed"


def _values(one: Desired, seen: Seen, path: str) -> Iterator[Finding]:
    """The values of the registry that differ, the first by name."""
    if POLICY not in seen.there or seen.policy == one.policy:
        return
    try:
        there = {(entry.key, entry.value): entry for entry in parse(seen.policy)}
    except ValueError as wrong:
        yield Finding("policy", POLICY, "samba", path=path, detail=f"cannot be read: {wrong}")
        return
    right = {(entry.key, entry.value): entry for entry in parse(one.policy)}
    names = [name for name in sorted({*there, *right}) if there.get(name) != right.get(name)]
    for name in names[:MOST_NAMED]:
        detail = _value(there.get(name), right.get(name))
        yield Finding("policy", one_line("\\".join(name))[:200], "samba", path=path, detail=detail)
    if more := len(names[MOST_NAMED:]):
        yield Finding("policy", POLICY, "samba", path=path, detail=f"{more} more values differ")
    if not names:
        yield Finding("policy", POLICY, "samba", path=path, detail="the order of its values was changed")


def _value(there: Value | None, right: Value | None) -> str:
    if there is None:
        return f"is missing: {_shown(right)}"
    if right is None:
        return f"is not of the plan: {_shown(there)}"
    return f"is {_shown(there)} instead of {_shown(right)}"


def _shown(value: Value | None) -> str:
    try:
        return ascii(said_by(value))[:LONGEST_SHOWN] if value else ""
    except ValueError:
        return "no value of its type"


def of_permissions(host: Host, found: Observed, seen: Seen) -> Iterator[tuple[str, str]]:
    """The files of an object whose permissions differ, and how. Those that were found right once are not read again:
    Samba's tool takes half a second for each.
    """
    folder = found.domain.folder_of(seen.guid)
    known: dict[str, list[str]] = {kind: [] for kind in found.state.right}
    for path in OURS:
        if path not in seen.there:
            continue
        whole = _at(folder, path)
        kind = permissions.print_of_file(host, whole) or whole
        if kind not in known:
            known[kind] = permissions.wrong(permissions.of_file(host, whole), permissions.FILES)
        for detail in known[kind]:
            yield path, detail


def _links(found: Observed, one: Desired, seen: Seen) -> Iterator[tuple[Finding, bool]]:
    places = {same(ou): ou for ou in one.ous}
    for key, ou in places.items():
        link = seen.links.get(key)
        if key not in found.units:
            yield _link(ou, "the domain has no such object"), False
        elif link is None or not link.text:
            yield _link(ou, "the object is not linked there"), True
        elif link.options & OFF:
            yield _link(ou, "its link there is switched off"), True
        elif one.enforced and not link.options & ENFORCED:
            yield _link(ou, "its link there is not enforced"), True
    whole = all(key in found.units for key in places)  # else no link is taken away (changes.py)
    for key, link in seen.links.items():
        if link.text and key not in places:
            yield _link(link.dn, "the object is linked there, and the plan does not name it"), whole
    if not one.enforced:
        for unit in found.shut:
            key = same(unit.dn)
            if key not in places and any(key.endswith(f",{place}") for place in places):
                detail = "it blocks inheritance, so the object does not apply there: name it too, or set enforced"
                yield _link(unit.dn, detail), False


def _link(dn: str, detail: str) -> Finding:
    return Finding("link", one_line(dn)[:200], "samba", detail=detail)
