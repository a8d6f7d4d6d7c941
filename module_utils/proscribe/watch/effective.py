"""The plan that is in effect on a host now: of those that a run left there, the last one whose moment has come."""

from __future__ import annotations

import json
import time
from typing import Any, Mapping

from ..host import Host
from ..moments import stamp
from ..plan import has_hours_or_groups
from . import clock, files


def plan_in_effect(host: Host, known: files.Settings) -> dict[str, Any]:
    """The plan in effect, which is what a run installed, without what its hours say. Raises Damaged and Unseen."""
    digest = known.in_effect(stamp(clock.effective(host)))
    return stored(host, known, digest)


def stored(host: Host, known: files.Settings, digest: str) -> dict[str, Any]:
    """A plan that is stored under its digest. Raises Damaged and Unseen."""
    path = files.plan_file(digest)
    content = files.require(host, known, path)
    try:
        plan = json.loads(content)
    except (ValueError, RecursionError):
        raise files.Damaged(path, "is no plan") from None
    if type(plan) is not dict or plan.get("digest") != digest:
        raise files.Damaged(path, "is another plan")
    return plan


def at_this_hour(host: Host, plan: Mapping[str, Any]) -> Mapping[str, Any]:
    """The plan as it is now on this host: which waivers are open at this hour of its zone, and who is in their groups.

    The hour is that of the clock that cannot go back. The same object where no waiver has hours or groups.
    """
    if not has_hours_or_groups(plan):
        return plan
    from ..plan_groups import resolved
    from ..plan_hours import at

    time.tzset()  # the zone may have changed since a process that stays began
    return resolved(host, at(plan, time.localtime(clock.effective(host))))[0]
