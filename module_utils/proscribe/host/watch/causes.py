"""What rules were wrong by: one deleted file of policies is one cause, however many rules it was for. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Sequence

if TYPE_CHECKING:
    from ...model.types.record import FindingRecord, ObservedRecord, RuleRecord


def by_cause(record: ObservedRecord, rules: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Some rules of a record by what was found of them: [(the cause in words, its rules)]. Each rule is there once."""
    found: dict[tuple[str, ...], list[RuleRecord]] = {}
    chosen = set(rules)
    for rule in record["rules"]:
        if rule["rule"] in chosen:
            control = rule["rule"].partition("/")[0]
            found.setdefault((control, *sorted(set(map(evidence, rule["findings"])))), []).append(rule)
    return [
        (named(group[0]["findings"], details=len(group) == 1), [rule["rule"] for rule in group])
        for group in found.values()
    ]


def evidence(finding: FindingRecord) -> str:
    """A finding in a few words."""
    return f"{finding['kind']} {finding['path'] or finding['id']}"


def named(findings: Sequence[FindingRecord], details: bool = True) -> str:
    """What was found, in a line; with the details of the first finding on request."""
    if not findings:
        return ""
    detail = findings[0].get("detail")
    first = f"{evidence(findings[0])}: {detail}" if details and detail else evidence(findings[0])
    more = len(set(map(evidence, findings))) - 1
    return f"{first}, and {more} more" if more else first
