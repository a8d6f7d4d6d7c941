"""Other Group Policy objects that have AppLocker's rules for the machines of Proscribe's objects.

Windows joins the rules of all objects that apply to a machine. Proscribe's rules allow everything that they do not
deny. So they would make an organisation's own allow list useless. The object that applies last would also decide
whether rules are enforced. The other object may be linked at the unit of Proscribe's object, above or below it, or at a
site. In these cases, Proscribe does not write its object.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Iterable, Mapping, Sequence

from ...system import Host
from .applocker_rules import APPLOCKER_KEY
from .domain import (
    LINK_OFF_FLAG,
    LINK_PATTERN,
    LINKING_CLASSES,
    MACHINE_OFF_FLAGS,
    WHOLE_FOREST_CONTROL,
    SambaDomain,
    escape_condition,
    normalise_dn,
    search_directory,
)
from .registry_pol import MAX_FILE_BYTES

if TYPE_CHECKING:
    from .desired_gpos import DesiredGpo
    from .ldif import LdifEntry

MAX_LINKED_OBJECTS = 1000  # most linked objects that are checked; a usual domain has tens
_GUID_PATTERN = re.compile(r"CN=(\{[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}\}),", re.IGNORECASE)
_RULES_KEY = APPLOCKER_KEY.casefold().encode("utf-16-le")


def find_conflicting_gpos(
    host: Host, domain: SambaDomain, desired_gpos: Iterable[DesiredGpo], own_guids: frozenset[str]
) -> Mapping[str, Sequence[str]]:
    """Return, by name of Proscribe's object, the ids of other objects that conflict with it.

    Both have rules of AppLocker, and both may apply to the same machine. Objects without such a conflict are left out.
    `own_guids` are the ids of Proscribe's objects. Raises ControlError and ObservationError.
    """
    # only an object with AppLocker's rules has a security template
    gpos_with_rules = [gpo for gpo in desired_gpos if gpo.template]
    if not gpos_with_rules:
        return {}
    classes = "".join(f"(objectClass={name})" for name in LINKING_CLASSES)
    linking_entries = search_directory(
        host, domain.database, domain.dn, f"(&(|{classes})(gPLink=*))", ["gPLink"], control=WHOLE_FOREST_CONTROL
    )
    # by place (normalised name of a directory entry): ids of the other objects that are linked there
    guids_by_place = {normalise_dn(entry.dn): _list_linked_guids(entry) - own_guids for entry in linking_entries}
    has_rules_by_guid: dict[str, bool] = {}
    conflicts = {}
    for gpo in gpos_with_rules:
        units = [normalise_dn(unit) for unit in gpo.ous]
        guids_nearby = {
            guid
            for linking_place, guids in guids_by_place.items()
            if _may_apply_below(linking_place, units)
            for guid in guids
        }
        if conflicting_guids := [
            guid
            for guid in sorted(guids_nearby)[:MAX_LINKED_OBJECTS]
            if _has_rules(host, domain, guid, has_rules_by_guid)
        ]:
            conflicts[gpo.name] = conflicting_guids
    return conflicts


def _list_linked_guids(entry: LdifEntry) -> set[str]:
    """Return the ids of the Group Policy objects that are linked at a directory entry.

    Links that are switched off are left out.
    """
    links = [link for link in LINK_PATTERN.finditer(entry.get_value("gPLink")) if not int(link[2]) & LINK_OFF_FLAG]
    return {guid[1].upper() for link in links if (guid := _GUID_PATTERN.match(link[1]))}


def _may_apply_below(linking_place: str, units: Iterable[str]) -> bool:
    """Return whether an object linked at a place may apply to a machine in or below one of the units.

    The place may be a unit itself, above or below it, or a site. All names are normalised.
    """
    return ",cn=sites," in linking_place or any(
        linking_place == unit or unit.endswith(f",{linking_place}") or linking_place.endswith(f",{unit}")
        for unit in units
    )


def _has_rules(host: Host, domain: SambaDomain, guid: str, has_rules_by_guid: dict[str, bool]) -> bool:
    """Return whether a Group Policy object has AppLocker's rules that are in effect.

    `has_rules_by_guid` caches the results.
    """
    if guid not in has_rules_by_guid:
        folder = domain.make_gpo_folder(guid)
        policy_paths = [
            f"{folder}/{machine_folder}/{name}"
            for machine_folder in _list_names_ignoring_case(host, folder, "machine")
            for name in _list_names_ignoring_case(host, f"{folder}/{machine_folder}", "registry.pol")
        ]
        has_rules_key = any(
            _RULES_KEY in host.read_head(policy_path, MAX_FILE_BYTES).lower() for policy_path in policy_paths
        )
        has_rules_by_guid[guid] = has_rules_key and not _is_switched_off(host, domain, guid)
    return has_rules_by_guid[guid]


def _list_names_ignoring_case(host: Host, folder: str, name: str) -> list[str]:
    """Return the entries of a folder that have a name, in any case: Windows also writes `MACHINE`.

    `name` is in lower case.
    """
    return (
        [entry_name for entry_name in host.list_directory(folder) if entry_name.casefold() == name]
        if host.find_entry(folder)
        else []
    )


def _is_switched_off(host: Host, domain: SambaDomain, guid: str) -> bool:
    """Return whether the settings for computers of a Group Policy object are switched off."""
    condition = f"(&(objectClass=groupPolicyContainer)(cn={escape_condition(guid)}))"
    entries = search_directory(host, domain.database, domain.container, condition, ["flags"], scope="one")
    return any(entry.get_value("flags") in MACHINE_OFF_FLAGS for entry in entries)
