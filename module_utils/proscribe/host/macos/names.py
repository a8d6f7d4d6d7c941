"""The rules of `dns` on a Mac: whether /etc/hosts has the names. Any other filter there is not observed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...model.finding import COMPLIANT, NOT_APPLICABLE, UNKNOWN, RuleVerdict, judge_rule
from ...model.plan import RESTRICTED_MODES
from ..system import ControlError, Host, ObservationError

if TYPE_CHECKING:
    from ...model.types.plan import PlanEntry, PlanSection

PATH = "/private/etc/hosts"
NOWHERE = frozenset({"0.0.0.0", "::", "127.0.0.1", "::1"})
ELSEWHERE = "not all of its names are in /etc/hosts, and other filters are not observed on macOS"


def verdicts(host: Host, section: PlanSection) -> list[RuleVerdict]:
    """A verdict for every service of the plan."""
    services = section["services"]
    try:
        blocked, unseen = _blocked(host.read_text(PATH) or ""), ""
    except (ObservationError, ControlError) as why:
        blocked, unseen = frozenset(), str(why)
    return [_verdict(f"dns/{id_}", entry, blocked, unseen) for id_, entry in services.items()]


def _blocked(text: str) -> frozenset[str]:
    """The names that lead nowhere."""
    found: set[str] = set()
    other: set[str] = set()
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        (found if address in NOWHERE else other).update(name.casefold() for name in names)
    return frozenset(found - other)


def _verdict(rule: str, entry: PlanEntry, blocked: frozenset[str], unseen: str) -> RuleVerdict:
    if entry["mode"] not in RESTRICTED_MODES:
        return judge_rule(rule, entry, ())
    if unseen or not blocked.issuperset(entry.get("domains", ())):
        return RuleVerdict(rule, UNKNOWN, reason=unseen or ELSEWHERE)
    return RuleVerdict(rule, COMPLIANT if entry.get("domains") else NOT_APPLICABLE)
