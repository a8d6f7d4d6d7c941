"""Causes of drifted rules: a deleted policy file is a single cause, however many rules need the file.

No input or output here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Sequence

if TYPE_CHECKING:
    from ...model.types.record import FindingRecord, ObservedRecord, RuleRecord


def group_by_cause(record: ObservedRecord, rules: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Return the chosen `rules` of a record, grouped by cause: [(cause in words, names of its rules)].

    Rules of one control with the same evidence have one cause. Each rule occurs once.
    """
    rules_by_evidence: dict[tuple[str, ...], list[RuleRecord]] = {}
    chosen = set(rules)
    for rule in record["rules"]:
        if rule["rule"] in chosen:
            control = rule["rule"].partition("/")[0]
            rules_by_evidence.setdefault((control, *sorted(set(map(describe_evidence, rule["findings"])))), []).append(
                rule
            )
    return [
        (describe_findings(group[0]["findings"], details=len(group) == 1), [rule["rule"] for rule in group])
        for group in rules_by_evidence.values()
    ]


def describe_evidence(finding: FindingRecord) -> str:
    """Return the kind of a finding with its path or id."""
    return f"{finding['kind']} {finding['path'] or finding['id']}"


def describe_findings(findings: Sequence[FindingRecord], details: bool = True) -> str:
    """Return findings as one line: the first finding, and the number of others with different evidence.

    With `details`, the detail of the first finding is in the line. No findings give "".
    """
    if not findings:
        return ""
    detail = findings[0].get("detail")
    description = (
        f"{describe_evidence(findings[0])}: {detail}" if details and detail else describe_evidence(findings[0])
    )
    more_count = len(set(map(describe_evidence, findings))) - 1
    return f"{description}, and {more_count} more" if more_count else description
