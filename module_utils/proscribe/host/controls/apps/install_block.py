"""The install blocks of the package systems as one rule: which parts have to be there, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Sequence

from ....model.finding import Finding, RuleVerdict, judge_rule
from ...system import ControlError, Host, ObservationError
from .blocks import polkit
from .blocks.contact import in_each_language
from .blocks.parts import MISSING, BlockPart, OwnDirectory, Trial
from .blocks.tries import Tries
from .desired import Desired
from .request_hint import hints
from .requests import command
from .systems.package import Block
from .systems.registry import SYSTEMS

if TYPE_CHECKING:
    from ....model.types.plan import Plan

RULE = "apps/reinstall-gate"


def observe(host: Host, plan: Plan, desired: Desired, fresh: bool = True) -> list[RuleVerdict]:
    """The install block's verdict; none where no block is required and none is left, or where nothing is enforced.
    `fresh`: nothing is believed of what an earlier observation has tried.
    """
    section = plan["controls"]["apps"]
    if section["mode"] != "enforce":
        return []
    parts = list(expected(host, plan, desired))
    wrong: list[Finding] = []
    open_: list[Finding] = []
    unseen: list[str] = []
    tries = Tries(host, fresh)
    for system in SYSTEMS:
        own = [(part, called_for) for manager, part, called_for in parts if manager == system.MANAGER]
        try:
            found = _amiss(host, system.MANAGER, own)
            wrong += found
        except ObservationError as why:
            unseen.append(str(why))
        else:
            tried = [] if found else [_tried(host, tries, system.MANAGER, trial) for trial in _trials(own)]
            open_ += [finding for finding, _ in tried if finding]
            unseen += [why for _, why in tried if why]
    if host.privileged:
        host.state_savers.append(lambda begins: tries.keep())
    if wrong or unseen or any(called_for for _, _, called_for in parts):
        verdict = judge_rule(RULE, {"mode": section["mode"]}, [*wrong, *open_], "; ".join(dict.fromkeys(unseen)))
        return [verdict._replace(drifted=verdict.drifted and bool(wrong))]
    return []


def _amiss(host: Host, manager: str, own: Sequence[tuple[BlockPart, bool]]) -> list[Finding]:
    """What is wrong with one package system's block; one finding for a block that is missing entirely."""
    found = [
        Finding("gate", part.path.rpartition("/")[2], manager, path=part.path, detail=problem)
        for part, called_for in own
        if (problem := part.wrong(host, called_for))
    ]
    whole = [part for part, called_for in own if called_for and not isinstance(part, (Trial, OwnDirectory))]
    if len(found) > 1 and [finding.detail for finding in found] == [MISSING] * len(whole):
        return [Finding("gate", "gate", manager, detail=MISSING)]
    return found


def _trials(own: Sequence[tuple[BlockPart, bool]]) -> Iterator[Trial]:
    for part, called_for in own:
        if called_for and isinstance(part, Trial):
            yield part
        elif called_for and part.path.startswith(polkit.DIRECTORY):
            yield polkit.first(part.path)


def _tried(host: Host, tries: Tries, manager: str, trial: Trial) -> tuple[Finding | None, str]:
    """What a block leaves open although all of it is there, and why that could not be tried."""
    if host.root != "/":
        return None, ""  # a fixture has no package system of its own
    name = f"{manager} {trial.path}"
    try:
        found = tries.answer(name, trial.depends, trial.trial)
    except (ObservationError, ControlError) as why:
        return None, f"whether the block of {manager} is in effect could not be tried: {why}"
    return Finding("gate", "effect", manager, path=trial.path, detail=found) if found else None, ""


def expected(host: Host, plan: Plan, desired: Desired) -> Iterator[tuple[str, BlockPart, bool]]:
    """Every part of every install block, with its package system and whether it has to be there.

    A block that has nothing left to refuse has to go, so that what is permitted can be installed.
    """
    paths = desired.closed_paths()
    text = str(plan["controls"]["apps"]["settings"].get("refusal_notice", ""))
    messages = (*in_each_language(text), *(hints(text) if command.digest(plan) else ()))
    for system in SYSTEMS:
        ids = desired.restricted(system.MANAGER)
        if ids and system.gated(host):
            block = Block(ids, plan.get("contact") or "", desired.permitted(system.MANAGER), paths, messages)
            for part in system.block_parts(block):
                yield system.MANAGER, part, part.concerns(host)
        else:  # what may be left over, whatever it says
            for part in system.block_parts(Block()):
                yield system.MANAGER, part, False
