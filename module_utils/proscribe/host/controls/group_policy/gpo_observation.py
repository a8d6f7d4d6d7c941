"""Current state of Proscribe's Group Policy objects, in the directory and in SYSVOL.

Others may have changed these objects: administrators by Microsoft's console, and accounts that may write to SYSVOL or
link objects. So the amount of data that is read is limited, and no link in SYSVOL is followed.
"""

from __future__ import annotations

import re
import stat
from typing import Iterable, Mapping, Sequence

from ....base.named_tuple import NamedTuple
from ...system import ControlError, Host
from . import conflicts
from .applocker_rules import TEMPLATE_PATH
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
# Folders above the security template. Only an object with AppLocker's rules has them.
SECURITY_FOLDERS = tuple("/".join(TEMPLATE_PATH.split("/")[:count]) for count in (2, 3, 4))
# Files and folders of Proscribe's objects in SYSVOL, relative to the object's folder; "" is that folder itself.
OWN_PATHS = (
    *GPO_FOLDERS,
    *SECURITY_FOLDERS,
    GPT_INI_PATH,
    TEMPLATE_PATH,
    POLICY_PATH,
)
NEW_FILE_SUFFIX = ".new"  # suffix of the new file while it replaces an old file
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
    """Link of one of Proscribe's Group Policy objects at an entry of the directory.

    It may be missing: then `link_text` is "".
    """

    dn: str
    all_links: str  # whole value of the entry's attribute gPLink
    link_text: str  # part of `all_links` for Proscribe's object; "" if the object is not linked
    options: int  # LINK_OFF_FLAG and LINK_ENFORCED_FLAG; 0 if the object is not linked


class ObservedGpo(NamedTuple):
    """Current state of one of Proscribe's Group Policy objects."""

    guid: str
    name: str
    entry: LdifEntry | None  # its entry in the directory; None if there is none
    links: Mapping[str, GpoLink]  # by normalised name of the directory entry
    present_paths: frozenset[str]  # those of OWN_PATHS that exist
    # contents of its files in SYSVOL; b"" for a missing file
    policy: bytes
    gpt_ini: bytes
    template: bytes
    foreign_paths: Sequence[str]  # other paths in the object's folder; folders end with "/"

    @property
    def version(self) -> int:
        """Version of the object in the directory; -1 if it has none."""
        text = self.entry.get_value("versionNumber") if self.entry else ""
        return int(text) if text.isdigit() and len(text) < 11 else -1

    @property
    def files_version(self) -> int:
        """Version of the object in SYSVOL; -1 if it has none."""
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
    """Observation of a domain, with all of Proscribe's Group Policy objects."""

    domain: SambaDomain
    state: GroupPolicyState
    # the desired objects in the plan's order, then Proscribe's objects that the plan no longer has
    gpos: Sequence[ObservedGpo]
    # by normalised name: entries that link one of the objects, that the plan names, or that block inheritance
    units: Mapping[str, LdifEntry]
    inheritance_blocking_units: Sequence[LdifEntry]  # entries that block the inheritance of Group Policy objects
    # by name, casefolded: id of an object that is not Proscribe's but has a name of the plan
    guids_of_taken_names: Mapping[str, str]
    # By name of Proscribe's object with AppLocker's rules: ids of other objects with such rules.
    conflicting_guids: Mapping[str, Sequence[str]]


def observe_gpos(host: Host, desired_gpos: Sequence[DesiredGpo]) -> GroupPolicyObservation:
    """Observe the desired Group Policy objects, and Proscribe's objects that the plan no longer has.

    Raises ControlError and ObservationError.
    """
    domain = find_domain(host)
    state = read_state(host)
    names = {make_gpo_guid(domain.name, desired_gpo.name): desired_gpo.name for desired_gpo in desired_gpos}
    name_conditions = "".join(f"(displayName={escape_condition(desired_gpo.name)})" for desired_gpo in desired_gpos)
    guid_conditions = "".join(f"(cn={escape_condition(gpo_guid)})" for gpo_guid in {**names, **state.names})
    # Three kinds of entries are searched: by id, by name, and by Proscribe's mark.
    mark_condition = f"(description={escape_condition(MARK_PREFIX)}*)"
    condition = f"(&(objectClass=groupPolicyContainer)(|{guid_conditions}{name_conditions}{mark_condition}))"
    entries = search_directory(host, domain.database, domain.container, condition, _GPO_ATTRIBUTES, scope="one")
    entries_by_guid = {entry.get_value("cn").upper(): entry for entry in entries}
    marked_names = {
        gpo_guid: name
        for gpo_guid, entry in entries_by_guid.items()
        if (name := read_marked_name(entry.get_value("description")))
    }
    # An object is not Proscribe's if its id does not follow from its name, even if it has Proscribe's mark.
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
    """Return the directory entries that matter for the links of Proscribe's Group Policy objects.

    Three kinds of entries matter. Some link one of the objects with the ids `guids`. Others are units where a desired
    object has to be linked. Others block inheritance. The result is [] if there are no objects.
    """
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
    """Observe one of Proscribe's Group Policy objects: its links and its files.

    `entry` is its entry in the directory; None if there is none.
    """
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
    gpt_ini = host.read_range(f"{folder}/{GPT_INI_PATH}", 0, 4096) if GPT_INI_PATH in present_paths else b""
    template = host.read_range(f"{folder}/{TEMPLATE_PATH}", 0, 4096) if TEMPLATE_PATH in present_paths else b""
    return ObservedGpo(guid, name, entry, links, frozenset(present_paths), policy, gpt_ini, template, foreign_paths)


def _list_gpo_files(host: Host, folder: str) -> tuple[list[str], list[str]]:
    """Return the paths in an object's folder: those of OWN_PATHS, and all others.

    A file in place of a folder of OWN_PATHS counts as another path, and so does the reverse. Raises ControlError for a
    folder that has more entries than an object of Proscribe's can have.
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
    # reversed, so that the content of a folder comes before the folder
    return present_paths, sorted(foreign_paths, reverse=True)
