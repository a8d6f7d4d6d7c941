"""Rule `watch/corrections`: the watch corrects drift, or reports the reason if it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Sequence

from ...model.finding import COMPLIANT, NONCOMPLIANT, WATCH_CORRECTIONS, Finding, RuleVerdict
from ..system import Host
from .state import pause, watch_files

if TYPE_CHECKING:
    from ...model.types.watch import UncorrectedControl


def judge_corrections(host: Host, drifted: Sequence[RuleVerdict]) -> RuleVerdict:
    """Judge the corrections of the last own observation.

    A correction counts only while the verdicts in `drifted` still concern it.
    """
    findings = tuple(_list_uncorrected(host, drifted))
    return RuleVerdict(WATCH_CORRECTIONS, NONCOMPLIANT if findings else COMPLIANT, findings)


def _list_uncorrected(host: Host, drifted: Sequence[RuleVerdict]) -> Iterator[Finding]:
    if not drifted:
        return
    if frozen := pause.read_active_pause(host):
        detail = f"root has frozen the watch until {frozen['until']} (by {frozen['by']}): {frozen['reason']}"
        yield Finding("pause", watch_files.FROZEN_PATH, detail=detail)
    for entry in watch_files.read_last_observation(host).get("uncorrected", ()):
        if any(_is_about(entry, verdict) for verdict in drifted):
            scope = f"user:{entry['user']}" if entry["user"] else ""
            yield Finding("correction", entry["control"], scope=scope, detail=entry["reason"])


def _is_about(entry: UncorrectedControl, verdict: RuleVerdict) -> bool:
    if verdict.rule.partition("/")[0] != entry["control"]:
        return False
    user = entry["user"]
    return not user or any(finding.scope.partition("user:")[2] == user for finding in verdict.findings)
