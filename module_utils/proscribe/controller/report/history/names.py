"""Whether anybody knows the host and the rule that a question is about.

An answer about something that is in no run would be "nothing is wrong", which is true of every name that there is.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ....model.finding import EXTRA_RULE_GROUPS
from ....model.plan import CONTROLS
from ..evaluation.rules import OF_CONTROL
from ..text.wording import clean
from .database import Session
from .plans import Plans
from .queries import Scope, has_past, hosts, rules
from .tables import HostRow

MOST_CLOSE = 3  # names that are proposed
MOST_COMPARED = 20_000  # names that are compared with a wrong one; a fleet may have more


class NoSuchName(LookupError):
    """A question about a host or a rule that no run knows; the text says so, and what is close to it.

    `service` is the rule's last part where the rule could have been one of a service, else "".
    """

    def __init__(self, text: str, service: str = "") -> None:
        super().__init__(text)
        self.service = service


def check(session: Session, plans: Plans, scope: Scope) -> None:
    """Raises NoSuchName for a host (`scope.host`) or a rule (`scope.rule`) that the history does not know.

    It knows each host that runs asked. It knows a rule that is a control's own, that is in a plan of the hosts in
    question, or that has incidents.
    """
    found = hosts(session, scope.host)
    if scope.host and not found and not has_past(session, scope.host):
        near = _near(scope.host, (host.name for host in hosts(session)))
        raise NoSuchName(f"no run of the history has a host {clean(scope.host)!r}{near}")
    if scope.rule and scope.rule not in (past := rules(session, scope.host)):
        _check_rule(scope, found, plans, past)


def _check_rule(scope: Scope, found: Iterable[HostRow], plans: Plans, past: set[str]) -> None:
    control, _, about = scope.rule.partition("/")
    digests = sorted({host.plan for host in found if host.plan})
    known = {digest: services for digest in digests if (services := plans.services(digest)) is not None}
    controls = {name for services in known.values() for name in services}
    listed = OF_CONTROL.get(control, frozenset()).union(*(services.get(control, ()) for services in known.values()))
    if control in controls and about in listed:
        return
    every = {f"{name}/{one}" for services in known.values() for name, listed in services.items() for one in listed}
    every |= past | {f"{name}/{one}" for name in controls for one in OF_CONTROL.get(name, ())}
    near = _near(scope.rule, every)
    if control not in (*CONTROLS, *EXTRA_RULE_GROUPS) or not about:
        raise NoSuchName(f"{clean(scope.rule)!r} is no rule, such as apps/wechat{near}")
    if missing := [digest for digest in digests if digest not in known]:
        gone = f"the plan {missing[0][:19]} that hosts answered for is not kept any more"
        raise NoSuchName(f"nobody knows whether there is a rule {clean(scope.rule)!r}: {gone}{near}")
    whose = f"the plan of {clean(scope.host)} does not have" if scope.host else "no plan that hosts answered for has"
    what = f"a rule {clean(scope.rule)!r}" if control in controls else f"the control {control}"
    raise NoSuchName(f"{whose} {what}{near}", about)


def _near(name: str, names: Iterable[str]) -> str:
    """`; did you mean 'x' or 'y'?`, "" where nothing is close. A rule's last part alone is close to the whole."""
    listed = sorted(names)[:MOST_COMPARED]
    whole = [one for one in listed if one.partition("/")[2] == name]
    close = [*whole, *difflib.get_close_matches(name, listed, MOST_CLOSE, 0.7)]
    shown = [repr(clean(one)) for one in dict.fromkeys(close)][:MOST_CLOSE]
    return f"; did you mean {' or '.join(shown)}?" if shown else ""
