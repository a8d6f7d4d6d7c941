"""What a catalogue makes of a name: blocked, reported, left open with a reason, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ....compile.catalogue import known_good
from ....compile.catalogue.claims import find_shared_name, list_name_and_parents
from ....compile.catalogue.loading import Catalogue, Service
from ....compile.catalogue.release import KNOWN_GOOD_FILE
from ..chosen import Chosen

MISSING, UNVERIFIED = "missing", "unverified"
# What a name can be, the first that is true. `part`: only names below it are blocked.
HANDLED = ("blocked", "reported", "shared", "decided", "known good", "page", "part")
STATES = (*HANDLED, UNVERIFIED, MISSING)


class Standing(NamedTuple):
    """What a catalogue makes of a name, and the entry, feed or file that says so."""

    state: str
    where: str = ""


def standings(chosen: Chosen) -> Callable[[str], Standing]:
    """What a catalogue makes of any name."""
    whole, alone = _of_names(chosen.catalogue), _of_single_names(chosen)

    def standing(name: str) -> Standing:
        # The longest name decides: an exception is below the name that it is an exception of.
        for one in list_name_and_parents(name):
            if one in whole:
                return whole[one]
        if found := find_shared_name(name):
            return Standing("known good", f"carries {found[0]}")
        return alone.get(name, Standing(MISSING))

    return standing


def _of_names(catalogue: Catalogue) -> dict[str, Standing]:
    """What is said of a name and all names below it. What closes a name comes before what leaves it open."""
    found: dict[str, Standing] = {}
    services = sorted(catalogue.services.values(), key=lambda one: not one.enforce)  # what is blocked comes first
    for service in services:
        _add(found, [*service.domains, *service.nxdomain_canaries, *_hosts(service)], _closed(service))
    for feed in catalogue.feeds.values():
        if feed.kind == "domains":
            _add(found, feed.values, _closed(catalogue.services[feed.service], f"feeds/{feed.id}"))
    for service in services:
        open_names = [*service.shared_domains, *service.allow_domains, *service.mail_hosts]
        _add(found, open_names, Standing("shared", service.id))
        for decided in service.decided:
            _add(found, [name for name in decided["names"] if "/" not in name], Standing("decided", service.id))
    for service in services:
        _add(found, service.unverified.get("domains", ()), Standing(UNVERIFIED, service.id))
    return found


def _of_single_names(chosen: Chosen) -> dict[str, Standing]:
    """What is said of one name, and of none below it."""
    found: dict[str, Standing] = {}
    services = chosen.catalogue.services.values()
    for name in known_good.read_known_good_lists(chosen.directories)[0].names:
        found[name] = Standing("known good", KNOWN_GOOD_FILE)
    for service in services:
        _add(found, [url.partition("/")[0] for url in service.urls], Standing("page", service.id))
    blocked = [(name, service.id) for service in services for name in service.domains]
    for feed in chosen.catalogue.feeds.values():
        blocked += [(name, f"feeds/{feed.id}") for name in feed.values if feed.kind == "domains"]
    for name, where in blocked:
        _add(found, list_name_and_parents(name)[1:], Standing("part", where))
    return found


def _closed(service: Service, where: str = "") -> Standing:
    return Standing("blocked" if service.enforce else "reported", where or service.id)


def _hosts(service: Service) -> list[str]:
    return [url for url in service.urls if "/" not in url]


def _add(found: dict[str, Standing], names: Sequence[str], standing: Standing) -> None:
    for name in names:
        found.setdefault(name, standing)
