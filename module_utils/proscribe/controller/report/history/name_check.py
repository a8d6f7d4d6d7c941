"""A check of the host and the rule that a question names.

Without it, a question about an unknown name would get the answer "nothing is wrong".
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ....model.finding import EXTRA_RULE_GROUPS
from ....model.plan import CONTROLS
from ..evaluation.control_rules import list_own_rules
from ..text.wording import clean_text
from .database import HistorySession
from .plans import PlanServices
from .queries import QueryScope, has_incidents, list_hosts, list_rules
from .tables import HostRow

MAX_PROPOSED_NAMES = 3  # most names that a message proposes
MAX_COMPARED_NAMES = 20_000  # most names that are compared with a wrong name, because a great fleet would take too long


class UnknownName(LookupError):
    """An error: a question names a host or a rule that no run knows. The error's text proposes similar names.

    `service` is the last part of the rule if it could be a service, else "".
    """

    def __init__(self, text: str, service: str = "") -> None:
        super().__init__(text)
        self.service = service


def check_names(session: HistorySession, plans: PlanServices, scope: QueryScope) -> None:
    """Raise UnknownName for a host (`scope.host`) or a rule (`scope.rule`) that the history does not know.

    The history knows each host that a run covered. It knows a rule in three cases. The rule belongs to a control
    instead of a service. A plan of the hosts in question has the rule. The rule has incidents.
    """
    host_rows = list_hosts(session, scope.host)
    if scope.host and not host_rows and not has_incidents(session, scope.host):
        proposal = _propose_names(scope.host, (host.name for host in list_hosts(session)))
        raise UnknownName(f"no run of the history has a host {clean_text(scope.host)!r}{proposal}")
    if scope.rule and scope.rule not in (past_rules := list_rules(session, scope.host)):
        _check_rule_name(scope, host_rows, plans, past_rules)


def _check_rule_name(
    scope: QueryScope, host_rows: Iterable[HostRow], plans: PlanServices, past_rules: set[str]
) -> None:
    """Raise UnknownName unless a plan of these hosts has the rule of the scope.

    `past_rules` are the rules with incidents; the error proposes them, too.
    """
    control, _, rule_name = scope.rule.partition("/")
    digests = sorted({host.plan for host in host_rows if host.plan})
    services_by_plan = {digest: services for digest in digests if (services := plans.get_services(digest)) is not None}
    controls = {name for services in services_by_plan.values() for name in services}
    # a rule belongs to the control itself, such as a setting, or to a service in a plan
    known_names = list_own_rules(control).union(*(services.get(control, ()) for services in services_by_plan.values()))
    if control in controls and rule_name in known_names:
        return
    all_rules = {
        f"{name}/{known_name}"
        for services in services_by_plan.values()
        for name, known_names in services.items()
        for known_name in known_names
    }
    all_rules |= past_rules | {f"{name}/{known_name}" for name in controls for known_name in list_own_rules(name)}
    proposal = _propose_names(scope.rule, all_rules)
    if control not in (*CONTROLS, *EXTRA_RULE_GROUPS) or not rule_name:
        raise UnknownName(f"{clean_text(scope.rule)!r} is no rule, such as apps/wechat{proposal}")
    # a plan that is not stored any more may have had the rule
    if missing_plans := [digest for digest in digests if digest not in services_by_plan]:
        reason = f"the plan {missing_plans[0][:19]} that hosts answered for is not kept any more"
        raise UnknownName(f"nobody knows whether there is a rule {clean_text(scope.rule)!r}: {reason}{proposal}")
    subject = (
        f"the plan of {clean_text(scope.host)} does not have" if scope.host else "no plan that hosts answered for has"
    )
    object_text = f"a rule {clean_text(scope.rule)!r}" if control in controls else f"the control {control}"
    raise UnknownName(f"{subject} {object_text}{proposal}", rule_name)


def _propose_names(name: str, names: Iterable[str]) -> str:
    """Format a proposal of similar names, `; did you mean 'x' or 'y'?`; "" if no name is similar.

    A rule is also similar if `name` is its part after the control.
    """
    compared_names = sorted(names)[:MAX_COMPARED_NAMES]
    exact_names = [known_name for known_name in compared_names if known_name.partition("/")[2] == name]
    close_names = [*exact_names, *difflib.get_close_matches(name, compared_names, MAX_PROPOSED_NAMES, 0.7)]
    shown_names = [repr(clean_text(known_name)) for known_name in dict.fromkeys(close_names)][:MAX_PROPOSED_NAMES]
    return f"; did you mean {' or '.join(shown_names)}?" if shown_names else ""
