"""What differs between our Group Policy objects and the desired ones, and what that means for their rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Sequence

from ....model.finding import COMPLIANT, NONCOMPLIANT, Finding, RuleVerdict
from ...system import Host, ObservationError, escape_text, format_one_line
from . import permissions
from .applocker import TEMPLATE
from .desired import Desired, attributes, desired, ini
from .domain import Domain, below, same
from .identity import rule
from .observed import ENFORCED, INI, OFF, OURS, POLICY, SECURITY, UNFINISHED, Observed, Seen, observed
from .registry_pol import Entry, parse, said_by

if TYPE_CHECKING:
    from ....model.types.plan import Plan

MOST_NAMED = 10  # values of the registry, or files
LONGEST_SHOWN = 80  # characters of a value
MACHINE_OFF = ("2", "3")  # the flags of an object
OTHER_RULES = (
    "another object, {}, has rules of AppLocker for machines of ours, and Windows joins them: ours allow all else. Set "
    "proscribe_applocker to off for the group, or take that object's rules or link away"
)


def observe(host: Host, plan: Plan) -> list[RuleVerdict]:
    """A verdict for each object of the plan, and for those of ours that it has no longer."""
    if not host.privileged:
        raise ObservationError("the directory and SYSVOL can only be read by root")
    objects = desired(plan)
    found = observed(host, objects)
    verdicts = [
        _verdict(one.name, list(differences(host, found, one, seen)), one.drifts)
        for one, seen in zip(objects, found.objects)
    ]
    for seen in found.objects[len(objects) :]:
        if seen.anything:
            left = Finding("gpo", seen.guid, "samba", detail="the plan does not have this object any more")
            verdicts.append(RuleVerdict(rule(seen.name), NONCOMPLIANT, (left,), drifted=True))
    return verdicts


def _verdict(name: str, found: Sequence[tuple[Finding, bool]], drifts: bool) -> RuleVerdict:
    """The verdict of an object, by what differs, each with whether enforcing corrects it."""
    state = NONCOMPLIANT if found else COMPLIANT
    return RuleVerdict(
        rule(name),
        state,
        tuple(finding for finding, _ in found),
        drifted=drifts and any(corrected for _, corrected in found),
    )


def differences(host: Host, found: Observed, one: Desired, seen: Seen) -> Iterator[tuple[Finding, bool]]:
    """What differs between an object and the desired one, and whether enforcing corrects it."""
    if id_ := found.taken.get(one.name.casefold()):
        yield _gpo(id_, "another object of this name is there, which is not ours: name ours otherwise"), False
    for other in found.others.get(one.name, ()):
        yield _gpo(other, OTHER_RULES.format(other)), False
    if seen.entry is None:
        yield _gpo(seen.guid, "the directory does not have it"), True
    for detail in of_entry(found.domain, one, seen):
        yield _gpo(seen.guid, detail), True
    folder = found.domain.folder_of(seen.guid)
    for path in parts(one) if "" in seen.there else ("",):
        if path not in seen.there:
            yield Finding("file", path or seen.guid, "samba", path=below(folder, path), detail="SYSVOL lacks it"), True
    if TEMPLATE in seen.there and seen.template != one.template:
        detail = "it was changed" if one.template else "it is not of this object"
        yield Finding("file", TEMPLATE, "samba", path=f"{folder}/{TEMPLATE}", detail=detail), True
    for finding in _values(one, seen, f"{folder}/{POLICY}"):
        yield finding, True
    if seen.entry and INI in seen.there and (detail := _of_versions(seen)):
        yield Finding("version", seen.guid, "samba", path=f"{folder}/{INI}", detail=detail), True
    for path in seen.foreign[:MOST_NAMED]:
        detail = "a run that was ended left it" if path in UNFINISHED else "it is not of this object"
        yield Finding("file", escape_text(path), "samba", path=escape_text(f"{folder}/{path}"), detail=detail), True
    for path, detail in of_permissions(host, found, seen):
        yield Finding("permissions", path or seen.guid, "samba", path=below(folder, path), detail=detail), True
    yield from _links(found, one, seen)


def parts(one: Desired) -> Sequence[str]:
    """What an object has in SYSVOL."""
    return OURS if one.template else [path for path in OURS if path != TEMPLATE and path not in SECURITY]


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
            yield f"{name} is not ours: {format_one_line(seen.entry.one(name))[:100]!r}"
    if descriptor := seen.entry.one("nTSecurityDescriptor"):
        for detail in permissions.wrong(descriptor, permissions.DIRECTORY):
            yield f"its permissions differ: {detail}"


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
        yield Finding("policy", format_one_line("\\".join(name))[:200], "samba", path=path, detail=detail)
    if more := len(names[MOST_NAMED:]):
        yield Finding("policy", POLICY, "samba", path=path, detail=f"{more} more values differ")
    if not names:
        yield Finding("policy", POLICY, "samba", path=path, detail="the order of its values was changed")


def _value(there: Entry | None, right: Entry | None) -> str:
    if there is None:
        return f"is missing: {_shown(right)}"
    if right is None:
        return f"is not of the plan: {_shown(there)}"
    return f"is {_shown(there)} instead of {_shown(right)}"


def _shown(value: Entry | None) -> str:
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
        whole = below(folder, path)
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
    return Finding("link", format_one_line(dn)[:200], "samba", detail=detail)
