"""The plan that is in effect on a host now: of those that a run left there, the last one whose moment has come."""

from __future__ import annotations

from typing import Any

from ..host import Host
from ..json_text import from_json
from ..moments import stamp
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
        plan = from_json(content)
    except (ValueError, RecursionError):
        raise files.Damaged(path, "is no plan") from None
    if type(plan) is not dict or plan.get("digest") != digest:
        raise files.Damaged(path, "is another plan")
    return plan
