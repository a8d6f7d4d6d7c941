"""Observations and verdicts as lines of a recorded file."""

from collections.abc import Mapping, Set
from typing import Any

from proscribe.model.finding import Finding, RuleVerdict


def describe_fields(fields: Mapping[str, Any]) -> list[str]:
    """List the fields that have a value, a line each."""
    ordered = {name: sorted(value) if isinstance(value, Set) else value for name, value in fields.items()}
    return [f"  {name}: {value}" for name, value in ordered.items() if value]


def describe_finding(finding: Finding) -> str:
    return f"  {' | '.join(finding)}".rstrip(" |")


def describe_verdict(case: str, verdict: RuleVerdict) -> list[str]:
    """List a verdict, which enforcing would correct where it is `drifted`, and its findings."""
    said = [verdict.state, *["drifted"] * verdict.drifted, *filter(None, (verdict.waiver, verdict.reason))]
    return [f"{case}: {', '.join(said)}", *map(describe_finding, verdict.findings)]
