"""What a plan asks of the browsers of a host.

It is the same for every host of the plan, so a host that keeps the plan works none of it out again (plan.once). Only a
host whose browsers differ needs the rules themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....model.plan import once
from . import chromium, firefox
from .places import Place
from .rendering import Rules, rules

if TYPE_CHECKING:
    from ....model.types.plan import Plan

LANGUAGES = {"chromium": chromium, "firefox": firefox, "thunderbird": firefox}


class Desired:
    """What has to be in effect, for one observation of a host."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._rules: Rules | None = None
        self._files: dict[bytes, bytes] = {}

    @property
    def rules(self) -> Rules:
        """All of it. Raises ControlError for a plan that no browser could follow."""
        if self._rules is None:
            url = str(self._plan.get("request_url") or "")
            self._rules = rules(self._plan["controls"]["browser"])._replace(request_url=url)
        return self._rules

    def __bool__(self) -> bool:
        """Whether there is any policy to set."""
        return bool(once(self._plan, "browser/anything", lambda: bool(self.rules)))

    @property
    def closed(self) -> list[str]:
        """The bypasses that are closed, by the ids that their rules are named for."""
        return list(once(self._plan, "browser/closed", lambda: self.rules.closed))

    def of(self, place: Place) -> Rules:
        """The settings that the programs of a place have."""
        return self.rules if place.sites else self.rules.without_sites()

    def file(self, place: Place) -> bytes | None:
        """The file of a place with nothing in it but Proscribe's own part; None if there is nothing to say."""
        content = once(self._plan, f"browser/file {place.id} {place.path}", lambda: self._alone(place))
        return None if content is None else bytes(content)

    def _alone(self, place: Place) -> bytes | None:
        content = LANGUAGES[place.family].alone(self.of(place), place)
        # Most browsers of a family get the same policy, which is then there once.
        return None if content is None else self._files.setdefault(content, content)
