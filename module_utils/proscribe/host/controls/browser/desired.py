"""What a plan asks of the browsers of a host.

It is the same for every host of the plan, so a host that keeps the plan works none of it out again (plan.once). Only a
host whose browsers differ needs the rules themselves. Where the names do not fit into the lists of browsers, it also
depends on the DNS backend of the host (other_controls.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....model.plan import compute_once
from . import chromium, firefox
from .name_closing import OPEN, WITH_ALL_BELOW
from .places import Place
from .rendering import FittedNames, Name, Rules, fit_names, names, rules_of

if TYPE_CHECKING:
    from ....model.types.plan import Plan, PlanEntry
    from .name_closing import OtherControls

LANGUAGES = {"chromium": chromium, "firefox": firefox, "thunderbird": firefox}


class Desired:
    """What has to be in effect, for one observation of a host. `others` are its other controls; they matter where not
    all names fit into the lists of browsers. None: nothing else closes any.
    """

    def __init__(self, plan: Plan, others: OtherControls | None = None) -> None:
        self._plan = plan
        self._others = others
        self._fitted: FittedNames | None = None
        self._rules: Rules | None = None
        self._files: dict[bytes, bytes] = {}

    @property
    def rules(self) -> Rules:
        """All of it. Raises ControlError for a plan that no browser could follow."""
        if self._rules is None:
            url = str(self._plan.get("request_url") or "")
            section = self._plan["controls"]["browser"]
            self._rules = rules_of(section, self._names().listed.names)._replace(request_url=url)
        return self._rules

    def __bool__(self) -> bool:
        """Whether there is any policy to set."""
        return bool(compute_once(self._plan, "browser/anything", lambda: bool(self.rules)))

    @property
    def closed(self) -> list[str]:
        """The bypasses that are closed, by the ids that their rules are named for."""
        return list(compute_once(self._plan, "browser/closed", lambda: self.rules.closed))

    def of(self, place: Place) -> Rules:
        """The settings that the programs of a place have."""
        return self.rules if place.sites else self.rules.without_sites()

    def file(self, place: Place) -> bytes | None:
        """The file of a place with nothing in it but Proscribe's own part; None if there is nothing to say."""
        name = f"browser/file {place.id} {place.path}{self._variant()}"
        content = compute_once(self._plan, name, lambda: self._alone(place))
        return None if content is None else bytes(content)

    def listed(self, entry: PlanEntry) -> list[Name]:
        """Return the names of a restricted service that browsers are given."""
        own = names(entry)
        return [one for one in own if self._names().listed.blocks(one)] if self._is_cut() else own

    def open_names(self) -> dict[str, list[tuple[str, int]]]:
        """Return by service the names that stay open because the lists of browsers are full, each with how far another
        control closes it. Raises ControlError for a plan that no browser could follow.
        """
        if not self._is_cut():
            return {}
        found: dict[str, list[tuple[str, int]]] = compute_once(
            self._plan, f"browser/open{self._variant()}", self._open_names
        )
        return found

    def _open_names(self) -> dict[str, list[tuple[str, int]]]:
        open_: dict[str, list[tuple[str, int]]] = {}
        for id_, left_out in self._names().left_out.items():
            for one in left_out:
                degree = self._others.degree(one.host) if self._others else OPEN
                if degree < WITH_ALL_BELOW:
                    open_.setdefault(id_, []).append((str(one), degree))
        return open_

    def _names(self) -> FittedNames:
        if self._fitted is None:
            self._fitted = fit_names(self._plan["controls"]["browser"], self._others)
        return self._fitted

    def _is_cut(self) -> bool:
        """Whether the names do not fit."""
        return bool(compute_once(self._plan, "browser/cut", lambda: bool(self._names().left_out)))

    def _variant(self) -> str:
        """Return the part of a name in the cache that depends on the DNS backend of the host; "" where nothing does."""
        return f" beside dns {self._others.most}" if self._others and self._is_cut() else ""

    def _alone(self, place: Place) -> bytes | None:
        content = LANGUAGES[place.family].alone(self.of(place), place)
        # Most browsers of a family get the same policy, which is then there once.
        return None if content is None else self._files.setdefault(content, content)
