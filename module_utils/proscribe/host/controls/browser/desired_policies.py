"""Desired policies of a plan for the browsers of a host.

The policies are the same for every host of the plan. So a host that caches the plan computes them once
(`compute_once`). Only a host whose files differ from the desired files needs the rules themselves. If there are more
names than browsers' lists accept, the policies also depend on the host's DNS backend (host_controls.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....model.plan import compute_once
from . import chromium, firefox
from .closing_degrees import NAME_CLOSED_WITH_ALL_BELOW, NAME_OPEN
from .policy_places import PolicyPlace
from .site_rules import BrowserRules, FittedNames, SiteName, fit_names, list_service_names, make_rules_with_names

if TYPE_CHECKING:
    from ....model.types.plan import Plan, PlanEntry
    from .closing_degrees import OtherControls

FAMILY_MODULES = {"chromium": chromium, "firefox": firefox, "thunderbird": firefox}


class DesiredPolicies:
    """Policies that a plan requires in the browsers of a host, for one observation or change of the host.

    `other_controls` measures which names the host's other controls (dns, firewall) close. It matters only if browsers'
    lists have no room for all names. With None, no other control closes a name.
    """

    def __init__(self, plan: Plan, other_controls: OtherControls | None = None) -> None:
        self._plan = plan
        self._other_controls = other_controls
        self._fitted: FittedNames | None = None
        self._rules: BrowserRules | None = None
        self._files: dict[bytes, bytes] = {}

    @property
    def rules(self) -> BrowserRules:
        """All browser rules of the plan. Raises ControlError for a plan that no browser could follow."""
        if self._rules is None:
            url = str(self._plan.get("request_url") or "")
            section = self._plan["controls"]["browser"]
            self._rules = make_rules_with_names(section, self._fit_names().listed_names.decisions)._replace(
                request_url=url
            )
        return self._rules

    def __bool__(self) -> bool:
        """Return whether the plan requires any policy in browsers."""
        return bool(compute_once(self._plan, "browser/anything", lambda: bool(self.rules)))

    @property
    def closed_settings(self) -> list[str]:
        """Ids of the bypasses that the plan closes, such as `dns_over_https`. The report has a rule for each."""
        return list(compute_once(self._plan, "browser/closed", lambda: self.rules.closed_settings))

    def choose_rules(self, place: PolicyPlace) -> BrowserRules:
        """Return the rules for the programs that read the file of a place. Thunderbird gets no sites."""
        return self.rules if place.has_sites else self.rules.exclude_sites()

    def render_file(self, place: PolicyPlace) -> bytes | None:
        """Return the content of a place's file with Proscribe's policies only; None if there is no policy to set."""
        name = f"browser/file {place.id} {place.path}{self._make_cache_suffix()}"
        content = compute_once(self._plan, name, lambda: self._render_alone(place))
        return None if content is None else bytes(content)

    def list_service_names(self, entry: PlanEntry) -> list[SiteName]:
        """Return the names of a restricted service that browsers have to block.

        Names that browsers' lists have no room for are left out.
        """
        service_names = list_service_names(entry)
        return (
            [site_name for site_name in service_names if self._fit_names().listed_names.is_blocked(site_name)]
            if self._is_cut()
            else service_names
        )

    def list_open_names(self) -> dict[str, list[tuple[str, int]]]:
        """Return, by service id, (name, degree) for each name that browsers do not block because their lists are full.

        The degree says how far another control closes the name (closing_degrees.py). Names that another control closes
        completely are left out. Raises ControlError for a plan that no browser could follow.
        """
        if not self._is_cut():
            return {}
        open_names: dict[str, list[tuple[str, int]]] = compute_once(
            self._plan, f"browser/open{self._make_cache_suffix()}", self._find_open_names
        )
        return open_names

    def _find_open_names(self) -> dict[str, list[tuple[str, int]]]:
        """Compute the result of `list_open_names`, which is cached with the plan."""
        open_names: dict[str, list[tuple[str, int]]] = {}
        for id_, site_names in self._fit_names().omitted_names.items():
            for site_name in site_names:
                degree = self._other_controls.measure_degree(site_name.host) if self._other_controls else NAME_OPEN
                if degree < NAME_CLOSED_WITH_ALL_BELOW:
                    open_names.setdefault(id_, []).append((str(site_name), degree))
        return open_names

    def _fit_names(self) -> FittedNames:
        """Return the names for the lists of browsers, and the names without room there; computed once."""
        if self._fitted is None:
            self._fitted = fit_names(self._plan["controls"]["browser"], self._other_controls)
        return self._fitted

    def _is_cut(self) -> bool:
        """Return whether the plan has more names than browsers' lists accept, so that some names are left out."""
        return bool(compute_once(self._plan, "browser/cut", lambda: bool(self._fit_names().omitted_names)))

    def _make_cache_suffix(self) -> str:
        """Return the part of a cache key that depends on the host's DNS backend; "" if nothing depends on it."""
        return f" beside dns {self._other_controls.highest_degree}" if self._other_controls and self._is_cut() else ""

    def _render_alone(self, place: PolicyPlace) -> bytes | None:
        """Compute the result of `render_file`, which is cached with the plan."""
        content = FAMILY_MODULES[place.family].render_alone(self.choose_rules(place), place)
        # Most browsers of a family get the same content. Equal contents share one object, to save memory.
        return None if content is None else self._files.setdefault(content, content)
