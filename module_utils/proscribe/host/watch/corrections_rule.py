"""Rule `watch/corrections`: the host's watcher corrects drift, or reports why it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Sequence

from ...model.finding import COMPLIANT, NONCOMPLIANT, WATCH_CORRECTIONS, Finding, RuleVerdict
from ..system import Host
from .state import pause, watch_files

if TYPE_CHECKING:
    from ...model.types.watch import UncorrectedControl


def judge_corrections(host: Host, drifted: Sequence[RuleVerdict]) -> RuleVerdict:
    """Judge whether the last observation by the host's watcher left drift uncorrected.

    `drifted` are the current verdicts of drifted rules. An uncorrected part counts only while one of these verdicts
    concerns the same control and user.
    """
    findings = tuple(_list_uncorrected(host, drifted))
    return RuleVerdict(WATCH_CORRECTIONS, NONCOMPLIANT if findings else COMPLIANT, findings)


def _list_uncorrected(host: Host, drifted: Sequence[RuleVerdict]) -> Iterator[Finding]:
    """Yield a finding for a pause of the watcher, and for each uncorrected part that is still drifted."""
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
    """Return whether a verdict concerns the control, and the user if there is one, of an uncorrected part.

    `entry` is the uncorrected part, as the last observation stored it.
    """
    if verdict.rule.partition("/")[0] != entry["control"]:
        return False
    user = entry["user"]
    return not user or any(finding.scope.partition("user:")[2] == user for finding in verdict.findings)
