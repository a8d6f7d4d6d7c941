"""The control `apps`: removes restricted packages, ends their programs, and blocks their installation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....model.finding import COMPLIANT, NOT_APPLICABLE, RuleVerdict, judge_rule
from ...system import Host
from ..base import Changes
from . import install_block, user_share
from .execution import fapolicyd
from .observed import observe_apps
from .portable.scan_cache import keep
from .quarantine import unfinished
from .requests import answers, command, reading

if TYPE_CHECKING:
    from ....model.types.plan import Plan


def observe(host: Host, plan: Plan) -> list[RuleVerdict]:
    """A verdict for every service of the plan, and one for the install block where the plan needs one."""
    observed = observe_apps(host, plan["controls"]["apps"])
    if memory := observed.memory:
        host.record_fields["full_scan"] = {"at": memory.full_at, "runs": memory.runs}
        host.state_savers.append(lambda begins: keep(host, memory, begins))
    host.record_fields.update(reading.reported(plan, observed.requests))
    if answers.concerned(host, plan):
        host.state_savers.append(lambda begins: _answer(host, plan))
    verdicts = []
    for service, entry in observed.desired.services.items():
        found = observed.findings(service)
        covered = dict(found)
        verdict = judge_rule(
            f"apps/{service}", entry, [one for one, _ in found], observed.unseen.get(service, ""), covered.__getitem__
        )
        if verdict.state == COMPLIANT and service in observed.idle:
            verdict = RuleVerdict(f"apps/{service}", NOT_APPLICABLE, reason=observed.idle[service])
        # What is only known by its name is not ended, so enforcing would change nothing.
        verdicts.append(verdict._replace(drifted=verdict.drifted and not observed.uncertain(service)))
    verdicts += user_share.judge_shares(plan["controls"]["apps"]["mode"], observed.cut)
    verdicts += unfinished.observe(host, plan["controls"]["apps"]["mode"])
    verdicts += fapolicyd.observe(host, plan, observed.desired)
    verdicts += command.observe(host, plan)
    return verdicts + install_block.observe(host, plan, observed.desired, memory is None or memory.fresh)


def _answer(host: Host, plan: Plan) -> None:
    from .requests.notifications import answer

    answer(host, plan)


def enforce(host: Host, plan: Plan) -> Changes:
    """End programs, remove packages and portable apps, set the install block: each only as far as it differs."""
    from . import changes

    return changes.enforce(host, plan)


def lift(host: Host, plan: Plan) -> Changes:
    """Remove the install blocks, and restore what is in the quarantine. Removed packages are not installed again: they
    are in `removed`, so that the run says so, and from now on anybody who may install can do so.
    """
    from . import changes

    return changes.lift(host)
