"""`proscribe_groups_restricted`: services that are restricted for the members of some groups of a host's users only.

`apps` and `firewall` see whose a thing is. Policies of browsers and the DNS filter are one for a whole host, so such a
service is none of theirs: to block it there would block it for everybody, who may use it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ...policy_errors import Expected, PolicyError, close_to
from ..reading.grammar import MOST_GROUPS, POSIX_GROUP
from ..reading.values import list_of_names, within

VARIABLE = "proscribe_groups_restricted"
KEYS = ("services", "groups", "controls")
BY_USER = ("apps", "firewall")  # the controls that can tell users apart
WHY_NOT = {
    "browser": "browser policies apply to a whole host, whoever uses it",
    "dns": "the DNS filter applies to a whole host, whoever uses it",
}
GROUP = "the name of a group of the host's users"
MOST = 100  # entries


class ByGroup(NamedTuple):
    """One entry: these controls restrict the services for the members of the groups, and no other control does."""

    services: tuple[str, ...]
    groups: tuple[str, ...]
    controls: tuple[str, ...]


def read_groups_restricted(value: object) -> tuple[ByGroup, ...]:
    """The entries. Raises Expected with the place of the mistake."""
    if not isinstance(value, list | tuple):
        raise Expected("", value, "a list of mappings such as {services: [telegram], groups: [contractors]}")
    if len(value) > MOST:
        raise Expected("", f"{len(value)} entries", f"at most {MOST}: one can have many services")
    return tuple(within(f"[{index}]", _entry, item) for index, item in enumerate(value))


def _entry(value: object) -> ByGroup:
    if not isinstance(value, Mapping):
        raise Expected("", value, f"a mapping with keys out of {', '.join(KEYS)}")
    for name in value:
        if name not in KEYS:
            raise Expected(f".{name}", name, f"a known key, one of {', '.join(KEYS)}{close_to(str(name), KEYS)}")
    services = within(".services", _some, value.get("services"), "service ids")
    groups = within(".groups", _some, value.get("groups"), "names of groups of the host's users")
    if len(groups) > MOST_GROUPS:
        raise Expected(".groups", f"{len(groups)} groups", f"at most {MOST_GROUPS}")
    for index, group in enumerate(groups):
        if not POSIX_GROUP.fullmatch(group):
            raise Expected(f".groups[{index}]", group, GROUP)
    controls = within(".controls", _some, value.get("controls", list(BY_USER)), "controls")
    for index, control in enumerate(controls):
        if control not in BY_USER:
            reason = f": {WHY_NOT[control]}" if control in WHY_NOT else close_to(control, BY_USER)
            raise Expected(
                f".controls[{index}]", control, f"a control that can tell users apart, apps or firewall{reason}"
            )
    return ByGroup(services, groups, tuple(control for control in BY_USER if control in controls))


def _some(value: object, what: str) -> tuple[str, ...]:
    names = list_of_names(None, what)(value)
    if not names:
        raise Expected("", value, f"a list of {what}, one at least")
    return names


def groups_of(entries: Iterable[ByGroup], service: str) -> dict[str, list[str]]:
    """The groups for whose members a service is restricted, by control; {} for a service that is so for everybody.
    Entries with the same service add up.
    """
    found: dict[str, dict[str, None]] = {}
    for entry in entries:
        for control in entry.controls if service in entry.services else ():
            found.setdefault(control, {}).update(dict.fromkeys(entry.groups))
    return {control: sorted(groups) for control, groups in found.items()}


def mistakes(
    entries: Sequence[ByGroup],
    known: Collection[str],
    why_not_restricted: Callable[[str], str],
    finds: Callable[[str, str], bool],
) -> Iterator[PolicyError]:
    """What is wrong with the services of the entries on a host. `known` are the ids of its catalogue.
    `why_not_restricted` has the reason for one that is not restricted there, "" for others. `finds` says whether a
    control is on and can find a service.
    """
    for number, entry in enumerate(entries):
        for place, id_ in enumerate(entry.services):
            key = f"{VARIABLE}[{number}].services[{place}]"
            if id_ not in known:
                yield PolicyError("", key, id_, f"a service of the catalogue{close_to(id_, known)}")
            elif why := why_not_restricted(id_):
                yield PolicyError("", key, id_, f"a service that is restricted on this host: {why}")
            elif not any(finds(control, id_) for control in entry.controls):
                expected = (
                    f"a service of which {' or '.join(entry.controls)} can find programs or networks on this host: of "
                    "this one nothing would be restricted, since browser and dns cannot tell users apart"
                )
                yield PolicyError("", key, id_, expected)
            elif _opens_its_pages(entry, id_, finds):
                expected = (
                    "a service of which firewall can find networks on this host, or controls: [apps], for its programs "
                    "alone: nothing would close its pages to the members, since browser and dns cannot tell users apart"
                )
                yield PolicyError("", key, id_, expected)


def _opens_its_pages(entry: ByGroup, id_: str, finds: Callable[[str, str], bool]) -> bool:
    """Whether an entry that seems to close a service to the members would open its pages to them."""
    closed = any(finds(control, id_) for control in WHY_NOT)
    return closed and "firewall" in entry.controls and not finds("firewall", id_)


def open_elsewhere(entries: Iterable[ByGroup], modes: Mapping[str, str]) -> Iterator[str]:
    """What the entries leave open on a host with these modes of controls, in words."""
    blind = [control for control in WHY_NOT if modes[control] != "off"]
    for entry in entries if blind else ():
        services, groups = ", ".join(entry.services), ", ".join(entry.groups)
        yield f"{' and '.join(blind)} cannot tell users apart, and let the members of {groups} reach {services} too"
