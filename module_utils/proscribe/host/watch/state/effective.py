"""The plan that is in effect on a host now: of those that a run left there, the last one whose moment has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....base.json_text import parse_json
from ....base.moments import format_timestamp
from ...system import Host
from . import clock, files

if TYPE_CHECKING:
    from ....model.types.plan import Plan


def plan_in_effect(host: Host, known: files.Settings) -> Plan:
    """The plan in effect, which is what a run installed, without what its hours say. Raises Damaged and Unseen."""
    return stored(host, known, digest_in_effect(host, known))


def digest_in_effect(host: Host, known: files.Settings) -> str:
    """The digest of the plan in effect, by the clock that does not go back. Raises Damaged and Unseen."""
    return known.in_effect(format_timestamp(clock.effective(host)))


def stored(host: Host, known: files.Settings, digest: str) -> Plan:
    """A plan that is stored under its digest. Raises Damaged and Unseen."""
    path = files.plan_file(digest)
    content = files.require(host, known, path)
    try:
        plan: Plan = parse_json(content)
    except (ValueError, RecursionError):
        raise files.Damaged(path, "is no plan") from None
    if type(plan) is not dict or plan.get("digest") != digest:
        raise files.Damaged(path, "is another plan")
    return plan
