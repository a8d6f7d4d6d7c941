"""Browsers that no policy reaches, in the form of a service to scan for on a host."""

from __future__ import annotations

from collections.abc import Iterable

from ....model.types.plan import PlanEntry
from ..catalogue.catalogue_loader import Catalogue, Service
from ..restrictions import Restrictions

NETWORK_CONTROLS = ("firewall", "dns")


def choose_mode(restrictions: Restrictions) -> str:
    """Return the mode for such browsers. Without firewall and dns enforced, each of them can open blocked sites."""
    if restrictions.unmanaged_browsers != "auto":
        return restrictions.unmanaged_browsers
    is_network_closed = all(restrictions.controls.get(control) == "enforce" for control in NETWORK_CONTROLS)
    return "report" if is_network_closed else "audit"


def make_unmanaged_entry(catalogue: Catalogue, mode: str, services: Iterable[Service]) -> PlanEntry:
    """Return the identifiers to scan for, in the form of a service.

    They are browsers without policies by package, program and path, and the others as portable apps (`copies`: programs
    that count only in a home). Identifiers of a selected service belong to that service: the Tor Browser is both.
    """
    claimed_names = {name for s in services for names in (*s.packages.values(), s.processes, s.paths) for name in names}
    unmanaged = [browser for browser in catalogue.browsers.values() if browser.policy_support == "none"]
    managed = [browser for browser in catalogue.browsers.values() if browser.policy_support in ("chromium", "firefox")]
    portable = {name for browser in managed for name in browser.processes} - claimed_names
    packages: dict[str, list[str]] = {}
    for browser in unmanaged:
        for system, names in browser.packages.items():
            packages.setdefault(system, []).extend(name for name in names if name not in claimed_names)
    return {
        "name": "Browsers that no policy reaches",
        "mode": mode,
        "packages": packages,
        "processes": sorted({name for browser in unmanaged for name in browser.processes} - claimed_names - portable),
        "paths": sorted({path for browser in unmanaged for path in browser.paths} - claimed_names),
        "copies": sorted(portable),
    }
