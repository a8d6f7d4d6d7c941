"""The rule `watch/corrections`: whether the watch corrects what has drifted, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Iterator, Sequence

from ...model.finding import COMPLIANT, NONCOMPLIANT, WATCH_CORRECTIONS, Finding, Verdict
from ..system import Host, one_line
from .state import files, pause

if TYPE_CHECKING:
    from ...model.types.watch import Uncorrected
    from ..controls.base import Action

LONGEST = 300  # characters of a reason
MOST_USERS = 20  # users of a control that are named


def list_by_user(control: str, left: Iterable[tuple[Action, str]]) -> list[Uncorrected]:
    """Return why changes of users' things were not made: the first reason of each user, and the number of users that
    are not named.
    """
    reasons: dict[str, str] = {}
    for action, reason in left:
        reasons.setdefault(action.user, reason)
    uncorrected = [make_uncorrected(control, user, reason) for user, reason in list(reasons.items())[:MOST_USERS]]
    if len(reasons) > MOST_USERS:
        uncorrected.append(make_uncorrected(control, "", f"and {len(reasons) - MOST_USERS:,} more users"))
    return uncorrected


def make_uncorrected(control: str, user: str, reason: str) -> Uncorrected:
    """Describe what was not corrected of a control; `user` is "" for what is the host's."""
    return {"control": control, "user": user, "reason": one_line(reason)[:LONGEST]}


def judge_corrections(host: Host, drifted: Sequence[Verdict]) -> Verdict:
    """Judge the corrections of the last own observation, as far as they are about what has `drifted` still."""
    wrong = tuple(_list_uncorrected(host, drifted))
    return Verdict(WATCH_CORRECTIONS, NONCOMPLIANT if wrong else COMPLIANT, wrong)


def _list_uncorrected(host: Host, drifted: Sequence[Verdict]) -> Iterator[Finding]:
    if not drifted:
        return
    if frozen := pause.active(host):
        detail = f"root has frozen the watch until {frozen['until']} (by {frozen['by']}): {frozen['reason']}"
        yield Finding("pause", files.FROZEN, detail=detail)
    for entry in files.state(host).get("uncorrected", ()):
        if any(_is_about(entry, verdict) for verdict in drifted):
            scope = f"user:{entry['user']}" if entry["user"] else ""
            yield Finding("correction", entry["control"], scope=scope, detail=entry["reason"])


def _is_about(entry: Uncorrected, verdict: Verdict) -> bool:
    if verdict.rule.partition("/")[0] != entry["control"]:
        return False
    user = entry["user"]
    return not user or any(finding.scope.partition("user:")[2] == user for finding in verdict.findings)
