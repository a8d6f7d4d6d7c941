"""What was seen on a host, and what it means: findings, verdicts, states, the host record.

Pure data and pure decisions; both the host and the controller speak it. Standard library only, Python 3.9 and newer.
"""

from __future__ import annotations

from typing import Any, Iterable, Mapping, NamedTuple, Sequence

RECORD_SCHEMA = "proscribe/host/1"

ERROR = "error"
NONCOMPLIANT = "noncompliant"
UNKNOWN = "unknown"
WAIVED = "waived"
REPAIRED = "repaired"
COMPLIANT = "compliant"
NOT_APPLICABLE = "not_applicable"

# Worst first. A host's state is the worst state of its rules, so what could not be seen is never milder than what was.
STATES = (ERROR, NONCOMPLIANT, UNKNOWN, WAIVED, REPAIRED, COMPLIANT, NOT_APPLICABLE)

# What proscribe_compliance_gate can be, mildest first, and the states that make a host fail then.
GATES = {"never": (), "noncompliant": (ERROR, NONCOMPLIANT), "incomplete": (ERROR, NONCOMPLIANT, UNKNOWN)}


class Finding(NamedTuple):
    """One piece of evidence on a host. Empty fields do not apply to its kind."""

    kind: str  # package, process, policy, table, set, unit, hosts_line, ...
    id: str  # the package name, the application id, the domain, the set
    manager: str = ""  # dpkg, flatpak, chromium, firefox, nftables, hosts
    version: str = ""
    scope: str = ""  # system, or user:<name>, or pid:<number> user:<name>
    path: str = ""
    detail: str = ""  # a few words for people: what is wrong with it

    def as_dict(self) -> dict[str, Any]:
        """The finding as it stands in a host record: every key always there, null where it does not apply."""
        return {key: value or None for key, value in self._asdict().items()}


class Verdict(NamedTuple):
    """What `observe` says of one rule."""

    rule: str  # <control>/<service> or <control>/<setting>
    state: str
    findings: tuple[Finding, ...] = ()
    waiver: str = ""
    reason: str = ""
    drifted: bool = False  # enforcing this control would correct it

    def as_dict(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "state": self.state,
            "waiver": self.waiver or None,
            "reason": self.reason or None,
            "findings": [finding.as_dict() for finding in self.findings],
        }


def judge(rule: str, entry: Mapping[str, Any], violations: Iterable[Finding], unseen: str = "") -> Verdict:
    """Turn what was seen of a rule into its verdict.

    `entry` is the rule's part of the plan (its `mode`, and `waiver` or `effective_from` where these apply),
    `violations` is the evidence against it, `unseen` says what could not be looked at ("" if everything was).
    """
    found = tuple(violations)
    mode = entry["mode"]
    if mode == "upcoming":
        return Verdict(rule, NOT_APPLICABLE, found, reason=f"upcoming: in force from {entry['effective_from']}")
    if mode == "report":
        return Verdict(rule, NOT_APPLICABLE, found, reason="report only: the catalogue does not restrict it by itself")
    if found and mode == "waived":
        return Verdict(rule, WAIVED, found, waiver=entry["waiver"])
    if found:
        return Verdict(rule, NONCOMPLIANT, found, drifted=mode == "enforce")
    if unseen:
        return Verdict(rule, UNKNOWN, reason=unseen)
    return Verdict(rule, COMPLIANT)


def worst(states: Iterable[str]) -> str:
    """The worst of some states; `unknown` for none at all, since nothing evaluated is never a success."""
    ranks = [STATES.index(state) for state in states]
    return STATES[min(ranks)] if ranks else UNKNOWN


def host_record(
    *,
    plan_digest: str,
    checked_at: str,
    platform: Mapping[str, Any],
    verdicts: Sequence[Verdict],
    errors: Sequence[Mapping[str, str]],
    duration_ms: int,
) -> dict[str, Any]:
    """A host's answer. The controller adds `host`, the inventory name, which a host cannot know.

    Rules that are plainly compliant, or not applicable with nothing found, are only counted.
    """
    told = [v for v in verdicts if v.state != COMPLIANT and (v.findings or v.state != NOT_APPLICABLE)]
    return {
        "schema": RECORD_SCHEMA,
        "state": worst(verdict.state for verdict in verdicts),
        "plan": plan_digest,
        "checked_at": checked_at,
        "platform": dict(platform),
        "rules_evaluated": len(verdicts),
        "rules_not_applicable": sum(verdict.state == NOT_APPLICABLE for verdict in verdicts),
        "rules": [verdict.as_dict() for verdict in sorted(told)],
        "errors": [dict(error) for error in errors],
        "duration_ms": duration_ms,
    }


def mark_repaired(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The second record of an enforcing run, with the rules that were wrong before and hold now as `repaired`.

    Only a rule that the fresh observation no longer lists is repaired; what it lists stays as it was seen.
    """
    listed = {rule["rule"] for rule in after["rules"]}
    wrong = [r for r in before["rules"] if r["state"] in (ERROR, NONCOMPLIANT) and r["rule"] not in listed]
    rules = [*after["rules"], *({**rule, "state": REPAIRED} for rule in wrong)]
    state = min([after["state"], *(REPAIRED for _ in wrong)], key=STATES.index)
    return {**after, "state": state, "rules": sorted(rules, key=lambda rule: str(rule["rule"]))}
