"""Browsers that no policy reaches, in the form of a service to scan for on a host."""

from __future__ import annotations

from collections.abc import Iterable

from ....model.types.plan import PlanEntry
from ..catalogue.catalogue_loader import Catalogue, Service
from ..restrictions import Restrictions

NETWORK_CONTROLS = ("firewall", "dns")


def choose_mode(restrictions: Restrictions) -> str:
    """Return the mode for browsers that no policy reaches: report, audit or off.

    With the setting `auto`, the mode is `report` if firewall and dns are enforced. Otherwise such a browser can open
    blocked sites, so the mode is `audit`.
    """
    if restrictions.unmanaged_browsers != "auto":
        return restrictions.unmanaged_browsers
    is_network_closed = all(restrictions.controls.get(control) == "enforce" for control in NETWORK_CONTROLS)
    return "report" if is_network_closed else "audit"


def make_unmanaged_entry(catalogue: Catalogue, mode: str, services: Iterable[Service]) -> PlanEntry:
    """Return the browsers that no policy reaches, in the form of a service to scan for.

    Browsers that support no policies are found by packages, programs and paths. Browsers that support policies count
    only as portable apps in a home directory; `copies` has the names of their programs. `services` are the selected
    services. Their identifiers are left out here, because a finding counts for the service: the Tor Browser is both.
    """
    claimed_names = {name for s in services for names in (*s.packages.values(), s.processes, s.paths) for name in names}
    unmanaged = [browser for browser in catalogue.browsers.values() if browser.policy_support == "none"]
    managed = [browser for browser in catalogue.browsers.values() if browser.policy_support in ("chromium", "firefox")]
    portable_names = {name for browser in managed for name in browser.processes} - claimed_names
    packages: dict[str, list[str]] = {}
    for browser in unmanaged:
        for system, names in browser.packages.items():
            packages.setdefault(system, []).extend(name for name in names if name not in claimed_names)
    return {
        "name": "Browsers that no policy reaches",
        "mode": mode,
        "packages": packages,
        "processes": sorted(
            {name for browser in unmanaged for name in browser.processes} - claimed_names - portable_names
        ),
        "paths": sorted({path for browser in unmanaged for path in browser.paths} - claimed_names),
        "copies": sorted(portable_names),
    }
