"""Proposals for names that `recall` reports missing: the entry that would gain a name, and the harm to others.

Nothing is added automatically: a person accepts the proposals. Two lists with a name do not prove that the name belongs
to the service alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ....compile.catalogue import known_good
from ....compile.catalogue.catalogue_loader import Service
from ....compile.catalogue.name_conflicts import Claimant, check_claims, find_shared_name
from ....compile.reading import grammar
from ..loaded_catalogue import LoadedCatalogue
from .measurement import CategoryResult, ListedName
from .name_status import UNVERIFIED_STATE

MIN_LABEL_LENGTH = 5  # letters of a vendor's label: shorter labels are common words (dns, mail, vpn)


class ProposedName(NamedTuple):
    """A name that the catalogue lacks, with the entry that would gain it and the harm to others."""

    listed_name: ListedName
    category: str
    service: str  # id of the entry with names of the same vendor; "" for none
    conflict: str  # the known harm to others if the name is blocked; "" for none

    @property
    def evidence(self) -> str:
        """The name, its rank and its lists, as text: `web.parrot.example, rank 812: ut1_vpn, fmhy_vpn`."""
        rank = f", rank {self.listed_name.rank}" if self.listed_name.rank else ""
        return f"{self.listed_name.name}{rank}: {', '.join(self.listed_name.lists)}"


def propose_missing_names(results: Iterable[CategoryResult], loaded: LoadedCatalogue) -> list[ProposedName]:
    """Return a proposal for each of the most requested names that the catalogue lacks, ordered by rank.

    A name that is missing in several categories appears once. Names without a rank come last.
    """
    vendors = _map_vendor_labels(loaded.catalogue.services)
    claimants = {service_id: _make_claimant(service) for service_id, service in loaded.catalogue.services.items()}
    known_good_lists = known_good.read_known_good_lists(loaded.directories)[0]
    proposed_names: dict[str, ProposedName] = {}
    for result in results:
        for listed_name in result.missing_names:
            if listed_name.popular and listed_name.name not in proposed_names:
                # An unverified name already belongs to an entry. For another name, the vendor's other names decide.
                service = (
                    listed_name.standing.source
                    if listed_name.standing.state == UNVERIFIED_STATE
                    else vendors.get(_extract_vendor_label(listed_name.name), "")
                )
                entry = loaded.catalogue.services.get(service)
                conflict = _find_conflict(listed_name.name, entry, claimants, known_good_lists)
                proposed_names[listed_name.name] = ProposedName(listed_name, result.category, service, conflict)
    return sorted(
        proposed_names.values(),
        key=lambda proposed_name: (
            proposed_name.listed_name.rank is None,
            proposed_name.listed_name.rank or 0,
            proposed_name.listed_name.name,
        ),
    )


def _extract_vendor_label(name: str) -> str:
    """Return the label of a name that its vendor chose: `parrot` of chat.parrot.co.uk; "" for a public suffix."""
    labels = name.split(".")
    # The grammar refuses public suffixes of two labels, such as co.uk.
    suffix = 2 if grammar.check_domain(".".join(labels[-2:])) else 1
    return labels[-suffix - 1] if len(labels) > suffix else ""


def _map_vendor_labels(services: Mapping[str, Service]) -> dict[str, str]:
    """Return for each vendor label (`parrot`) the id of the only service whose domains have this label.

    Labels that several services have, and labels shorter than MIN_LABEL_LENGTH, are left out.
    """
    ids_by_label: dict[str, set[str]] = defaultdict(set)
    for service in services.values():
        for name in service.domains:
            ids_by_label[_extract_vendor_label(name)].add(service.id)
    return {
        label: min(service_ids)
        for label, service_ids in ids_by_label.items()
        if len(service_ids) == 1 and len(label) >= MIN_LABEL_LENGTH
    }


def _find_conflict(
    name: str, service: Service | None, claimants: Mapping[str, Claimant], known_good_lists: known_good.KnownGoodLists
) -> str:
    """Return the known harm to others if an entry blocked a name, as text; "" for none.

    `service` is the entry that would gain the name, or None. The checks and texts are those of a catalogue that loads.
    """
    if carried_name := find_shared_name(name):
        return f"{carried_name[0]} carries {carried_name[1]}"
    service_id = service.id if service else ""
    entry = {"domains": [name], "allow_domains": service.allow_domains if service else ()}
    for blocked_value in known_good.find_conflicts({service_id: entry}, (), known_good_lists):
        return known_good.describe_expected(blocked_value)
    # Rank 1 puts the new name into a later directory than all entries (rank 0). So check_claims() attributes a conflict
    # to the new name, not to another entry.
    earlier_claimant = claimants.get(service_id) or Claimant(service_id, 0, [], [], [], [], [], [])
    new_claimant = earlier_claimant._replace(rank=1, domains=[*earlier_claimant.domains, name])
    for mistaken_id, (path, mistaken_value, expectation) in check_claims(
        {**claimants, service_id: new_claimant}, {*claimants, service_id}
    ):
        if mistaken_id == service_id and mistaken_value == name and path[0] == "domains":
            return expectation
    return ""


def _make_claimant(service: Service) -> Claimant:
    """Return the names that an entry of the catalogue claims, for a search for conflicts with a proposed name.

    The rank 0 is the directory of the entry; a proposed name gets the rank 1 (_find_conflict).
    """
    keys = ("domains", "urls", "mail_hosts", "shared_domains", "allow_domains", "overlaps_with")
    return Claimant(service.id, 0, *(list(getattr(service, key)) for key in keys))
