"""The gates of the package systems as one rule: which files have to be there, and what is wrong with them."""

from __future__ import annotations

from typing import Any, Iterator, Mapping

from ...finding import Finding, Verdict, judge
from ...host import ControlError, Host, Unseen
from .gate_parts import GatePart
from .sight import SYSTEMS, Wanted

RULE = "apps/reinstall-gate"


def observe(host: Host, plan: Mapping[str, Any], wanted: Wanted) -> list[Verdict]:
    """The gate's verdict; none where no gate is called for and none stands, or where nothing is enforced at all."""
    section = plan["controls"]["apps"]
    if section["mode"] != "enforce":
        return []
    parts = list(expected(host, plan, wanted))
    try:
        found = [
            Finding("gate", part.path.rpartition("/")[2], manager, path=part.path, detail=problem)
            for manager, part, called_for in parts
            if (problem := wrong(host, part, called_for))
        ]
    except Unseen as unseen:
        return [judge(RULE, section, [], str(unseen))]
    if len(found) > 1 and len(found) == len(files) and {finding.detail for finding in found} == {"missing"}:
        found = [
            Finding("gate", "gate", manager, detail="missing") for manager in dict.fromkeys(m for m, _, _ in files)
        ]
    if found or any(called_for for _, _, called_for in files):
        return [judge(RULE, section, found)]
    return []


def expected(host: Host, plan: Mapping[str, Any], wanted: Wanted) -> Iterator[tuple[str, GatePart, bool]]:
    """Every part of every gate, with its package system and whether it has to be there.

    A gate that has nothing to refuse any more has to go, so that what is permitted can be installed.
    """
    for system in SYSTEMS:
        ids = wanted.restricted(system.MANAGER)
        for part in system.gate(ids, str(plan.get("contact") or ""), wanted.permitted(system.MANAGER)):
            yield system.MANAGER, part, bool(ids) and system.gated(host) and part.concerns(host)


def wrong(host: Host, part: GatePart, called_for: bool) -> str:
    """What is wrong with a part of a gate, in a few words; "" if nothing is. Raises Unseen."""
    if called_for:
        return part.wrong(host)
    return "left over: there is nothing to refuse any more" if part.stands(host) else ""
