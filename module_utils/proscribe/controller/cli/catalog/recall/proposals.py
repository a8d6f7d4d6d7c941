"""Names that recall finds missing -> what an entry would gain by them, and what others would lose. Nothing is taken.

A person accepts what is proposed: that two lists have a name does not say that it is a service's own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ....compile.catalogue import known_good
from ....compile.catalogue.claims import Claimant, check_claims, find_shared_name
from ....compile.catalogue.loading import Service
from ....compile.reading import grammar
from ..chosen import Chosen
from .measure import Found, Result
from .standing import UNVERIFIED

SHORTEST = 5  # letters of a label that stands for a vendor: shorter ones are words (dns, mail, vpn)


class Proposed(NamedTuple):
    """A name that the catalogue lacks, with the evidence."""

    found: Found
    category: str
    service: str  # the entry that has names of the same vendor; "" for none
    closes: str  # what it would close that others need; "" for nothing that is known

    @property
    def evidence(self) -> str:
        """Where the name stands, in words."""
        rank = f", rank {self.found.rank}" if self.found.rank else ""
        return f"{self.found.name}{rank}: {', '.join(self.found.lists)}"


def proposed(results: Iterable[Result], chosen: Chosen) -> list[Proposed]:
    """The most asked-for names that the catalogue lacks, each once, the most asked for first."""
    vendors = _vendors(chosen.catalogue.services)
    claimants = {id_: _claimant(service) for id_, service in chosen.catalogue.services.items()}
    guard = known_good.read_known_good_lists(chosen.directories)[0]
    found: dict[str, Proposed] = {}
    for result in results:
        for one in result.missing:
            if one.popular and one.name not in found:
                service = one.standing.where if one.standing.state == UNVERIFIED else vendors.get(_label(one.name), "")
                entry = chosen.catalogue.services.get(service)
                closes = _closes(one.name, entry, claimants, guard)
                found[one.name] = Proposed(one, result.category, service, closes)
    return sorted(found.values(), key=lambda one: (one.found.rank is None, one.found.rank or 0, one.found.name))


def _label(name: str) -> str:
    """The label that a vendor has chosen: `parrot` of chat.parrot.co.uk."""
    labels = name.split(".")
    suffix = 2 if grammar.check_domain(".".join(labels[-2:])) else 1
    return labels[-suffix - 1] if len(labels) > suffix else ""


def _vendors(services: Mapping[str, Service]) -> dict[str, str]:
    """By the label of a vendor, the only entry that has domains with it."""
    having: dict[str, set[str]] = defaultdict(set)
    for service in services.values():
        for name in service.domains:
            having[_label(name)].add(service.id)
    return {label: min(ids) for label, ids in having.items() if len(ids) == 1 and len(label) >= SHORTEST}


def _closes(
    name: str, service: Service | None, claimants: Mapping[str, Claimant], guard: known_good.KnownGoodLists
) -> str:
    """What else would be closed with a name, as a load of the catalogue would say it; "" for nothing."""
    if shared := find_shared_name(name):
        return f"{shared[0]} carries {shared[1]}"
    id_ = service.id if service else ""
    entry = {"domains": [name], "allow_domains": service.allow_domains if service else ()}
    for one in known_good.find_conflicts({id_: entry}, (), guard):
        return known_good.describe_expected(one)
    # In a later directory than all others, so that a mistake is one of this name and of no other entry.
    before = claimants.get(id_) or Claimant(id_, 0, [], [], [], [], [], [])
    new = before._replace(rank=1, domains=[*before.domains, name])
    for wrong, (path, value, expected) in check_claims({**claimants, id_: new}, {*claimants, id_}):
        if wrong == id_ and value == name and path[0] == "domains":
            return expected
    return ""


def _claimant(service: Service) -> Claimant:
    keys = ("domains", "urls", "mail_hosts", "shared_domains", "allow_domains", "overlaps_with")
    return Claimant(service.id, 0, *(list(getattr(service, key)) for key in keys))
