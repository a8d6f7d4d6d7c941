"""Rule about the install blocks, which stop the package systems from installing restricted packages.

A block consists of parts, such as files and settings (blocks/parts.py). In findings, and in the name of the rule, a
block is called a gate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Sequence

from ....model.finding import Finding, RuleVerdict, judge_rule
from ...system import ControlError, Host, ObservationError
from .blocks import polkit
from .blocks.parts import MISSING_PROBLEM, BlockPart, BlockTrial, OwnDirectory
from .blocks.refusal_text import list_language_lines
from .blocks.trial_cache import TrialCache
from .desired_apps import DesiredApps
from .request_hint import list_request_hints
from .requests import command
from .systems.package import InstallBlock
from .systems.package_systems import SYSTEMS

if TYPE_CHECKING:
    from ....model.types.plan import Plan

INSTALL_BLOCK_RULE = "apps/reinstall-gate"


def observe(host: Host, plan: Plan, desired: DesiredApps, is_fresh: bool = True) -> list[RuleVerdict]:
    """Return the verdict on the install blocks.

    Return [] if `apps` is not enforced, or if no block is required or left over. If all parts of a block are in order,
    its trials test that it refuses a package. With `is_fresh`, cached results of trials are not used.
    """
    section = plan["controls"]["apps"]
    if section["mode"] != "enforce":
        return []
    parts = list(list_expected_parts(host, plan, desired))
    wrong_findings: list[Finding] = []
    open_findings: list[Finding] = []
    unseen_reasons: list[str] = []
    tries = TrialCache(host, is_fresh)
    for system in SYSTEMS:
        system_parts = [(part, is_required) for manager, part, is_required in parts if manager == system.MANAGER]
        try:
            system_findings = _find_wrong_parts(host, system.MANAGER, system_parts)
            wrong_findings += system_findings
        except ObservationError as error:
            unseen_reasons.append(str(error))
        else:
            trial_results = (
                []
                if system_findings
                else [_run_trial(host, tries, system.MANAGER, trial) for trial in _list_trials(system_parts)]
            )
            open_findings += [finding for finding, _ in trial_results if finding]
            unseen_reasons += [error for _, error in trial_results if error]
    if host.privileged:
        host.state_savers.append(lambda is_first: tries.save_trials())
    if wrong_findings or unseen_reasons or any(is_required for _, _, is_required in parts):
        verdict = judge_rule(
            INSTALL_BLOCK_RULE,
            {"mode": section["mode"]},
            [*wrong_findings, *open_findings],
            "; ".join(dict.fromkeys(unseen_reasons)),
        )
        # Drift means that enforcement would change something. It can correct wrong parts, but not a failed trial.
        return [verdict._replace(drifted=verdict.drifted and bool(wrong_findings))]
    return []


def _find_wrong_parts(host: Host, manager: str, system_parts: Sequence[tuple[BlockPart, bool]]) -> list[Finding]:
    """Return a finding for each part of a package system's install block that has a problem.

    `system_parts` are pairs of a part and whether it is required. If the whole block is missing, return a single
    finding for it.
    """
    findings = [
        Finding("gate", part.path.rpartition("/")[2], manager, path=part.path, detail=problem)
        for part, is_required in system_parts
        if (problem := part.find_problem(host, is_required))
    ]
    file_parts = [
        part for part, is_required in system_parts if is_required and not isinstance(part, (BlockTrial, OwnDirectory))
    ]
    # trials and directories can never be missing, so they do not count: the block is missing if all other parts are
    if len(findings) > 1 and [finding.detail for finding in findings] == [MISSING_PROBLEM] * len(file_parts):
        return [Finding("gate", "gate", manager, detail=MISSING_PROBLEM)]
    return findings


def _list_trials(system_parts: Sequence[tuple[BlockPart, bool]]) -> Iterator[BlockTrial]:
    """Yield the trials of a package system's install block, which test that it refuses a package.

    A trial is a required part itself. A required rule of polkit also has a trial: it checks that polkit reads no other
    rule first.
    """
    for part, is_required in system_parts:
        if is_required and isinstance(part, BlockTrial):
            yield part
        elif is_required and part.path.startswith(polkit.RULES_DIRECTORY):
            yield polkit.make_order_trial(part.path)


def _run_trial(host: Host, tries: TrialCache, manager: str, trial: BlockTrial) -> tuple[Finding | None, str]:
    """Run a trial of an install block, or use its cached result.

    Return (finding, reason). The finding says how a restricted package can still be installed; it is None if the block
    refuses it. The reason says why the trial could not run, and is "" otherwise.
    """
    if host.root != "/":
        return None, ""  # the directory of a test has no package system that could refuse a package
    name = f"{manager} {trial.path}"
    try:
        open_detail = tries.run_cached_trial(name, trial.list_dependencies, trial.run_trial)
    except (ObservationError, ControlError) as error:
        return None, f"whether the block of {manager} is in effect could not be tried: {error}"
    return Finding("gate", "effect", manager, path=trial.path, detail=open_detail) if open_detail else None, ""


def list_expected_parts(host: Host, plan: Plan, desired: DesiredApps) -> Iterator[tuple[str, BlockPart, bool]]:
    """Yield every part of every install block as (package system, part, whether the part is required).

    If a package system has no restricted package any more, no part is required. Then each part must be removed, so that
    permitted packages can be installed.
    """
    paths = desired.find_closed_paths()
    refusal_notice = str(plan["controls"]["apps"]["settings"].get("refusal_notice", ""))
    messages = (
        *list_language_lines(refusal_notice),
        *(list_request_hints(refusal_notice) if command.find_command_digest(plan) else ()),
    )
    for system in SYSTEMS:
        package_ids = desired.find_restricted_packages(system.MANAGER)
        if package_ids and system.is_block_applicable(host):
            block = InstallBlock(
                package_ids, plan.get("contact") or "", desired.find_permitted_versions(system.MANAGER), paths, messages
            )
            for part in system.make_block_parts(block):
                yield system.MANAGER, part, part.is_applicable(host)
        else:  # these parts are not required, but an earlier plan may have left them
            for part in system.make_block_parts(InstallBlock()):
                yield system.MANAGER, part, False
