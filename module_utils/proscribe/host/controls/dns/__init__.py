"""The control `dns`: names of restricted services do not resolve.

A backend is a mechanism that blocks names. The backends with a filter (backends/) block a name and all names below it.
`backend_choice` selects the backend that fits the host. A host that fits none of them gets the backend of the hosts
file, which blocks exact names only.

    dns/<service>                      the names of a service, which must not resolve
    dns/resolver, or dns/hosts-file    other faults of the backend, files left by another backend, or bypasses
    dns/sub-domains                    names below the blocked names, which the hosts file cannot block
    dns/private-view                   programs to which a user gave other files than the host has
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....model.finding import NOT_APPLICABLE, Finding, RuleVerdict, judge_rule
from ...system import Host
from ..base import Changes, ControlAction
from . import hosts_file, private_mounts
from .backend_choice import HOSTS_BACKEND, BackendChoice, choose_backend, has_trace
from .backends.filter_backends import load_backend
from .names_to_block import DesiredNames, collect_desired_names, judge_services

if TYPE_CHECKING:
    from ....model.types.plan import Plan, PlanSection

LEFTOVER_DETAIL = "left over from another backend"


def observe(host: Host, plan: Plan) -> list[RuleVerdict]:
    """Check that the names of the plan do not resolve on this host. Raises ControlError and ObservationError.

    If the plan blocks no name here, files that Proscribe left are findings.
    """
    section = plan["controls"]["dns"]
    choice = choose_backend(host, section["settings"])
    if choice.backend_name == HOSTS_BACKEND:
        verdicts, blocked_names = hosts_file.observe_hosts_file(host, plan, _find_leftovers(host, choice))
        return (
            [*verdicts, private_mounts.observe_private_views(host, section), _judge_subdomains(choice)]
            if blocked_names
            else verdicts
        )
    from . import dns_filter

    desired_names = _collect_desired_names(host, plan)
    blocked_names = desired_names.blocked_names
    leftovers = [
        *_find_leftovers(host, choice, is_whole=not blocked_names),
        *hosts_file.find_hosts_leftovers(host, section, LEFTOVER_DETAIL),
    ]
    if blocked_names:
        filter_ = load_backend(choice.backend_name).describe_filter(host, choice.observation, section["settings"])
        verdicts = dns_filter.observe_filter(host, section, desired_names, filter_, leftovers)
        # the verdict on dns/resolver comes last
        return [*verdicts[:-1], private_mounts.observe_private_views(host, section), verdicts[-1]]
    verdicts = judge_services(section, desired_names, frozenset(), Finding("name", ""))
    if leftovers:
        return [*verdicts, judge_rule("dns/resolver", {"mode": section["mode"]}, leftovers)]
    return [*verdicts, RuleVerdict("dns/resolver", NOT_APPLICABLE, reason="no name is to be blocked")]


def enforce(host: Host, plan: Plan) -> Changes:
    """Return the changes that block the names of the plan. Raises ControlError.

    Files of other backends are removed. If no name is to be blocked, everything of Proscribe's is removed.
    """
    from . import filter_changes

    section = plan["controls"]["dns"]
    choice = choose_backend(host, section["settings"])
    other_backends = [name for name in choice.possible_backends if name != choice.backend_name]
    if choice.backend_name == HOSTS_BACKEND:
        changes = hosts_file.enforce_hosts_file(host, plan)
        removals = filter_changes.remove_filters(host, choice.observation, other_backends)
        return changes._replace(actions=[*changes.actions, *removals, *_make_dnsmasq_reload(host, choice, changes)])
    desired_names = _collect_desired_names(host, plan)
    if not desired_names.blocked_names:
        return lift(host, plan)
    filter_ = load_backend(choice.backend_name).describe_filter(host, choice.observation, section["settings"])
    actions = filter_changes.install_filter(host, filter_, desired_names)
    actions += filter_changes.remove_filters(host, choice.observation, other_backends)
    hosts_file_changes = hosts_file.lift_hosts_file(host, section)
    refusals = [*hosts_file.make_name_refusals(desired_names), *hosts_file_changes.refusals]
    return Changes(
        [*actions, *hosts_file_changes.actions, *_make_dnsmasq_reload(host, choice, hosts_file_changes)], refusals
    )


def lift(host: Host, plan: Plan) -> Changes:
    """Return the changes that remove all of Proscribe's blocking, so that names resolve as before.

    Raises ControlError.
    """
    from . import filter_changes

    # The plan may no longer have the control.
    section: PlanSection = plan["controls"].get("dns") or {"mode": "audit", "services": {}, "settings": {}}
    # Only the observation and the possible backends matter here. So the setting names the backend that always fits.
    choice = choose_backend(host, {"backend": HOSTS_BACKEND})
    hosts_file_changes = hosts_file.lift_hosts_file(host, section)
    removals = filter_changes.remove_filters(host, choice.observation, choice.possible_backends)
    return hosts_file_changes._replace(
        actions=[*removals, *hosts_file_changes.actions, *_make_dnsmasq_reload(host, choice, hosts_file_changes)]
    )


def _make_dnsmasq_reload(host: Host, choice: BackendChoice, changes: Changes) -> list[ControlAction]:
    """Return the action that makes dnsmasq reread /etc/hosts, from which it answers too.

    The list is empty if `changes` has no actions, or if dnsmasq does not run.
    """
    unit = "dnsmasq.service"
    systemctl = host.find_tool("systemctl") or "systemctl"

    def reload() -> None:
        host.read_command_output([systemctl, "try-reload-or-restart", unit])

    return (
        [ControlAction("reload", unit, reload)] if changes.actions and choice.observation.pids_by_unit.get(unit) else []
    )


def _collect_desired_names(host: Host, plan: Plan) -> DesiredNames:
    """Return the names that a filter has to block on this host, canaries included (names_to_block.py)."""
    return collect_desired_names(
        host, plan, hosts_file.read_foreign_lines(host, plan["controls"]["dns"]), canaries=True
    )


def _find_leftovers(host: Host, choice: BackendChoice, is_whole: bool = False) -> list[Finding]:
    """Return findings for files that Proscribe left in filters other than the chosen backend.

    With `is_whole`, files in the chosen backend are findings too, because no name is to be blocked.
    """
    backend_names = [name for name in choice.possible_backends if is_whole or name != choice.backend_name]
    return [
        Finding("file", path, manager=name, path=path, detail=LEFTOVER_DETAIL)
        for name in backend_names
        for stage in load_backend(name).list_possible_stages(host, choice.observation)
        for path in stage.files
        if has_trace(host, path)
    ]


def _judge_subdomains(choice: BackendChoice) -> RuleVerdict:
    """Return the verdict that reports the limits of the hosts file, and why the host has no filter.

    The hosts file cannot block names below the blocked names. That is no violation, so the verdict is NOT_APPLICABLE.
    """
    detail = (
        "not covered, nor are canaries: /etc/hosts has exact names and addresses only, "
        f"and programs pass it with HOSTALIASES or LOCALDOMAIN{choice.fallback_reason and '; '}{choice.fallback_reason}"
    )
    finding = Finding("coverage", "sub-domains", manager="hosts", path=hosts_file.HOSTS_PATH, detail=detail)
    return RuleVerdict("dns/sub-domains", NOT_APPLICABLE, (finding,), reason="the hosts file cannot cover them")
