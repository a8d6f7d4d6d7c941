"""What was seen on a host, and what it means: findings, verdicts, states, the host record.

Pure data and pure decisions; both the host and the controller speak it. Standard library only, Python 3.9 and newer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Collection, Iterable, Mapping, Sequence

from ..base.json_text import written
from ..base.tuples import NamedTuple
from . import words

if TYPE_CHECKING:
    from typing import Literal, TypeVar

    from .types.plan import Entry
    from .types.record import Evidence, Observed, OfControl, RecordError, Rule

    Field = Literal["kind", "id", "manager", "version", "scope", "path", "detail"]
    Item = TypeVar("Item")

RECORD_SCHEMA = words.RECORD_SCHEMA

# What an answer may come to. A host keeps to it (`within_limits`), so what has more is no answer of our code, and the
# controller refuses it. A host with everything wrong has some 1,100 rules, a finding of each, and 0.4 MB.
LARGEST_ANSWER = 2 * 1024 * 1024  # bytes of an observation: rules, their evidence, and what is beside them
LARGEST_DIFFERENCES = 4 * 1024 * 1024  # characters of what a change shows of files, before and after
LARGEST_EVIDENCE = 1024 * 1024  # of findings and reasons, as they are printed
MOST_RULES = 10_000
MOST_FINDINGS = 4_000  # of a record
MOST_FINDINGS_OF_RULE = 1_000
LONGEST_REASON = 2_000  # characters
MORE = "more"  # the kind of a finding that says how many others there are

STATES = words.STATES  # worst first
ERROR, NONCOMPLIANT, UNKNOWN, WAIVED, REPAIRED, COMPLIANT, NOT_APPLICABLE = STATES

OPEN = (ERROR, NONCOMPLIANT, UNKNOWN)  # of these, the ones in which the ban is not known to be in effect

# Why a rule does not apply of which nobody knows what to look for. It is counted and shown, and never compliant.
NOTHING_KNOWN = "nothing known to look for"
# Why a program is only reported that a catalogue knows as one for restricted and for permitted accounts.
SERVES_BOTH = "serves both: its programs are used with permitted accounts, too"

# Rules that a run evaluates only on request: a run without the request does not list them and says nothing of them.
ON_REQUEST = frozenset({"browser/probe"})

# Instead of a state, of a control whose ban was lifted and that no run has observed since.
_, _, LIFTED, _ = words.BESIDE_STATES

GROUP_POLICY, WATCH = BESIDE = words.BESIDE
WATCHER, WATCH_PLAN, WATCH_CORRECTIONS = "watch/watcher", "watch/plan", "watch/corrections"  # rules of the watch
# What no correction of the watch changes: a run renews a stale plan, and what is not corrected is other rules'.
_REPORTED_ONLY = (WATCH_PLAN, WATCH_CORRECTIONS)

# What proscribe_compliance_gate can be, mildest first, and the states that make a host fail then.
GATES = dict(zip(words.GATES, ((), (ERROR, NONCOMPLIANT), OPEN)))


class Finding(NamedTuple):
    """One piece of evidence on a host. Empty fields do not apply to its kind."""

    kind: str  # package, process, policy, table, set, unit, hosts_line, ...
    id: str  # the package name, the application id, the domain, the set
    manager: str = ""  # dpkg, flatpak, chromium, firefox, nftables, hosts
    version: str = ""
    scope: str = ""  # system, or user:<name>, or pid:<number> user:<name>
    path: str = ""
    detail: str = ""  # a few words for people: what is wrong with it

    def as_dict(self) -> Evidence:
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


FIELDS: tuple[Field, ...] = ("kind", "id", "manager", "version", "scope", "path", "detail")


class Verdict(NamedTuple):
    """What `observe` says of one rule."""

    rule: str  # <control>/<service> or <control>/<setting>
    state: str
    findings: tuple[Finding, ...] = ()
    waiver: str = ""
    reason: str = ""
    drifted: bool = False  # enforcing this control would correct it
    attempts: int = 0  # how often this host has refused what the rule is about, since it began to count

    def as_dict(self) -> Rule:
        return {
            "rule": self.rule,
            "state": self.state,
            "waiver": self.waiver or None,
            "reason": self.reason or None,
            "findings": [finding.as_dict() for finding in self.findings],
        }


def exception_for(entry: Entry, finding: Finding, place: str = "") -> str:
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
            and ("versions" not in exception or (_proven(finding) and finding.version in exception["versions"]))
            and ("paths" not in exception or not {finding.path, place}.isdisjoint(exception["paths"]))
        ):
            return str(exception["waiver"])
    return ""


def concerns(entry: Entry, finding: Finding) -> bool:
    """Whether a service is restricted for whom something seen belongs to: the members of `only`, or everybody. What
    belongs to no user serves the others too.
    """
    return "only" not in entry or finding.scope.partition("user:")[2] in entry["only"]["users"]


def _proven(finding: Finding) -> bool:
    """Whether a finding has a version that root can trust; a process has none but such a one (apps/running.py)."""
    return bool(finding.version) and (
        finding.kind == "process" or (finding.kind, finding.scope) == ("package", "system")
    )


def judge(
    rule: str,
    entry: Entry,
    violations: Iterable[Finding],
    unseen: str = "",
    waiver_of: Callable[[Finding], str] | None = None,
) -> Verdict:
    """Turn what was seen of a rule into its verdict.

    `entry` is the rule's part of the plan, and `violations` is the evidence against it. `unseen` says what could not be
    checked ("" if everything was). What is restricted for the members of groups only (`concerns`) is in doubt where a
    group's members are not known. `waiver_of` says which waiver covers a finding, where that takes more than the
    finding itself (`exception_for`).
    """
    found = tuple(violations)
    mode = entry["mode"]
    members_unknown = entry.get("only", {}).get("unresolved", "")
    if mode == "upcoming":
        return Verdict(rule, NOT_APPLICABLE, found, reason=f"upcoming: in force from {entry['effective_from']}")
    if mode == "report":
        why = SERVES_BOTH if entry.get("serves_both") else "the catalogue does not restrict it by itself"
        return Verdict(rule, NOT_APPLICABLE, found, reason=f"report only: {why}")
    if found and mode == "waived":
        return Verdict(rule, WAIVED, found, waiver=entry["waiver"])
    covering = [waiver_of(finding) if waiver_of else exception_for(entry, finding) for finding in found]
    covered = {finding: waiver for finding, waiver in zip(found, covering) if waiver}
    counting = tuple(finding for finding, waiver in zip(found, covering) if not waiver)
    if counting:
        reason = "; ".join(filter(None, [_also(covered), entry.get("unresolved", ""), members_unknown]))
        return Verdict(rule, NONCOMPLIANT, counting, reason=reason, drifted=mode == "enforce")
    if unseen or members_unknown:  # what could not be checked may be what no waiver covers
        return Verdict(rule, UNKNOWN, reason="; ".join(filter(None, [unseen, members_unknown, _also(covered)])))
    if covered:
        waiver, *others = dict.fromkeys(covering)
        return Verdict(rule, WAIVED, found, waiver=waiver, reason=_also(covered) if others else "")
    return Verdict(rule, COMPLIANT)


def _also(covered: Mapping[Finding, str]) -> str:
    """What else was seen and does not count, by the waiver that covers it; "" for nothing."""
    seen: dict[str, list[str]] = {}
    for finding, waiver in covered.items():
        words = f"{finding.kind} {finding.id} {finding.version}".rstrip()
        user = finding.scope.partition("user:")[2]
        seen.setdefault(waiver, []).append(f"{words} ({user})" if user else words)
    return "; ".join(f"waiver {waiver} covers {', '.join(dict.fromkeys(words))}" for waiver, words in seen.items())


def within_limits(rules: Sequence[Rule]) -> list[Rule]:
    """The rules of a record with as much evidence as it may have. Users can make more: then each rule has its first
    findings, and a last one that says how many more there were, and long texts are cut. No rule or state is lost.
    """
    cut: list[Rule] = []
    for most in (MOST_FINDINGS_OF_RULE, 300, 100, 30, 10, 3, 1):
        cut = [_shortened(rule, most) for rule in rules]
        if sum(len(rule["findings"]) for rule in cut) <= MOST_FINDINGS and _size(cut) <= LARGEST_EVIDENCE:
            break
    return cut


def first_findings(findings: Sequence[Item], most: int) -> tuple[Sequence[Item], list[Evidence]]:
    """The first findings of too many, and one that says how many more there were."""
    if len(findings) <= most:
        return findings, []
    return findings[: most - 1], [Finding(MORE, f"{len(findings) - most + 1:,} more findings").as_dict()]


def _shortened(rule: Rule, most: int) -> Rule:
    """A rule with that many findings, and texts that go with their number."""
    longest = max(4 * most, 80)
    listed = rule["findings"]
    first, more = first_findings(listed if len(listed) <= most else _take_turns(listed), most)
    findings = [finding.copy() for finding in first]
    for finding in findings:
        for key in FIELDS:
            if text := finding[key]:
                finding[key] = _cut(text, longest)
    reason = rule["reason"] and _cut(rule["reason"], min(longest, LONGEST_REASON))
    return {**rule, "reason": reason, "findings": [*findings, *more]}


def _take_turns(findings: Sequence[Evidence]) -> list[Evidence]:
    """Order findings so that each user has one in turn: the many of one user hide nobody's."""
    turns: dict[str, int] = {}

    def turn(finding: Evidence) -> int:
        user = (finding["scope"] or "").partition("user:")[2]
        turns[user] = turns.get(user, -1) + 1
        return turns[user]

    return sorted(findings, key=turn)


def _cut(text: str, most: int) -> str:
    """A text without what is in its middle: a long path ends with the file, and a reason with what is wrong."""
    end = most // 3
    return text if len(text) <= most else f"{text[: most - end - 3]}...{text[-end:]}"


def _size(rules: Sequence[Rule]) -> int:
    """How many bytes findings and reasons take as they are printed."""
    return sum(
        len(written(rule["reason"])) + sum(len(written(value)) for one in rule["findings"] for value in one.values())
        for rule in rules
    )


def worst(states: Iterable[str]) -> str:
    """The worst of some states; `unknown` for none at all, since nothing evaluated is never a success."""
    ranks = [STATES.index(state) for state in states]
    return STATES[min(ranks)] if ranks else UNKNOWN


def host_record(
    *,
    plan_digest: str,
    checked_at: str,
    platform: Mapping[str, str],
    verdicts: Sequence[Verdict],
    errors: Sequence[RecordError],
    duration_ms: int,
    nothing_known: Mapping[str, int] = {},
) -> Observed:
    """A host's answer. The controller adds `host`, the inventory name, which a host cannot know.

    Rules that are compliant or not applicable with nothing to report are only counted. So are those of which the plan
    itself has nothing to look for (`nothing_known`, by control). They are counted by control too, so that a later
    observation of one control leaves what is known of the others. `attempts` has for each rule how many packets were
    refused; a compliant host has some all the same.
    """
    controls: dict[str, OfControl] = {}
    for verdict in verdicts:
        mine = controls.setdefault(verdict.rule.partition("/")[0], {"evaluated": 0, "not_applicable": 0})
        mine["evaluated"] += 1
        mine["not_applicable"] += verdict.state == NOT_APPLICABLE
    for control, count in nothing_known.items():
        if count:
            mine = controls.setdefault(control, {"evaluated": 0, "not_applicable": 0})
            mine["evaluated"] += count
            mine["not_applicable"] += count
    listed = [
        v
        for v in verdicts
        if v.findings or v.state not in (COMPLIANT, NOT_APPLICABLE) or v.reason.startswith(NOTHING_KNOWN)
    ]
    return {
        "schema": RECORD_SCHEMA,
        "state": worst([*(verdict.state for verdict in verdicts), *[NOT_APPLICABLE][: sum(nothing_known.values())]]),
        "plan": plan_digest,
        "checked_at": checked_at,
        "platform": dict(platform),
        "rules_evaluated": len(verdicts) + sum(nothing_known.values()),
        "rules_not_applicable": sum(mine["not_applicable"] for mine in controls.values()),
        "controls": controls,
        "rules": within_limits([verdict.as_dict() for verdict in sorted(listed)]),
        "attempts": {verdict.rule: verdict.attempts for verdict in sorted(verdicts) if verdict.attempts},
        "errors": [*errors],
        "duration_ms": duration_ms,
    }


def wrong_rules(record: Observed, drifted: Collection[str]) -> list[str]:
    """Return the noncompliant rules that a correction of the drifted controls is for."""
    wrong = (rule["rule"] for rule in record["rules"] if rule["state"] == NONCOMPLIANT)
    rules = [rule for rule in wrong if rule not in _REPORTED_ONLY]
    return [rule for rule in rules if rule.partition("/")[0] in drifted]


def _unseen(record: Observed) -> set[str]:
    """The controls of which an observation saw nothing: each rule that the plan names for them is in doubt."""
    doubts: dict[str, int] = {}
    for rule in record["rules"]:
        name = rule["rule"].partition("/")[0]
        doubts[name] = doubts.get(name, 0) + (rule["state"] in (ERROR, UNKNOWN))
    counts = record.get("controls", {}).items()
    return {name for name, one in counts if 0 < one["evaluated"] - one["not_applicable"] == doubts.get(name)}


def mark_repaired(before: Observed, after: Observed) -> Observed:
    """The second record of an enforcing run, with the rules that were wrong before and are compliant now as `repaired`.

    `found_at` is then when they were seen to be wrong, and `checked_at` when they were seen to be compliant.
    `logged_in` is who was there when they were found. Only a rule that the fresh observation no longer lists, or lists
    as compliant, is repaired. What else it lists stays as it was seen. Of a control that it could not see, nothing is
    repaired.
    """
    still = {rule["rule"] for rule in after["rules"] if rule["state"] != COMPLIANT}
    unseen = _unseen(after)
    still |= {rule["rule"] for rule in before["rules"] if rule["rule"].partition("/")[0] in unseen}
    wrong = {r["rule"]: r for r in before["rules"] if r["state"] in (ERROR, NONCOMPLIANT) and r["rule"] not in still}
    rules = [rule for rule in after["rules"] if rule["rule"] not in wrong]
    rules += [{**rule, "state": REPAIRED} for rule in wrong.values()]
    if sum(len(rule["findings"]) for rule in rules) > MOST_FINDINGS:  # each of the two had as many as it may
        rules = within_limits(rules)
    state = min([after["state"], *(REPAIRED for _ in wrong)], key=STATES.index)
    repaired: Observed = {**after, "state": state, "rules": sorted(rules, key=lambda rule: rule["rule"])}
    if wrong and (found_at := before["checked_at"]):
        repaired["found_at"] = found_at
    if "logged_in" in before:
        repaired["logged_in"] = before["logged_in"]
    return repaired
