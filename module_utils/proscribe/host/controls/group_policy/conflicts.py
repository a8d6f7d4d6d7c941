"""Group Policy objects of others that have rules of AppLocker for the machines of ours.

Windows joins the rules of all objects that apply to a machine. Ours allow all that they do not deny. So they would open
an organisation's own list of what may run, and the last object decides whether rules are enforced. Nothing of ours is
written where such an object is linked: at a unit of ours, above or below it, or at a site.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Iterable, Mapping, Sequence

from ...system import Host
from .applocker import KEY
from .domain import LINK, LINKING, WHOLE_FOREST, Domain, plain, same, search
from .registry_pol import MOST_BYTES

if TYPE_CHECKING:
    from .desired import Desired
    from .ldif import Entry

OFF = 1  # of a link
MACHINE_OFF = ("2", "3")  # the flags of an object
MOST_OBJECTS = 1000  # that are linked where ours are; a domain has tens
_GUID = re.compile(r"CN=(\{[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}\}),", re.IGNORECASE)
_RULES = KEY.casefold().encode("utf-16-le")


def others(host: Host, domain: Domain, objects: Iterable[Desired], ours: frozenset[str]) -> Mapping[str, Sequence[str]]:
    """By name of an object of ours with AppLocker's rules: the ids of others' that have some, too. Raises ControlError
    and Unseen.
    """
    with_rules = [one for one in objects if one.template]
    if not with_rules:
        return {}
    classes = "".join(f"(objectClass={name})" for name in LINKING)
    linking = search(host, domain.database, domain.dn, f"(&(|{classes})(gPLink=*))", ["gPLink"], control=WHOLE_FOREST)
    linked = {same(one.dn): _linked(one) - ours for one in linking}
    known: dict[str, bool] = {}
    found = {}
    for one in with_rules:
        units = [same(unit) for unit in one.ous]
        ids = {id_ for place, its in linked.items() if _meets(place, units) for id_ in its}
        if clashing := [id_ for id_ in sorted(ids)[:MOST_OBJECTS] if _has_rules(host, domain, id_, known)]:
            found[one.name] = clashing
    return found


def _linked(one: Entry) -> set[str]:
    """The ids of the objects that are linked at a place, and whose links are on."""
    links = [link for link in LINK.finditer(one.one("gPLink")) if not int(link[2]) & OFF]
    return {guid[1].upper() for link in links if (guid := _GUID.match(link[1]))}


def _meets(place: str, units: Iterable[str]) -> bool:
    """Whether what is linked at a place may apply to a machine in or below one of the units."""
    return ",cn=sites," in place or any(
        place == unit or unit.endswith(f",{place}") or place.endswith(f",{unit}") for unit in units
    )


def _has_rules(host: Host, domain: Domain, id_: str, known: dict[str, bool]) -> bool:
    if id_ not in known:
        folder = domain.folder_of(id_)
        files = [
            f"{folder}/{part}/{name}"
            for part in _named(host, folder, "machine")
            for name in _named(host, f"{folder}/{part}", "registry.pol")
        ]
        rules = any(_RULES in host.read_head(file, MOST_BYTES).lower() for file in files)
        known[id_] = rules and not _off(host, domain, id_)
    return known[id_]


def _named(host: Host, folder: str, name: str) -> list[str]:
    """What is in a folder under a name, in any case: Windows writes `MACHINE`, too."""
    return [one for one in host.list_directory(folder) if one.casefold() == name] if host.find_entry(folder) else []


def _off(host: Host, domain: Domain, id_: str) -> bool:
    """Whether an object's settings for computers are switched off."""
    condition = f"(&(objectClass=groupPolicyContainer)(cn={plain(id_)}))"
    entries = search(host, domain.database, domain.container, condition, ["flags"], scope="one")
    return any(one.one("flags") in MACHINE_OFF for one in entries)
