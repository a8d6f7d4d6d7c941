"""The install blocks of the package systems as one rule: which parts have to be there, and what is wrong with them."""

from __future__ import annotations

from typing import Any, Iterable, Iterator, Mapping

from ...finding import Finding, Verdict, judge
from ...host import Host, Unseen
from .blocks.contact import in_each_language
from .blocks.parts import MISSING, BlockPart
from .desired import Desired
from .request_hint import hints
from .requests import command
from .systems.registry import SYSTEMS

RULE = "apps/reinstall-gate"


def observe(host: Host, plan: Mapping[str, Any], desired: Desired) -> list[Verdict]:
    """The install block's verdict; none where no block is required and none is left, or where nothing is enforced."""
    section = plan["controls"]["apps"]
    if section["mode"] != "enforce":
        return []
    parts = list(expected(host, plan, desired))
    try:
        found = [finding for system in SYSTEMS for finding in _amiss(host, system.MANAGER, parts)]
    except Unseen as unseen:
        return [judge(RULE, section, [], str(unseen))]
    if found or any(called_for for _, _, called_for in parts):
        return [judge(RULE, section, found)]
    return []


def _amiss(host: Host, manager: str, parts: Iterable[tuple[str, BlockPart, bool]]) -> list[Finding]:
    """What is wrong with one package system's block; one finding for a block that is missing entirely."""
    own = [(part, called_for) for system, part, called_for in parts if system == manager]
    found = [
        Finding("gate", part.path.rpartition("/")[2], manager, path=part.path, detail=problem)
        for part, called_for in own
        if (problem := part.wrong(host, called_for))
    ]
    if len(found) > 1 and [finding.detail for finding in found] == [MISSING] * sum(called_for for _, called_for in own):
        return [Finding("gate", "gate", manager, detail=MISSING)]
    return found


def expected(host: Host, plan: Mapping[str, Any], desired: Desired) -> Iterator[tuple[str, BlockPart, bool]]:
    """Every part of every install block, with its package system and whether it has to be there.

    A block that has nothing left to refuse has to go, so that what is permitted can be installed.
    """
    paths = desired.closed_paths()
    text = str(plan["controls"]["apps"]["settings"].get("refusal_notice", ""))
    messages = (*in_each_language(text), *(hints(text) if command.digest(plan) else ()))
    for system in SYSTEMS:
        ids = desired.restricted(system.MANAGER)
        if ids and system.gated(host):
            permitted = desired.permitted(system.MANAGER)
            for part in system.block_parts(ids, str(plan.get("contact") or ""), permitted, paths, messages):
                yield system.MANAGER, part, part.concerns(host)
        else:  # what may be left over, whatever it says
            for part in system.block_parts(frozenset(), ""):
                yield system.MANAGER, part, False
