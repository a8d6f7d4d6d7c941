"""Current state of Proscribe's Group Policy objects, in the directory and in SYSVOL.

Others may change these objects: administrators by Microsoft's console, and accounts that may write to SYSVOL or link
objects. So the amount of data is limited, and no link is followed.
"""

from __future__ import annotations

import re
import stat
from typing import Iterable, Mapping, Sequence

from ....base.named_tuple import NamedTuple
from ...system import ControlError, Host
from . import conflicts
from .applocker import TEMPLATE_PATH
from .desired_gpos import DesiredGpo
from .domain import (
    LINK_PATTERN,
    LINKING_CLASSES,
    WHOLE_FOREST_CONTROL,
    SambaDomain,
    escape_condition,
    find_domain,
    normalise_dn,
    search_directory,
)
from .identity import MARK_PREFIX, make_gpo_guid, read_marked_name
from .ldif import LdifEntry
from .registry_pol import MAX_FILE_BYTES
from .state import GroupPolicyState
from .state import read_state as read_state

POLICY_PATH, GPT_INI_PATH = "Machine/Registry.pol", "GPT.INI"
GPO_FOLDERS = ("", "Machine", "User")
# Folders of the security template, which only an object with AppLocker's rules has.
SECURITY_FOLDERS = tuple("/".join(TEMPLATE_PATH.split("/")[:count]) for count in (2, 3, 4))
# Paths of Proscribe's objects in SYSVOL; "" is the folder.
OWN_PATHS = (
    *GPO_FOLDERS,
    *SECURITY_FOLDERS,
    GPT_INI_PATH,
    TEMPLATE_PATH,
    POLICY_PATH,
)
NEW_FILE_SUFFIX = ".new"  # suffix of the new file during a replacement
# Files that an interrupted run may have left.
UNFINISHED_PATHS = frozenset(
    unfinished
    for folder, _, name in (path.rpartition("/") for path in (GPT_INI_PATH, TEMPLATE_PATH, POLICY_PATH))
    for unfinished in (
        f"{folder}/{name}{NEW_FILE_SUFFIX}".lstrip("/"),
        f"{folder}/.{name}{NEW_FILE_SUFFIX}.proscribe~".lstrip("/"),
    )
)
_ALL_FOLDERS = (*GPO_FOLDERS, *SECURITY_FOLDERS)
MAX_FILES, MAX_DEPTH = 1000, 12
LINK_OFF_FLAG, LINK_ENFORCED_FLAG = 1, 2  # flags of a link

_VERSION_PATTERN = re.compile(r"^[ \t]*Version[ \t]*=[ \t]*(\d{1,10})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_GPO_ATTRIBUTES = (
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


class GpoLink(NamedTuple):
    """Link to Proscribe's object among the links of a directory object."""

    dn: str
    all_links: str  # whole value of gPLink
    link_text: str  # part of it for Proscribe's object; "" for none
    options: int


class ObservedGpo(NamedTuple):
    """Current state of Proscribe's object."""

    guid: str
    name: str
    entry: LdifEntry | None
    links: Mapping[str, GpoLink]  # by normalised name
    present_paths: frozenset[str]  # of OWN_PATHS
    policy: bytes
    gpt_ini: bytes
    template: bytes
    foreign_paths: Sequence[str]  # other paths in its folder; folders end with "/"

    @property
    def version(self) -> int:
        """Version in the directory; -1 for none."""
        text = self.entry.get_value("versionNumber") if self.entry else ""
        return int(text) if text.isdigit() and len(text) < 11 else -1

    @property
    def files_version(self) -> int:
        """Version in SYSVOL; -1 for none."""
        match = _VERSION_PATTERN.search(self.gpt_ini.decode("utf-8", "replace"))
        return int(match[1]) if match else -1

    @property
    def has_traces(self) -> bool:
        """True if any part of the object exists."""
        return bool(
            self.entry
            or self.present_paths
            or self.foreign_paths
            or any(link.link_text for link in self.links.values())
        )


class GroupPolicyObservation(NamedTuple):
    """Observation of a domain with all of Proscribe's objects."""

    domain: SambaDomain
    state: GroupPolicyState
    gpos: Sequence[ObservedGpo]  # the desired objects in their order, then those that the plan has dropped
    units: Mapping[str, LdifEntry]  # entries with links, or named by the plan, by normalised name
    inheritance_blocking_units: Sequence[LdifEntry]  # these block the inheritance of objects
    guids_of_taken_names: Mapping[str, str]  # names of the plan that a foreign object has, with its id
    # By name of an object with AppLocker's rules: ids of foreign objects with such rules.
    conflicting_guids: Mapping[str, Sequence[str]]


def observe_gpos(host: Host, desired_gpos: Sequence[DesiredGpo]) -> GroupPolicyObservation:
    """Observe the desired objects and all other objects of Proscribe's. Raises ControlError and ObservationError."""
    domain = find_domain(host)
    state = read_state(host)
    names = {make_gpo_guid(domain.name, desired_gpo.name): desired_gpo.name for desired_gpo in desired_gpos}
    name_conditions = "".join(f"(displayName={escape_condition(desired_gpo.name)})" for desired_gpo in desired_gpos)
    guid_conditions = "".join(f"(cn={escape_condition(gpo_guid)})" for gpo_guid in {**names, **state.names})
    mark_condition = f"(description={escape_condition(MARK_PREFIX)}*)"
    condition = f"(&(objectClass=groupPolicyContainer)(|{guid_conditions}{name_conditions}{mark_condition}))"
    entries = search_directory(host, domain.database, domain.container, condition, _GPO_ATTRIBUTES, scope="one")
    entries_by_guid = {entry.get_value("cn").upper(): entry for entry in entries}
    marked_names = {
        gpo_guid: name
        for gpo_guid, entry in entries_by_guid.items()
        if (name := read_marked_name(entry.get_value("description")))
    }
    # An object whose id does not follow from its name is foreign, even if it has Proscribe's mark.
    for gpo_guid, name in (*marked_names.items(), *state.names.items()):
        if make_gpo_guid(domain.name, name) == gpo_guid:
            names.setdefault(gpo_guid, name)
    guids_of_taken_names = {
        entry.get_value("displayName").casefold(): gpo_guid
        for gpo_guid, entry in entries_by_guid.items()
        if gpo_guid not in names
    }
    linking_entries = _search_linking_entries(host, domain, names, desired_gpos)
    units = {normalise_dn(entry.dn): entry for entry in linking_entries}
    return GroupPolicyObservation(
        domain,
        state,
        [
            _observe_gpo(host, domain, gpo_guid, name, entries_by_guid.get(gpo_guid), linking_entries)
            for gpo_guid, name in names.items()
        ],
        units,
        [entry for entry in linking_entries if entry.get_value("gPOptions") == "1"],
        guids_of_taken_names,
        conflicts.find_conflicting_gpos(host, domain, desired_gpos, frozenset(names)),
    )


def _search_linking_entries(
    host: Host, domain: SambaDomain, guids: Iterable[str], desired_gpos: Iterable[DesiredGpo]
) -> list[LdifEntry]:
    """Return the entries that link one of the objects, are named as places for links, or block inheritance."""
    guid_conditions = "".join(f"(gPLink=*{escape_condition(guid)}*)" for guid in guids)
    unit_conditions = "".join(
        f"(distinguishedName={escape_condition(ou)})" for desired_gpo in desired_gpos for ou in desired_gpo.ous
    )
    if not guid_conditions:
        return []
    # The directory has an index for the class. In a large directory, most objects have no link.
    classes = "".join(f"(objectClass={name})" for name in LINKING_CLASSES)
    condition = f"(&(|{classes})(|{guid_conditions}{unit_conditions}(gPOptions=1)))"
    return search_directory(
        host, domain.database, domain.dn, condition, ["gPLink", "gPOptions"], control=WHOLE_FOREST_CONTROL
    )


def _observe_gpo(
    host: Host, domain: SambaDomain, guid: str, name: str, entry: LdifEntry | None, linking_entries: Iterable[LdifEntry]
) -> ObservedGpo:
    folder = domain.make_gpo_folder(guid)
    present_paths, foreign_paths = _list_gpo_files(host, folder)
    links = {}
    for linking_entry in linking_entries:
        link_value = linking_entry.get_value("gPLink")
        own_match = next((match for match in LINK_PATTERN.finditer(link_value) if guid in match[1].upper()), None)
        links[normalise_dn(linking_entry.dn)] = GpoLink(
            linking_entry.dn, link_value, own_match[0] if own_match else "", int(own_match[2]) if own_match else 0
        )
    policy = host.read_range(f"{folder}/{POLICY_PATH}", 0, MAX_FILE_BYTES + 1) if POLICY_PATH in present_paths else b""
    text = host.read_range(f"{folder}/{GPT_INI_PATH}", 0, 4096) if GPT_INI_PATH in present_paths else b""
    template = host.read_range(f"{folder}/{TEMPLATE_PATH}", 0, 4096) if TEMPLATE_PATH in present_paths else b""
    return ObservedGpo(guid, name, entry, links, frozenset(present_paths), policy, text, template, foreign_paths)


def _list_gpo_files(host: Host, folder: str) -> tuple[list[str], list[str]]:
    """Return the paths in an object's folder: those of OWN_PATHS, and the foreign paths.

    Raises ControlError for a folder that has more entries than an object of Proscribe's can have.
    """
    present_paths: list[str] = []
    foreign_paths: list[str] = []
    if host.find_entry(folder) is None:
        return present_paths, foreign_paths
    pending_paths = [""]
    count = 0
    while pending_paths:
        path = pending_paths.pop()
        status = host.find_entry(f"{folder}/{path}" if path else folder)
        if status is None:
            continue
        is_folder = stat.S_ISDIR(status.st_mode)
        if path in OWN_PATHS and (is_folder if path in _ALL_FOLDERS else stat.S_ISREG(status.st_mode)):
            present_paths.append(path)
        else:
            foreign_paths.append(f"{path}/" if is_folder else path)
        count += 1
        if count > MAX_FILES or path.count("/") > MAX_DEPTH:
            raise ControlError(f"{folder} has more in it than a Group Policy object of ours can have")
        if is_folder:
            pending_paths += [f"{path}/{name}" if path else name for name in host.list_directory(f"{folder}/{path}")]
    return present_paths, sorted(foreign_paths, reverse=True)  # the content of a folder comes before the folder
