"""What was seen on a host, and what it means: findings, verdicts, states, the host record.

Pure data and pure decisions; both the host and the controller speak it. Standard library only, Python 3.9 and newer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Collection, Iterable, Mapping, Sequence

from ..base.json_text import format_json
from ..base.tuples import NamedTuple
from . import words

if TYPE_CHECKING:
    from typing import Literal, TypeVar

    from .types.plan import PlanEntry
    from .types.record import ControlRecord, FindingRecord, ObservedRecord, RecordError, RuleRecord

    Field = Literal["kind", "id", "manager", "version", "scope", "path", "detail"]
    Item = TypeVar("Item")

RECORD_SCHEMA = words.RECORD_SCHEMA

# What an answer may come to. A host keeps to it (`limit_evidence`), so what has more is no answer of our code, and the
# controller refuses it. A host with everything wrong has some 1,100 rules, a finding of each, and 0.4 MB.
MAX_ANSWER_BYTES = 2 * 1024 * 1024  # bytes of an observation: rules, their evidence, and what is beside them
MAX_DIFFERENCE_CHARACTERS = 4 * 1024 * 1024  # characters of what a change shows of files, before and after
MAX_EVIDENCE_BYTES = 1024 * 1024  # of findings and reasons, as they are printed
MAX_RULES = 10_000
MAX_FINDINGS = 4_000  # of a record
MAX_RULE_FINDINGS = 1_000
MAX_REASON_LENGTH = 2_000  # characters
MORE_FINDINGS = "more"  # the kind of a finding that says how many others there are

STATES = words.STATES  # worst first
ERROR, NONCOMPLIANT, UNKNOWN, WAIVED, REPAIRED, COMPLIANT, NOT_APPLICABLE = STATES

OPEN_STATES = (ERROR, NONCOMPLIANT, UNKNOWN)  # of these, the ones in which the ban is not known to be in effect

# Why a rule does not apply of which nobody knows what to look for. It is counted and shown, and never compliant.
NO_IDENTIFIERS_REASON = "nothing known to look for"
# Why a program is only reported that a catalogue knows as one for restricted and for permitted accounts.
SERVES_BOTH_REASON = "serves both: its programs are used with permitted accounts, too"

# Rules that a run evaluates only on request: a run without the request does not list them and says nothing of them.
RULES_ON_REQUEST = frozenset({"browser/probe"})

# Instead of a state, of a control whose ban was lifted and that no run has observed since.
_, _, LIFTED, _ = words.EXTRA_STATES

GROUP_POLICY, WATCH = EXTRA_RULE_GROUPS = words.EXTRA_RULE_GROUPS
WATCHER, WATCH_PLAN, WATCH_CORRECTIONS = "watch/watcher", "watch/plan", "watch/corrections"  # rules of the watch
# What no correction of the watch changes: a run renews a stale plan, and what is not corrected is other rules'.
_RULES_ONLY_REPORTED = (WATCH_PLAN, WATCH_CORRECTIONS)

# What proscribe_compliance_gate can be, mildest first, and the states that make a host fail then.
GATES = dict(zip(words.GATES, ((), (ERROR, NONCOMPLIANT), OPEN_STATES)))


class Finding(NamedTuple):
    """One piece of evidence on a host. Empty fields do not apply to its kind."""

    kind: str  # package, process, policy, table, set, unit, hosts_line, ...
    id: str  # the package name, the application id, the domain, the set
    manager: str = ""  # dpkg, flatpak, chromium, firefox, nftables, hosts
    version: str = ""
    scope: str = ""  # system, or user:<name>, or pid:<number> user:<name>
    path: str = ""
    detail: str = ""  # a few words for people: what is wrong with it

    def convert_to_dict(self) -> FindingRecord:
        """The finding as it stands in a host record: every key always there, null where it does not apply."""
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
    """What `observe` says of one rule."""

    rule: str  # <control>/<service> or <control>/<setting>
    state: str
    findings: tuple[Finding, ...] = ()
    waiver: str = ""
    reason: str = ""
    drifted: bool = False  # enforcing this control would correct it
    attempts: int = 0  # how often this host has refused what the rule is about, since it began to count

    def convert_to_dict(self) -> RuleRecord:
        return {
            "rule": self.rule,
            "state": self.state,
            "waiver": self.waiver or None,
            "reason": self.reason or None,
            "findings": [finding.convert_to_dict() for finding in self.findings],
        }


def find_covering_waiver(entry: PlanEntry, finding: Finding, place: str = "") -> str:
    """The waiver that covers a finding although the rule's mode does not change; "" if none does.

    Such a waiver is for some users, versions or paths; the finding has to fit in each of these that it names. `place`
    is where the finding belongs to, if that is another path than its own: the installation of a running program.
    A version counts only where root can trust it: of a package that is installed for the whole host, and of a program
    that runs from one. What a user's file is called, or says in his own home, is his word.
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
    """Whether a service is restricted for whom something seen belongs to: the members of `only`, or everybody. What
    belongs to no user serves the others too.
    """
    return "only" not in entry or finding.scope.partition("user:")[2] in entry["only"]["users"]


def _has_trusted_version(finding: Finding) -> bool:
    """Whether a finding has a version that root can trust; a process has none but such a one (apps/running.py)."""
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
    """Turn what was seen of a rule into its verdict.

    `entry` is the rule's part of the plan, and `violations` is the evidence against it. `unchecked` says what could not be
    checked ("" if everything was). What is restricted for the members of groups only (`is_user_restricted`) is in doubt where a
    group's members are not known. `find_waiver` says which waiver covers a finding, where that takes more than the
    finding itself (`find_covering_waiver`).
    """
    findings = tuple(violations)
    mode = entry["mode"]
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
    waivers = [find_waiver(finding) if find_waiver else find_covering_waiver(entry, finding) for finding in findings]
    covered = {finding: waiver for finding, waiver in zip(findings, waivers) if waiver}
    open_findings = tuple(finding for finding, waiver in zip(findings, waivers) if not waiver)
    if open_findings:
        reason = "; ".join(filter(None, [_describe_covered(covered), entry.get("unresolved", ""), members_unknown]))
        return RuleVerdict(rule, NONCOMPLIANT, open_findings, reason=reason, drifted=mode == "enforce")
    if unchecked or members_unknown:  # what could not be checked may be what no waiver covers
        return RuleVerdict(
            rule, UNKNOWN, reason="; ".join(filter(None, [unchecked, members_unknown, _describe_covered(covered)]))
        )
    if covered:
        waiver, *other_waivers = dict.fromkeys(waivers)
        return RuleVerdict(
            rule, WAIVED, findings, waiver=waiver, reason=_describe_covered(covered) if other_waivers else ""
        )
    return RuleVerdict(rule, COMPLIANT)


def _describe_covered(covered: Mapping[Finding, str]) -> str:
    """What else was seen and does not count, by the waiver that covers it; "" for nothing."""
    texts_by_waiver: dict[str, list[str]] = {}
    for finding, waiver in covered.items():
        texts = f"{finding.kind} {finding.id} {finding.version}".rstrip()
        user = finding.scope.partition("user:")[2]
        texts_by_waiver.setdefault(waiver, []).append(f"{texts} ({user})" if user else texts)
    return "; ".join(
        f"waiver {waiver} covers {', '.join(dict.fromkeys(texts))}" for waiver, texts in texts_by_waiver.items()
    )


def limit_evidence(rules: Sequence[RuleRecord]) -> list[RuleRecord]:
    """The rules of a record with as much evidence as it may have. Users can make more: then each rule has its first
    findings, and a last one that says how many more there were, and long texts are cut. No rule or state is lost.
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
    """The first findings of too many, and one that says how many more there were."""
    if len(findings) <= max_findings:
        return findings, []
    return findings[: max_findings - 1], [
        Finding(MORE_FINDINGS, f"{len(findings) - max_findings + 1:,} more findings").convert_to_dict()
    ]


def _shorten_rule(rule: RuleRecord, max_findings: int) -> RuleRecord:
    """A rule with that many findings, and texts that go with their number."""
    max_length = max(4 * max_findings, 80)
    all_findings = rule["findings"]
    first_ones, more = take_first_findings(
        all_findings if len(all_findings) <= max_findings else _order_by_turn(all_findings), max_findings
    )
    findings = [finding.copy() for finding in first_ones]
    for finding in findings:
        for key in FINDING_FIELDS:
            if text := finding[key]:
                finding[key] = _truncate_middle(text, max_length)
    reason = rule["reason"] and _truncate_middle(rule["reason"], min(max_length, MAX_REASON_LENGTH))
    return {**rule, "reason": reason, "findings": [*findings, *more]}


def _order_by_turn(findings: Sequence[FindingRecord]) -> list[FindingRecord]:
    """Order findings so that each user has one in turn: the many of one user hide nobody's."""
    turns: dict[str, int] = {}

    def count_turn(finding: FindingRecord) -> int:
        user = (finding["scope"] or "").partition("user:")[2]
        turns[user] = turns.get(user, -1) + 1
        return turns[user]

    return sorted(findings, key=count_turn)


def _truncate_middle(text: str, max_length: int) -> str:
    """A text without what is in its middle: a long path ends with the file, and a reason with what is wrong."""
    end = max_length // 3
    return text if len(text) <= max_length else f"{text[: max_length - end - 3]}...{text[-end:]}"


def _measure_evidence(rules: Sequence[RuleRecord]) -> int:
    """How many bytes findings and reasons take as they are printed."""
    return sum(
        len(format_json(rule["reason"]))
        + sum(len(format_json(field)) for finding in rule["findings"] for field in finding.values())
        for rule in rules
    )


def find_worst_state(states: Iterable[str]) -> str:
    """The worst of some states; `unknown` for none at all, since nothing evaluated is never a success."""
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
    """A host's answer. The controller adds `host`, the inventory name, which a host cannot know.

    Rules that are compliant or not applicable with nothing to report are only counted. So are those of which the plan
    itself has nothing to look for (`nothing_known`, by control). They are counted by control too, so that a later
    observation of one control leaves what is known of the others. `attempts` has for each rule how many packets were
    refused; a compliant host has some all the same.
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
        or verdict.reason.startswith(NO_IDENTIFIERS_REASON)
    ]
    return {
        "schema": RECORD_SCHEMA,
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
    """Return the noncompliant rules that a correction of the drifted controls is for."""
    noncompliant_rules = (rule["rule"] for rule in record["rules"] if rule["state"] == NONCOMPLIANT)
    rules = [rule for rule in noncompliant_rules if rule not in _RULES_ONLY_REPORTED]
    return [rule for rule in rules if rule.partition("/")[0] in drifted]


def _find_unseen_controls(record: ObservedRecord) -> set[str]:
    """The controls of which an observation saw nothing: each rule that the plan names for them is in doubt."""
    doubtful_counts: dict[str, int] = {}
    for rule in record["rules"]:
        name = rule["rule"].partition("/")[0]
        doubtful_counts[name] = doubtful_counts.get(name, 0) + (rule["state"] in (ERROR, UNKNOWN))
    counts = record.get("controls", {}).items()
    return {
        name
        for name, control in counts
        if 0 < control["evaluated"] - control["not_applicable"] == doubtful_counts.get(name)
    }


def mark_repaired_rules(before: ObservedRecord, after: ObservedRecord) -> ObservedRecord:
    """The second record of an enforcing run, with the rules that were wrong before and are compliant now as `repaired`.

    `found_at` is then when they were seen to be wrong, and `checked_at` when they were seen to be compliant.
    `logged_in` is who was there when they were found. Only a rule that the fresh observation no longer lists, or lists
    as compliant, is repaired. What else it lists stays as it was seen. Of a control that it could not see, nothing is
    repaired.
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
    if sum(len(rule["findings"]) for rule in rules) > MAX_FINDINGS:  # each of the two had as many as it may
        rules = limit_evidence(rules)
    state = min([after["state"], *(REPAIRED for _ in repaired_rules)], key=STATES.index)
    repaired: ObservedRecord = {**after, "state": state, "rules": sorted(rules, key=lambda rule: rule["rule"])}
    if repaired_rules and (found_at := before["checked_at"]):
        repaired["found_at"] = found_at
    if "logged_in" in before:
        repaired["logged_in"] = before["logged_in"]
    return repaired
