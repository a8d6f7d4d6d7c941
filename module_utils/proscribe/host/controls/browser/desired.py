"""What a plan asks of the browsers of a host.

It is the same for every host of the plan, so a host that keeps the plan works none of it out again (plan.once). Only a
host whose browsers differ needs the rules themselves. Where the names do not fit into the lists of browsers, it also
depends on the DNS backend of the host (other_controls.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....model.plan import compute_once
from . import chromium, firefox
from .name_closing import NAME_CLOSED_WITH_ALL_BELOW, NAME_OPEN
from .places import PolicyPlace
from .rendering import BrowserRules, FittedNames, SiteName, fit_names, list_service_names, make_rules_with_names

if TYPE_CHECKING:
    from ....model.types.plan import Plan, PlanEntry
    from .name_closing import OtherControls

FAMILY_MODULES = {"chromium": chromium, "firefox": firefox, "thunderbird": firefox}


class DesiredPolicies:
    """What has to be in effect, for one observation of a host. `others` are its other controls; they matter where not
    all names fit into the lists of browsers. None: nothing else closes any.
    """

    def __init__(self, plan: Plan, other_controls: OtherControls | None = None) -> None:
        self._plan = plan
        self._other_controls = other_controls
        self._fitted: FittedNames | None = None
        self._rules: BrowserRules | None = None
        self._files: dict[bytes, bytes] = {}

    @property
    def rules(self) -> BrowserRules:
        """All of it. Raises ControlError for a plan that no browser could follow."""
        if self._rules is None:
            url = str(self._plan.get("request_url") or "")
            section = self._plan["controls"]["browser"]
            self._rules = make_rules_with_names(section, self._fit_names().listed_names.decisions)._replace(
                request_url=url
            )
        return self._rules

    def __bool__(self) -> bool:
        """Whether there is any policy to set."""
        return bool(compute_once(self._plan, "browser/anything", lambda: bool(self.rules)))

    @property
    def closed_settings(self) -> list[str]:
        """The bypasses that are closed, by the ids that their rules are named for."""
        return list(compute_once(self._plan, "browser/closed", lambda: self.rules.closed_settings))

    def choose_rules(self, place: PolicyPlace) -> BrowserRules:
        """The settings that the programs of a place have."""
        return self.rules if place.has_sites else self.rules.exclude_sites()

    def render_file(self, place: PolicyPlace) -> bytes | None:
        """The file of a place with nothing in it but Proscribe's own part; None if there is nothing to say."""
        name = f"browser/file {place.id} {place.path}{self._make_cache_suffix()}"
        content = compute_once(self._plan, name, lambda: self._render_alone(place))
        return None if content is None else bytes(content)

    def list_service_names(self, entry: PlanEntry) -> list[SiteName]:
        """Return the names of a restricted service that browsers are given."""
        service_names = list_service_names(entry)
        return (
            [site_name for site_name in service_names if self._fit_names().listed_names.is_blocked(site_name)]
            if self._is_cut()
            else service_names
        )

    def list_open_names(self) -> dict[str, list[tuple[str, int]]]:
        """Return by service the names that stay open because the lists of browsers are full, each with how far another
        control closes it. Raises ControlError for a plan that no browser could follow.
        """
        if not self._is_cut():
            return {}
        open_names: dict[str, list[tuple[str, int]]] = compute_once(
            self._plan, f"browser/open{self._make_cache_suffix()}", self._find_open_names
        )
        return open_names

    def _find_open_names(self) -> dict[str, list[tuple[str, int]]]:
        open_names: dict[str, list[tuple[str, int]]] = {}
        for id_, left_out in self._fit_names().omitted_names.items():
            for site_name in left_out:
                degree = self._other_controls.measure_degree(site_name.host) if self._other_controls else NAME_OPEN
                if degree < NAME_CLOSED_WITH_ALL_BELOW:
                    open_names.setdefault(id_, []).append((str(site_name), degree))
        return open_names

    def _fit_names(self) -> FittedNames:
        if self._fitted is None:
            self._fitted = fit_names(self._plan["controls"]["browser"], self._other_controls)
        return self._fitted

    def _is_cut(self) -> bool:
        """Whether the names do not fit."""
        return bool(compute_once(self._plan, "browser/cut", lambda: bool(self._fit_names().omitted_names)))

    def _make_cache_suffix(self) -> str:
        """Return the part of a name in the cache that depends on the DNS backend of the host; "" where nothing does."""
        return f" beside dns {self._other_controls.highest_degree}" if self._other_controls and self._is_cut() else ""

    def _render_alone(self, place: PolicyPlace) -> bytes | None:
        content = FAMILY_MODULES[place.family].alone(self.choose_rules(place), place)
        # Most browsers of a family get the same policy, which is then there once.
        return None if content is None else self._files.setdefault(content, content)
