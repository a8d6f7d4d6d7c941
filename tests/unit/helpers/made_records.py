"""Made host records as reports have them, and rules of them."""

from typing import Any


def make_rule(name: str, state: str = "noncompliant", reason: str | None = None, *findings: Any, **more: Any) -> Any:
    return {"rule": name, "state": state, "waiver": None, "reason": reason, "findings": list(findings), **more}


def make_record(host: str = "web01", state: str = "compliant", *rules: Any, **more: Any) -> Any:
    """Make the record of a host that evaluated three rules, of which it lists these."""
    at = "2026-11-25T01:00:30Z"
    facts = {"schema": "proscribe/host/1", "host": host, "state": state, "plan": "sha256:1", "checked_at": at}
    facts |= {"reason": None, "platform": {"os": "debian"}, "rules_evaluated": 3, "rules_not_applicable": 1}
    return {**facts, "rules": list(rules), "errors": [], "controls": {}, "attempts": {}, "duration_ms": 40, **more}
