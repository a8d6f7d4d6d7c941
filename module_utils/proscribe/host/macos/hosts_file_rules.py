"""Rules of `dns` on a Mac: names that /etc/hosts blocks. Other DNS filters of a Mac are not observed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...model.finding import COMPLIANT, NOT_APPLICABLE, UNKNOWN, RuleVerdict, judge_rule, make_unobservable_verdict
from ...model.plan import RESTRICTED_MODES
from ..system import ControlError, Host, ObservationError

if TYPE_CHECKING:
    from ...model.types.plan import PlanEntry, PlanSection

HOSTS_PATH = "/private/etc/hosts"
NULL_ADDRESSES = frozenset({"0.0.0.0", "::", "127.0.0.1", "::1"})
UNOBSERVED_REASON = "not all of its names are in /etc/hosts, and other filters are not observed on macOS"


def judge_dns(host: Host, section: PlanSection) -> list[RuleVerdict]:
    """Return a verdict of `dns` on every service of the plan, from the names that /etc/hosts blocks."""
    services = section["services"]
    try:
        blocked_names, unseen_reason = _parse_blocked_names(host.read_text(HOSTS_PATH) or ""), ""
    except (ObservationError, ControlError) as error:
        blocked_names, unseen_reason = frozenset(), str(error)
    return [
        _judge_service(f"dns/{service_id}", entry, blocked_names, unseen_reason)
        for service_id, entry in services.items()
    ]


def _parse_blocked_names(text: str) -> frozenset[str]:
    """Return the names to which a hosts file gives only null or loopback addresses: blocked names."""
    blocked_names: set[str] = set()
    resolved_names: set[str] = set()
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        (blocked_names if address in NULL_ADDRESSES else resolved_names).update(name.casefold() for name in names)
    return frozenset(blocked_names - resolved_names)


def _judge_service(rule: str, entry: PlanEntry, blocked_names: frozenset[str], unseen_reason: str) -> RuleVerdict:
    """Judge one service: compliant if /etc/hosts blocks all its domains.

    Otherwise the rule is not observable, because another filter of the Mac may block them. `unseen_reason` is the
    reason why /etc/hosts could not be read, which makes the rule unknown; "" if it was read.
    """
    if entry["mode"] not in RESTRICTED_MODES:
        return judge_rule(rule, entry, ())
    if unseen_reason:
        return RuleVerdict(rule, UNKNOWN, reason=unseen_reason)
    if not blocked_names.issuperset(entry.get("domains", ())):
        return make_unobservable_verdict(rule, UNOBSERVED_REASON)
    return RuleVerdict(rule, COMPLIANT if entry.get("domains") else NOT_APPLICABLE)
