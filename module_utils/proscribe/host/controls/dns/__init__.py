"""The control `dns`: names of restricted services do not resolve.

A backend is one mechanism for that. Those with a filter (backends/) block a name and all below it; `choice` finds the
one that fits the host. A host without any has the hosts file, which knows exact names only.

    dns/<service>                      whether the names of a service are blocked
    dns/resolver, or dns/hosts-file    what else is wrong with the backend, left over of another one, or bypasses it
    dns/sub-domains                    that they are not covered, with the hosts file
    dns/private-view                   programs to which a user gave other files than the host has
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....model.finding import NOT_APPLICABLE, Finding, RuleVerdict, judge_rule
from ...system import Host
from ..base import Changes, ControlAction
from . import hosts_file, private_view
from .backends.registry import backend
from .choice import HOSTS, Choice, choose, trace
from .desired import Desired, collect, service_verdicts

if TYPE_CHECKING:
    from ....model.types.plan import Plan, PlanSection

LEFT_OVER = "left over from another backend"


def observe(host: Host, plan: Plan) -> list[RuleVerdict]:
    """Whether the names of the plan are blocked. Raises ControlError, Unseen."""
    section = plan["controls"]["dns"]
    choice = choose(host, section["settings"])
    if choice.name == HOSTS:
        verdicts, names = hosts_file.observe(host, plan, _left_over(host, choice))
        return [*verdicts, private_view.observe(host, section), _sub_domains(choice)] if names else verdicts
    from . import filtering

    desired = _desired(host, plan)
    names = desired.names
    leftovers = [
        *_left_over(host, choice, all_of_them=not names),
        *hosts_file.left_over(host, section, LEFT_OVER),
    ]
    if names:
        filter_ = backend(choice.name).describe(host, choice.observed, section["settings"])
        verdicts = filtering.observe(host, section, desired, filter_, leftovers)
        return [*verdicts[:-1], private_view.observe(host, section), verdicts[-1]]
    verdicts = service_verdicts(section, desired, frozenset(), Finding("name", ""))
    if leftovers:
        return [*verdicts, judge_rule("dns/resolver", {"mode": section["mode"]}, leftovers)]
    return [*verdicts, RuleVerdict("dns/resolver", NOT_APPLICABLE, reason="no name is to be blocked")]


def enforce(host: Host, plan: Plan) -> Changes:
    """The change that blocks the names of the plan. Raises ControlError."""
    from . import switching

    section = plan["controls"]["dns"]
    choice = choose(host, section["settings"])
    others = [name for name in choice.traced if name != choice.name]
    if choice.name == HOSTS:
        changes = hosts_file.enforce(host, plan)
        away = switching.take_away(host, choice.observed, others)
        return changes._replace(actions=[*changes.actions, *away, *_read_again(host, choice, changes)])
    desired = _desired(host, plan)
    if not desired.names:
        return lift(host, plan)
    filter_ = backend(choice.name).describe(host, choice.observed, section["settings"])
    actions = switching.put(host, filter_, desired)
    actions += switching.take_away(host, choice.observed, others)
    old = hosts_file.lift(host, section)
    refused = [*hosts_file.refusals(desired), *old.refusals]
    return Changes([*actions, *old.actions, *_read_again(host, choice, old)], refused)


def lift(host: Host, plan: Plan) -> Changes:
    """The change that gives the host its own name resolution back. Raises ControlError."""
    from . import switching

    section: PlanSection = plan["controls"].get("dns") or {"mode": "audit", "services": {}, "settings": {}}
    choice = choose(host, {"backend": HOSTS})
    old = hosts_file.lift(host, section)
    away = switching.take_away(host, choice.observed, choice.traced)
    return old._replace(actions=[*away, *old.actions, *_read_again(host, choice, old)])


def _read_again(host: Host, choice: Choice, changes: Changes) -> list[ControlAction]:
    """Have a dnsmasq that runs read /etc/hosts again, where that changes: it answers out of it, too."""
    unit = "dnsmasq.service"
    systemctl = host.find_tool("systemctl") or "systemctl"

    def reload() -> None:
        host.read_command_output([systemctl, "try-reload-or-restart", unit])

    return [ControlAction("reload", unit, reload)] if changes.actions and choice.observed.units.get(unit) else []


def _desired(host: Host, plan: Plan) -> Desired:
    return collect(host, plan, hosts_file.foreign(host, plan["controls"]["dns"]), canaries=True)


def _left_over(host: Host, choice: Choice, all_of_them: bool = False) -> list[Finding]:
    """The traces of the filters that are not chosen, or of all."""
    names = [name for name in choice.traced if all_of_them or name != choice.name]
    return [
        Finding("file", path, manager=name, path=path, detail=LEFT_OVER)
        for name in names
        for stage in backend(name).standing(host, choice.observed)
        for path in stage.files
        if trace(host, path)
    ]


def _sub_domains(choice: Choice) -> RuleVerdict:
    detail = (
        "not covered, nor are canaries: /etc/hosts has exact names and addresses only, "
        f"and programs pass it with HOSTALIASES or LOCALDOMAIN{choice.why and '; '}{choice.why}"
    )
    finding = Finding("coverage", "sub-domains", manager="hosts", path=hosts_file.PATH, detail=detail)
    return RuleVerdict("dns/sub-domains", NOT_APPLICABLE, (finding,), reason="the hosts file cannot cover them")
