"""Control `apps`: removes restricted packages, ends their programs, and blocks their installation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....model.finding import COMPLIANT, NOT_APPLICABLE, RuleVerdict, judge_rule
from ...system import Host
from ..base import Changes
from . import install_block, user_finding_limit
from .apps_observation import observe_apps
from .execution import fapolicyd
from .portable.scan_cache import save_scan_memory
from .quarantine import quarantine_rule
from .requests import answers, command, request_files

if TYPE_CHECKING:
    from ....model.types.plan import Plan


def observe(host: Host, plan: Plan) -> list[RuleVerdict]:
    """Return the verdicts on the services of the plan, then those on the control's other rules.

    Other rules are the quarantine, execution control, `proscribe-request` and the install blocks, for example. An
    install block is what stops a package manager from installing restricted packages.
    """
    observation = observe_apps(host, plan["controls"]["apps"])
    if memory := observation.scan_memory:
        host.record_fields["full_scan"] = {"at": memory.full_scan_at, "runs": memory.run_count}
        host.state_savers.append(lambda is_first: save_scan_memory(host, memory, is_first))
    host.record_fields.update(request_files.make_reported_requests(plan, observation.requests))
    if answers.has_answer_work(host, plan):
        host.state_savers.append(lambda is_first: _send_answers(host, plan))
    verdicts = []
    for service, entry in observation.desired.services.items():
        findings = observation.list_findings(service)
        waivers = dict(findings)
        verdict = judge_rule(
            f"apps/{service}",
            entry,
            [finding for finding, _ in findings],
            observation.unseen_reasons.get(service, ""),
            waivers.__getitem__,
        )
        if verdict.state == COMPLIANT and service in observation.idle_reasons:
            verdict = RuleVerdict(f"apps/{service}", NOT_APPLICABLE, reason=observation.idle_reasons[service])
        # Drift means that enforcement would change something. If all findings of a service are uncertain, enforcement
        # ends and moves nothing, so there is no drift.
        verdicts.append(verdict._replace(drifted=verdict.drifted and not observation.is_service_uncertain(service)))
    verdicts += user_finding_limit.judge_user_shares(plan["controls"]["apps"]["mode"], observation.cut_counts)
    verdicts += quarantine_rule.observe(host, plan["controls"]["apps"]["mode"])
    verdicts += fapolicyd.observe(host, plan, observation.desired)
    verdicts += command.observe(host, plan)
    return verdicts + install_block.observe(host, plan, observation.desired, memory is None or memory.is_fresh)


def _send_answers(host: Host, plan: Plan) -> None:
    """Write the answers to users' requests on the host, and notify these users."""
    from .requests.notifications import send_answers

    send_answers(host, plan)


def enforce(host: Host, plan: Plan) -> Changes:
    """Return the changes that end programs, remove packages, quarantine portable apps and install the blocks.

    A part of the host that already is as the plan requires is not changed.
    """
    from . import changes

    return changes.enforce(host, plan)


def lift(host: Host, plan: Plan) -> Changes:
    """Return the changes that undo the enforcement: they remove the install blocks and restore the quarantine.

    Packages that enforcement removed are not installed again. `Changes.removed_packages` lists them for the report of
    the run. After the lift, anybody who may install software can install them.
    """
    from . import changes

    return changes.lift(host)
