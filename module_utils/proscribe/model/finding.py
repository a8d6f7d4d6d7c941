"""Findings on a host and the verdicts about them: evidence, states, the host record.

Pure data and pure decisions for both the host and the controller. Standard library only, Python 3.9 and newer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Collection, Iterable, Mapping, Sequence

from ..base.json_text import format_json
from ..base.named_tuple import NamedTuple
from . import vocabulary

if TYPE_CHECKING:
    from typing import Literal, TypeVar

    from .types.plan import PlanEntry
    from .types.record import ControlRecord, FindingRecord, ObservedRecord, RecordError, RuleRecord

    Field = Literal["kind", "id", "manager", "version", "scope", "path", "detail"]
    Item = TypeVar("Item")

RECORD_SCHEMA = vocabulary.RECORD_SCHEMA

# The limits of a host's answer. Proscribe's code on hosts obeys these limits (`limit_evidence`). So a larger answer is
# not from this code, and the controller refuses it. A host that violates every rule has some 1,100 rules with a finding
# each, in 0.4 MB.
MAX_ANSWER_BYTES = 2 * 1024 * 1024  # bytes of an observation: rules, their evidence, and all other keys
MAX_DIFFERENCE_CHARACTERS = 4 * 1024 * 1024  # characters of all file contents that a change shows, before and after
MAX_EVIDENCE_BYTES = 1024 * 1024  # bytes of findings and reasons in JSON
# The controller refuses more than MAX_LIST_ITEMS rules, as with every list (types/annotations.py).
MAX_FINDINGS = 4_000  # findings of a record
MAX_RULE_FINDINGS = 1_000
MAX_REASON_LENGTH = 2_000  # characters of a reason
MORE_FINDINGS = "more"  # the kind of a finding that only has the number of further findings, which were left out

STATES = vocabulary.STATES  # worst first
ERROR, NONCOMPLIANT, UNKNOWN, WAIVED, REPAIRED, COMPLIANT, NOT_APPLICABLE = STATES

OPEN_STATES = (ERROR, NONCOMPLIANT, UNKNOWN)  # states of a rule that is violated, or not known to be met

# The reason of a rule without identifiers, which does not apply. It is counted and shown, and never compliant.
NO_IDENTIFIERS_REASON = "nothing known to look for"
# The beginning of the reason of a rule that the platform of the host does not let anybody observe. Such a rule is
# listed, and it is neither compliant nor unknown.
NOT_OBSERVABLE_REASON = "not observable here"
_LISTED_REASONS = (NO_IDENTIFIERS_REASON, NOT_OBSERVABLE_REASON)
# The reason of a program that is only reported, because it serves restricted and permitted accounts.
SERVES_BOTH_REASON = "serves both: its programs are used with permitted accounts, too"

# Rules that a run evaluates only on request. The record of another run says nothing about them.
RULES_ON_REQUEST = frozenset({"browser/probe"})

# Used instead of a state: the ban of a control was removed from the host (lifted), and no run has observed it since.
_, _, LIFTED, _ = vocabulary.EXTRA_STATES

GROUP_POLICY, WATCH = EXTRA_RULE_GROUPS = vocabulary.EXTRA_RULE_GROUPS
WATCHER, WATCH_PLAN, WATCH_CORRECTIONS = "watch/watcher", "watch/plan", "watch/corrections"  # rules about the watch
# No correction by the watch changes these rules. A run renews a stale plan; uncorrected drift belongs to other rules.
_RULES_ONLY_REPORTED = (WATCH_PLAN, WATCH_CORRECTIONS)

# The values of proscribe_compliance_gate, mildest first, each with the states that make a host fail.
GATES = dict(zip(vocabulary.GATES, ((), (ERROR, NONCOMPLIANT), OPEN_STATES)))


class Finding(NamedTuple):
    """A piece of evidence on a host.

    Fields that do not apply to its kind are empty.
    """

    kind: str  # such as package, process, policy, table, set, unit, hosts_line
    id: str  # the package name, the application id, the domain, the set
    manager: str = ""  # dpkg, flatpak, chromium, firefox, nftables, hosts
    version: str = ""
    scope: str = ""  # system, or user:<name>, or pid:<number> user:<name>
    path: str = ""
    detail: str = ""  # the fault, in a few words for people

    def convert_to_dict(self) -> FindingRecord:
        """Return the finding as in a host record: with every key, null where it does not apply."""
        return {
            "kind": self.kind,
            "id": self.id,
            "manager": self.manager or None,
            "version": self.version or None,
            "scope": self.scope or None,
            "path": self.path or None,
            "detail": self.detail or None,
        }


FINDING_FIELDS: tuple[Field, ...] = ("kind", "id", "manager", "version", "scope", "path", "detail")


class RuleVerdict(NamedTuple):
    """The verdict of an observation about a rule."""

    rule: str  # <control>/<service> or <control>/<setting>
    state: str
    findings: tuple[Finding, ...] = ()
    waiver: str = ""  # id of the waiver that covers the rule; "" for none
    reason: str = ""
    drifted: bool = False  # True if an enforcing run would correct the rule
    attempts: int = 0  # packets that this host has refused for the rule since its counters began

    def convert_to_dict(self) -> RuleRecord:
        """Return the verdict as a rule of a host record.

        `drifted` and `attempts` are left out: they are not part of a rule there.
        """
        return {
            "rule": self.rule,
            "state": self.state,
            "waiver": self.waiver or None,
            "reason": self.reason or None,
            "findings": [finding.convert_to_dict() for finding in self.findings],
        }


def find_covering_waiver(entry: PlanEntry, finding: Finding, place: str = "") -> str:
    """Return the id of the partial waiver that covers a finding; "" for none.

    `entry` is the service's part of the plan. A partial waiver is limited to some users, versions or paths. The finding
    must match every limit that the waiver has. `place` is the installation path of a running program. The waiver may
    list this path instead of the path of the finding.

    A version counts only if root can trust it: the version of a package installed for the whole host, and of its
    programs. In their homes users choose names and versions of files themselves.
    """
    user = finding.scope.partition("user:")[2]
    for exception in entry.get("exceptions", ()):
        if (
            ("users" not in exception or (user and user in exception["users"]))
            and (
                "versions" not in exception
                or (_has_trusted_version(finding) and finding.version in exception["versions"])
            )
            and ("paths" not in exception or not {finding.path, place}.isdisjoint(exception["paths"]))
        ):
            return str(exception["waiver"])
    return ""


def is_user_restricted(entry: PlanEntry, finding: Finding) -> bool:
    """Return whether a service is restricted for the user of a finding.

    Without `only` in the entry, the service is restricted for everybody. With `only`, it is restricted for members of
    groups. Then a finding that belongs to no user is not restricted, because it serves other users, too.
    """
    return "only" not in entry or finding.scope.partition("user:")[2] in entry["only"]["users"]


def _has_trusted_version(finding: Finding) -> bool:
    """Return whether root can trust the version of a finding.

    A process has a version only if root can trust it (host/controls/apps/running_programs.py).
    """
    return bool(finding.version) and (
        finding.kind == "process" or (finding.kind, finding.scope) == ("package", "system")
    )


def judge_rule(
    rule: str,
    entry: PlanEntry,
    violations: Iterable[Finding],
    unchecked: str = "",
    find_waiver: Callable[[Finding], str] | None = None,
) -> RuleVerdict:
    """Return the verdict about a rule, from the evidence of an observation.

    `entry` is the service's part of the plan, `violations` the evidence against the rule. `unchecked` describes the
    part that could not be checked; "" if everything was checked. A rule for members of groups is unknown while the
    members of a group are unknown (`is_user_restricted`).

    `find_waiver` returns the id of the waiver that covers a finding, or "". A caller passes `find_waiver` if
    `find_covering_waiver` cannot decide by the finding alone.
    """
    findings = tuple(violations)
    mode = entry["mode"]
    # the reason why members of the groups are unknown; "" if all are known
    members_unknown = entry.get("only", {}).get("unresolved", "")
    if mode == "upcoming":
        return RuleVerdict(rule, NOT_APPLICABLE, findings, reason=f"upcoming: in force from {entry['effective_from']}")
    if mode == "report":
        report_reason = (
            SERVES_BOTH_REASON if entry.get("serves_both") else "the catalogue does not restrict it by itself"
        )
        return RuleVerdict(rule, NOT_APPLICABLE, findings, reason=f"report only: {report_reason}")
    if findings and mode == "waived":
        return RuleVerdict(rule, WAIVED, findings, waiver=entry["waiver"])
    waiver_ids = [find_waiver(finding) if find_waiver else find_covering_waiver(entry, finding) for finding in findings]
    # A covered finding has a waiver, an open finding has none.
    covered_findings = {finding: waiver for finding, waiver in zip(findings, waiver_ids) if waiver}
    open_findings = tuple(finding for finding, waiver in zip(findings, waiver_ids) if not waiver)
    if open_findings:
        reason = "; ".join(
            filter(None, [_describe_covered(covered_findings), entry.get("unresolved", ""), members_unknown])
        )
        return RuleVerdict(rule, NONCOMPLIANT, open_findings, reason=reason, drifted=mode == "enforce")
    if unchecked or members_unknown:  # the part that was not checked may have findings that no waiver covers
        return RuleVerdict(
            rule,
            UNKNOWN,
            reason="; ".join(filter(None, [unchecked, members_unknown, _describe_covered(covered_findings)])),
        )
    if covered_findings:
        # The verdict has a single waiver. If several waivers cover the findings, the reason lists all of them.
        waiver, *other_waivers = dict.fromkeys(waiver_ids)
        return RuleVerdict(
            rule, WAIVED, findings, waiver=waiver, reason=_describe_covered(covered_findings) if other_waivers else ""
        )
    return RuleVerdict(rule, COMPLIANT)


def make_unobservable_verdict(rule: str, unobservable: str) -> RuleVerdict:
    """Return the verdict on a rule that the platform of the host lets nobody observe; `unobservable` says what.

    What could be observed on the platform, and was not, makes a rule unknown instead (`judge_rule`).
    """
    return RuleVerdict(rule, NOT_APPLICABLE, reason=f"{NOT_OBSERVABLE_REASON}: {unobservable}")


def limit_to_observable(verdict: RuleVerdict, unobservable: str) -> RuleVerdict:
    """Return a verdict that claims nothing about the part `unobservable` of a rule; "" if there is no such part.

    With such a part, a compliant rule becomes one that is not observable. Every other verdict stays.
    """
    return (
        make_unobservable_verdict(verdict.rule, unobservable)
        if unobservable and verdict.state == COMPLIANT
        else verdict
    )


def _describe_covered(covered: Mapping[Finding, str]) -> str:
    """Return a text that lists for each waiver the findings that the waiver covers; "" for none.

    `covered` has the id of the waiver by finding.
    """
    texts_by_waiver: dict[str, list[str]] = {}
    for finding, waiver in covered.items():
        finding_text = f"{finding.kind} {finding.id} {finding.version}".rstrip()
        user = finding.scope.partition("user:")[2]
        texts_by_waiver.setdefault(waiver, []).append(f"{finding_text} ({user})" if user else finding_text)
    return "; ".join(
        f"waiver {waiver} covers {', '.join(dict.fromkeys(texts))}" for waiver, texts in texts_by_waiver.items()
    )


def limit_evidence(rules: Sequence[RuleRecord]) -> list[RuleRecord]:
    """Shorten the findings and texts of the rules of a record until they are within the limits.

    No rule and no state is lost. Users could exceed the limits, for example with many files. After shortening, each
    rule has its first findings, and a last finding with the number of the others. Long texts are cut.
    """
    shortened_rules: list[RuleRecord] = []
    for max_findings in (MAX_RULE_FINDINGS, 300, 100, 30, 10, 3, 1):
        shortened_rules = [_shorten_rule(rule, max_findings) for rule in rules]
        if (
            sum(len(rule["findings"]) for rule in shortened_rules) <= MAX_FINDINGS
            and _measure_evidence(shortened_rules) <= MAX_EVIDENCE_BYTES
        ):
            break
    return shortened_rules


def take_first_findings(findings: Sequence[Item], max_findings: int) -> tuple[Sequence[Item], list[FindingRecord]]:
    """Return the first findings, and a list with a finding that counts the others.

    If there are at most `max_findings` findings, all are returned, and the list is [].
    """
    if len(findings) <= max_findings:
        return findings, []
    return findings[: max_findings - 1], [
        Finding(MORE_FINDINGS, f"{len(findings) - max_findings + 1:,} more findings").convert_to_dict()
    ]


def _shorten_rule(rule: RuleRecord, max_findings: int) -> RuleRecord:
    """Return a rule with at most `max_findings` findings; if there are more, the last one counts the others.

    A smaller `max_findings` also shortens the texts of the findings, so that the record becomes smaller.
    """
    max_length = max(4 * max_findings, 80)
    all_findings = rule["findings"]
    first_findings, count_finding = take_first_findings(
        all_findings if len(all_findings) <= max_findings else _order_by_turn(all_findings), max_findings
    )
    findings = [finding.copy() for finding in first_findings]
    for finding in findings:
        for key in FINDING_FIELDS:
            if text := finding[key]:
                finding[key] = _truncate_middle(text, max_length)
    reason = rule["reason"] and _truncate_middle(rule["reason"], min(max_length, MAX_REASON_LENGTH))
    return {**rule, "reason": reason, "findings": [*findings, *count_finding]}


def _order_by_turn(findings: Sequence[FindingRecord]) -> list[FindingRecord]:
    """Order findings so that the first findings of all users come first, then their second findings, and so on.

    So many findings of one user do not hide the findings of other users.
    """
    turns: dict[str, int] = {}

    def count_turn(finding: FindingRecord) -> int:
        user = (finding["scope"] or "").partition("user:")[2]
        turns[user] = turns.get(user, -1) + 1
        return turns[user]

    return sorted(findings, key=count_turn)


def _truncate_middle(text: str, max_length: int) -> str:
    """Cut the middle of a text that is longer than `max_length`.

    The end matters: the end of a path is the file, and the end of a reason is the fault.
    """
    end = max_length // 3
    return text if len(text) <= max_length else f"{text[: max_length - end - 3]}...{text[-end:]}"


def _measure_evidence(rules: Sequence[RuleRecord]) -> int:
    """Return the bytes of all findings and reasons in JSON."""
    return sum(
        len(format_json(rule["reason"]))
        + sum(len(format_json(field)) for finding in rule["findings"] for field in finding.values())
        for rule in rules
    )


def find_worst_state(states: Iterable[str]) -> str:
    """Return the worst of the states.

    Without any state, the result is `unknown`, because an empty evaluation is never a success.
    """
    ranks = [STATES.index(state) for state in states]
    return STATES[min(ranks)] if ranks else UNKNOWN


def make_host_record(
    *,
    plan_digest: str,
    checked_at: str,
    platform: Mapping[str, str],
    verdicts: Sequence[RuleVerdict],
    errors: Sequence[RecordError],
    duration_ms: int,
    nothing_known: Mapping[str, int] = {},
) -> ObservedRecord:
    """Build the record of a host from the verdicts of an observation.

    The controller adds the key `host`, the inventory name, which a host cannot know. `nothing_known` has by control the
    number of rules without identifiers in the plan.

    Some rules are only counted: compliant rules, rules that do not apply and have no findings, and the rules in
    `nothing_known`. Each control has its own counts, so that a later observation of another control leaves them valid.
    `attempts` counts the refused packets by rule; a compliant host has some, too.
    """
    controls: dict[str, ControlRecord] = {}
    for verdict in verdicts:
        counts = controls.setdefault(verdict.rule.partition("/")[0], {"evaluated": 0, "not_applicable": 0})
        counts["evaluated"] += 1
        counts["not_applicable"] += verdict.state == NOT_APPLICABLE
    for control, count in nothing_known.items():
        if count:
            counts = controls.setdefault(control, {"evaluated": 0, "not_applicable": 0})
            counts["evaluated"] += count
            counts["not_applicable"] += count
    listed_verdicts = [
        verdict
        for verdict in verdicts
        if verdict.findings
        or verdict.state not in (COMPLIANT, NOT_APPLICABLE)
        or verdict.reason.startswith(_LISTED_REASONS)
    ]
    return {
        "schema": RECORD_SCHEMA,
        # The rules without identifiers count as one `not_applicable`. So a host with only such rules is not `unknown`.
        "state": find_worst_state(
            [*(verdict.state for verdict in verdicts), *[NOT_APPLICABLE][: sum(nothing_known.values())]]
        ),
        "plan": plan_digest,
        "checked_at": checked_at,
        "platform": dict(platform),
        "rules_evaluated": len(verdicts) + sum(nothing_known.values()),
        "rules_not_applicable": sum(counts["not_applicable"] for counts in controls.values()),
        "controls": controls,
        "rules": limit_evidence([verdict.convert_to_dict() for verdict in sorted(listed_verdicts)]),
        "attempts": {verdict.rule: verdict.attempts for verdict in sorted(verdicts) if verdict.attempts},
        "errors": [*errors],
        "duration_ms": duration_ms,
    }


def list_correctable_rules(record: ObservedRecord, drifted: Collection[str]) -> list[str]:
    """List the noncompliant rules that a correction of the controls `drifted` can change."""
    noncompliant_rules = (rule["rule"] for rule in record["rules"] if rule["state"] == NONCOMPLIANT)
    rules = [rule for rule in noncompliant_rules if rule not in _RULES_ONLY_REPORTED]
    return [rule for rule in rules if rule.partition("/")[0] in drifted]


def _find_unseen_controls(record: ObservedRecord) -> set[str]:
    """Return the controls that an observation could not see: all of their applicable rules are in error or unknown."""
    doubtful_counts: dict[str, int] = {}
    for rule in record["rules"]:
        control = rule["rule"].partition("/")[0]
        doubtful_counts[control] = doubtful_counts.get(control, 0) + (rule["state"] in (ERROR, UNKNOWN))
    rule_counts = record.get("controls", {}).items()
    # A control without any applicable rule is not unseen: there was nothing to see.
    return {
        control
        for control, counts in rule_counts
        if 0 < counts["evaluated"] - counts["not_applicable"] == doubtful_counts.get(control)
    }


def mark_repaired_rules(before: ObservedRecord, after: ObservedRecord) -> ObservedRecord:
    """Return the record after an enforcing run, in which the rules that the run corrected are `repaired`.

    `before` and `after` are the records of the observations before and after the correction. A rule is repaired if it
    was in error or noncompliant before, and is compliant or not listed afterwards. Other rules stay as they are. If the
    second observation could not see a control, none of its rules is repaired.

    `found_at` is the time of the first observation, `checked_at` of the second. `logged_in` comes from the first.
    """
    open_rules = {rule["rule"] for rule in after["rules"] if rule["state"] != COMPLIANT}
    unseen_controls = _find_unseen_controls(after)
    open_rules |= {rule["rule"] for rule in before["rules"] if rule["rule"].partition("/")[0] in unseen_controls}
    repaired_rules = {
        rule["rule"]: rule
        for rule in before["rules"]
        if rule["state"] in (ERROR, NONCOMPLIANT) and rule["rule"] not in open_rules
    }
    rules = [rule for rule in after["rules"] if rule["rule"] not in repaired_rules]
    rules += [{**rule, "state": REPAIRED} for rule in repaired_rules.values()]
    # Each of the two records may have as many findings as the limit permits.
    if sum(len(rule["findings"]) for rule in rules) > MAX_FINDINGS:
        rules = limit_evidence(rules)
    # `repaired` is worse than `compliant`, so a host with a repaired rule is at best `repaired`.
    state = min([after["state"], *(REPAIRED for _ in repaired_rules)], key=STATES.index)
    repaired: ObservedRecord = {**after, "state": state, "rules": sorted(rules, key=lambda rule: rule["rule"])}
    if repaired_rules and (found_at := before["checked_at"]):
        repaired["found_at"] = found_at
    if "logged_in" in before:
        repaired["logged_in"] = before["logged_in"]
    return repaired
