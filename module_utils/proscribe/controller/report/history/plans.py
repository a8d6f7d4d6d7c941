"""The services of the plans that hosts answered for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ....host.controls.group_policy.identity import make_rule_slug
from ....model.finding import GROUP_POLICY, WATCH
from ....wire.plan_store import PlanStore

WATCH_RULES = frozenset({"watcher", "plan"})  # the watch's rules, without the prefix `watch/`


class PlanServices:
    """The services of the plans for which hosts have answered, by the plan's digest.

    Each plan is read once.
    """

    def __init__(self, store: Path) -> None:
        self._store = PlanStore(store)
        self._services_by_plan: dict[str, Mapping[str, frozenset[str]] | None] = {}

    def get_services(self, digest: str) -> Mapping[str, frozenset[str]] | None:
        """Return {control: services} of the plan with this digest; None if it is not stored any more."""
        if digest not in self._services_by_plan:
            self._services_by_plan[digest] = self._load_services(digest)
        return self._services_by_plan[digest]

    def _load_services(self, digest: str) -> Mapping[str, frozenset[str]] | None:
        """Read a stored plan, and return its services by control; None if the plan cannot be read.

        Group policy and the watch have no services. Their keys have the names of their rules, without the prefix.
        """
        try:
            plan = self._store.read_stored_plan(digest)
            services = {control: frozenset(part["services"]) for control, part in plan["controls"].items()}
            if policy := plan.get("group_policy"):
                services[GROUP_POLICY] = frozenset(
                    make_rule_slug(policy_object["name"]) for policy_object in policy["objects"]
                )
            return {**services, WATCH: WATCH_RULES} if "watch" in plan else services
        except (OSError, ValueError, KeyError):
            return None
