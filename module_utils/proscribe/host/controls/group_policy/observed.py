"""Our Group Policy objects as they are, in the directory and in SYSVOL.

Others may change these objects: administrators by Microsoft's console, whoever may write to SYSVOL, whoever links
objects. So what is read is bounded, and no link is followed.
"""

from __future__ import annotations

import re
import stat
from typing import Iterable, Mapping, Sequence

from ....base.tuples import NamedTuple
from ...system import ControlError, Host
from . import conflicts
from .applocker import TEMPLATE
from .desired import Desired
from .domain import LINK, LINKING, WHOLE_FOREST, Domain, domain_of, plain, same, search
from .identity import MARK, guid, marked
from .ldif import Entry
from .registry_pol import MOST_BYTES
from .state import State
from .state import read as read_state

POLICY, INI = "Machine/Registry.pol", "GPT.INI"
FOLDERS = ("", "Machine", "User")
# What an object with AppLocker's rules has beside: a security template.
SECURITY = tuple("/".join(TEMPLATE.split("/")[:count]) for count in (2, 3, 4))
OURS = (*FOLDERS, *SECURITY, INI, TEMPLATE, POLICY)  # what our objects have in SYSVOL, "" being the folder
BESIDE = ".new"  # of a file that is being replaced
# What a run that was ended may have left of them.
UNFINISHED = frozenset(
    unfinished
    for folder, _, name in (path.rpartition("/") for path in (INI, TEMPLATE, POLICY))
    for unfinished in (f"{folder}/{name}{BESIDE}".lstrip("/"), f"{folder}/.{name}{BESIDE}.proscribe~".lstrip("/"))
)
_FOLDERS = (*FOLDERS, *SECURITY)
MOST_FILES, DEEPEST = 1000, 12
OFF, ENFORCED = 1, 2  # of a link

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
    template: bytes
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
    others: Mapping[str, Sequence[str]]  # by name of an object with AppLocker's rules: other objects that have some


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
        conflicts.others(host, domain, objects, frozenset(names)),
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
        mine = next((found for found in LINK.finditer(value) if id_ in found[1].upper()), None)
        links[same(one.dn)] = Link(one.dn, value, mine[0] if mine else "", int(mine[2]) if mine else 0)
    policy = host.read_range(f"{folder}/{POLICY}", 0, MOST_BYTES + 1) if POLICY in there else b""
    text = host.read_range(f"{folder}/{INI}", 0, 4096) if INI in there else b""
    template = host.read_range(f"{folder}/{TEMPLATE}", 0, 4096) if TEMPLATE in there else b""
    return Seen(id_, name, entry, links, frozenset(there), policy, text, template, foreign)


def _files(host: Host, folder: str) -> tuple[list[str], list[str]]:
    """What the folder of an object has: of OURS, and what else. Raises ControlError for more than can be ours."""
    there: list[str] = []
    foreign: list[str] = []
    if host.find_entry(folder) is None:
        return there, foreign
    waiting = [""]
    count = 0
    while waiting:
        path = waiting.pop()
        kind = host.find_entry(f"{folder}/{path}" if path else folder)
        if kind is None:
            continue
        is_folder = stat.S_ISDIR(kind.st_mode)
        if path in OURS and (is_folder if path in _FOLDERS else stat.S_ISREG(kind.st_mode)):
            there.append(path)
        else:
            foreign.append(f"{path}/" if is_folder else path)
        count += 1
        if count > MOST_FILES or path.count("/") > DEEPEST:
            raise ControlError(f"{folder} has more in it than a Group Policy object of ours can have")
        if is_folder:
            waiting += [f"{path}/{name}" if path else name for name in host.list_directory(f"{folder}/{path}")]
    return there, sorted(foreign, reverse=True)  # what is in a folder before the folder
