"""The variable `proscribe_groups_restricted`: services restricted only for members of some POSIX groups.

`apps` and `firewall` can tell users apart. Browser policies and the DNS filter apply to a whole host, so they leave
such a service out. To block it there would block it for users without a restriction, too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ...controls import DECLARATIONS
from ...policy_errors import PolicyError, UnexpectedValue, propose_similar_names
from ..reading.grammar import MAX_GROUPS, POSIX_GROUP_PATTERN
from ..reading.value_readers import NamesReader, make_text_reader, read_items, read_mapping

VARIABLE = "proscribe_groups_restricted"
# Keys: the controls that cannot tell users apart. Values: the reason.
REASONS_AGAINST = {
    control: declaration.whole_host_reason
    for control, declaration in DECLARATIONS.items()
    if declaration.whole_host_reason
}
CONTROLS_BY_USER = tuple(control for control in DECLARATIONS if control not in REASONS_AGAINST)
_read_group = make_text_reader(POSIX_GROUP_PATTERN, "the name of a group of the host's users")
MAX_ENTRIES = 100  # entries of the variable


class GroupRestriction(NamedTuple):
    """A restriction of services for members of some POSIX groups, by `controls` only."""

    services: tuple[str, ...]
    groups: tuple[str, ...]
    controls: tuple[str, ...]


def read_groups_restricted(setting: object) -> tuple[GroupRestriction, ...]:
    """Read the value of `proscribe_groups_restricted`. Raises UnexpectedValue with the place of the mistake."""
    expected = "a list of mappings such as {services: [telegram], groups: [contractors]}"
    entries = read_items(setting, _read_entry, expected)
    if len(entries) > MAX_ENTRIES:
        raise UnexpectedValue("", f"{len(entries)} entries", f"at most {MAX_ENTRIES}: one can have many services")
    return entries


def _read_entry(setting: object) -> GroupRestriction:
    """Read a restriction for groups from its mapping. Raises UnexpectedValue.

    Only the controls that can tell users apart are possible; without the key `controls`, all of these restrict.
    """
    values = read_mapping(
        setting,
        {"services": _read_services, "groups": _read_groups, "controls": _read_controls},
        required=("services", "groups"),
    )
    return GroupRestriction(**{"controls": CONTROLS_BY_USER, **values})


_read_services = NamesReader((), "service ids", minimum=1)


def _read_groups(setting: object) -> tuple[str, ...]:
    groups = NamesReader((), "names of groups of the host's users", _read_group, minimum=1)(setting)
    if len(groups) > MAX_GROUPS:
        raise UnexpectedValue("", f"{len(groups)} groups", f"at most {MAX_GROUPS}")
    return groups


def _read_controls(setting: object) -> tuple[str, ...]:
    controls = NamesReader((), "controls", _read_control, minimum=1)(setting)
    return tuple(control for control in CONTROLS_BY_USER if control in controls)


def _read_control(setting: object) -> str:
    """Return a control that can tell users apart."""
    control = str(setting)
    if control in CONTROLS_BY_USER:
        return control
    reason = REASONS_AGAINST.get(control)
    hint = f": {reason}" if reason else propose_similar_names(control, CONTROLS_BY_USER)
    raise UnexpectedValue("", setting, f"a control that can tell users apart, apps or firewall{hint}")


def find_groups(entries: Iterable[GroupRestriction], service_id: str) -> dict[str, list[str]]:
    """Return the POSIX groups whose members may not use a service, by control; {} if nobody may use it.

    If several entries of the variable name the service, their groups add up.
    """
    groups_by_control: dict[str, dict[str, None]] = {}
    for entry in entries:
        for control in entry.controls if service_id in entry.services else ():
            groups_by_control.setdefault(control, {}).update(dict.fromkeys(entry.groups))
    return {control: sorted(groups) for control, groups in groups_by_control.items()}


def find_group_mistakes(
    entries: Sequence[GroupRestriction],
    known_ids: Collection[str],
    explain_unrestricted: Callable[[str], str],
    can_find: Callable[[str, str], bool],
) -> Iterator[PolicyError]:
    """Yield a mistake for each service that a host's group restrictions (`entries`) name without any effect.

    `known_ids` are the ids in the host's catalogue. `explain_unrestricted` takes a service id. It returns the reason
    that the service is not restricted on the host; "" if it is. `can_find` takes a control and a service id. It returns
    True if the control is on and can find the service otherwise than by web pages.
    """
    for index, entry in enumerate(entries):
        for position, id_ in enumerate(entry.services):
            key = f"{VARIABLE}[{index}].services[{position}]"
            if id_ not in known_ids:
                yield PolicyError("", key, id_, f"a service of the catalogue{propose_similar_names(id_, known_ids)}")
            elif reason := explain_unrestricted(id_):
                yield PolicyError("", key, id_, f"a service that is restricted on this host: {reason}")
            elif not any(can_find(control, id_) for control in entry.controls):
                expected = (
                    f"a service of which {' or '.join(entry.controls)} can find programs or networks on this host: of "
                    "this one nothing would be restricted, since browser and dns cannot tell users apart"
                )
                yield PolicyError("", key, id_, expected)
            elif _is_opening_pages(entry, id_, can_find):
                expected = (
                    "a service of which firewall can find networks on this host, or controls: [apps], for its programs "
                    "alone: nothing would close its pages to the members, since browser and dns cannot tell users apart"
                )
                yield PolicyError("", key, id_, expected)


def _is_opening_pages(entry: GroupRestriction, id_: str, can_find: Callable[[str, str], bool]) -> bool:
    """Return True if a restriction for members of groups would unblock a service's web pages, for these members too.

    Without the restriction, browser or dns block the pages for everybody. With it, they leave the service out. Then
    only the firewall could block the pages for the members, but it has no networks of the service.
    """
    is_blocked_otherwise = any(can_find(control, id_) for control in REASONS_AGAINST)
    return is_blocked_otherwise and "firewall" in entry.controls and not can_find("firewall", id_)


def describe_open_services(entries: Iterable[GroupRestriction], modes: Mapping[str, str]) -> Iterator[str]:
    """Yield a text for each restriction whose services stay reachable for the members through browser or dns.

    `modes` has the mode of each control on the host.
    """
    blind_controls = [control for control in REASONS_AGAINST if modes[control] != "off"]
    for entry in entries if blind_controls else ():
        services, groups = ", ".join(entry.services), ", ".join(entry.groups)
        yield (
            f"{' and '.join(blind_controls)} cannot tell users apart, and let the members of {groups} reach "
            f"{services} too"
        )
