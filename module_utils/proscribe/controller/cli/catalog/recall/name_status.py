"""The status of a name in a catalogue: blocked, reported, left open for a reason, or missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ....compile.catalogue import known_good
from ....compile.catalogue.catalogue_loader import Catalogue, Service
from ....compile.catalogue.name_conflicts import find_shared_name, list_name_and_parents
from ....compile.catalogue.release import KNOWN_GOOD_FILE
from ..loaded_catalogue import LoadedCatalogue

MISSING_STATE, UNVERIFIED_STATE = "missing", "unverified"
# States of a name that the catalogue handles. `page`: only a page of the host is blocked. `part`: only names below the
# name are blocked.
HANDLED_STATES = ("blocked", "reported", "shared", "decided", "known good", "page", "part")
NAME_STATES = (*HANDLED_STATES, UNVERIFIED_STATE, MISSING_STATE)


class NameStatus(NamedTuple):
    """The status of a name in a catalogue, and the entry, feed or file that decides it."""

    state: str  # one of NAME_STATES
    source: str = ""  # such as `telegram`, `feeds/doh_names` or `known_good.txt`; "" for a missing name


def make_status_finder(loaded: LoadedCatalogue) -> Callable[[str], NameStatus]:
    """Return a function that returns the status of any host name in the catalogue.

    The catalogue is indexed once, because `recall` asks for the status of thousands of names.
    """
    statuses_below, single_statuses = _map_names_and_children(loaded.catalogue), _map_single_names(loaded)

    def find_status(name: str) -> NameStatus:
        """Return the status of a host name."""
        # The longest of the parent names decides, because an exception is below the blocked name that it opens.
        for parent_name in list_name_and_parents(name):
            if parent_name in statuses_below:
                return statuses_below[parent_name]
        # Many services depend on such a name, or on a name below it. So no entry may block it.
        if carried_name := find_shared_name(name):
            return NameStatus("known good", f"carries {carried_name[0]}")
        return single_statuses.get(name, NameStatus(MISSING_STATE))

    return find_status


def _map_names_and_children(catalogue: Catalogue) -> dict[str, NameStatus]:
    """Return the statuses that apply to a name and to all names below it, by this name.

    If several entries have a name, a status that blocks it takes precedence over a status that leaves it open.
    """
    statuses: dict[str, NameStatus] = {}
    # The first status of a name is final (_add_status), so enforced services come first.
    services = sorted(catalogue.services.values(), key=lambda service: not service.enforce)
    for service in services:
        _add_status(
            statuses,
            [*service.domains, *service.nxdomain_canaries, *_list_whole_hosts(service)],
            _make_closed_status(service),
        )
    for feed in catalogue.feeds.values():
        if feed.kind == "domains":
            _add_status(
                statuses, feed.values, _make_closed_status(catalogue.services[feed.service], f"feeds/{feed.id}")
            )
    for service in services:
        open_names = [*service.shared_domains, *service.allow_domains, *service.mail_hosts]
        _add_status(statuses, open_names, NameStatus("shared", service.id))
        for decided in service.decided:
            _add_status(
                statuses, [name for name in decided["names"] if "/" not in name], NameStatus("decided", service.id)
            )
    for service in services:
        _add_status(statuses, service.unverified.get("domains", ()), NameStatus(UNVERIFIED_STATE, service.id))
    return statuses


def _map_single_names(loaded: LoadedCatalogue) -> dict[str, NameStatus]:
    """Return the statuses that apply to a single name, and to no name below it, by this name.

    The states are `known good`, `page` (a page of the host is blocked) and `part` (only names below are blocked).
    """
    statuses: dict[str, NameStatus] = {}
    services = loaded.catalogue.services.values()
    for name in known_good.read_known_good_lists(loaded.directories)[0].names:
        statuses[name] = NameStatus("known good", KNOWN_GOOD_FILE)
    for service in services:
        _add_status(statuses, [url.partition("/")[0] for url in service.urls], NameStatus("page", service.id))
    blocked = [(name, service.id) for service in services for name in service.domains]
    for feed in loaded.catalogue.feeds.values():
        blocked += [(name, f"feeds/{feed.id}") for name in feed.values if feed.kind == "domains"]
    for name, source in blocked:
        _add_status(statuses, list_name_and_parents(name)[1:], NameStatus("part", source))
    return statuses


def _make_closed_status(service: Service, source: str = "") -> NameStatus:
    return NameStatus("blocked" if service.enforce else "reported", source or service.id)


def _list_whole_hosts(service: Service) -> list[str]:
    return [url for url in service.urls if "/" not in url]


def _add_status(statuses: dict[str, NameStatus], names: Sequence[str], status: NameStatus) -> None:
    for name in names:
        statuses.setdefault(name, status)  # the first status of a name is final
