"""Defects grouped for readers: a group for each cause, not for each rule.

An app is a finding of its own, with evidence on each host. The rules of the other controls mostly share their cause, as
do rules that could not be evaluated. A single missing policy file affects 118 rules, and makes a single group.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ....base.lazy_patterns import compile_pattern
from ....model.finding import NOT_APPLICABLE, STATES, UNKNOWN
from ....model.types.record import HostRecord, RuleRecord
from ....wire.answers.value_readers import truncate_text
from ..text.wording import (
    MAX_TEXT_LENGTH,
    SharedCause,
    clean_text,
    describe_causes,
    describe_findings,
    extract_cause,
    format_count,
    summarise_names,
)
from .failures import list_failures

AUDITED_SUFFIX = " (audited)"  # follows the name of a rule or control that is only audited

# Phrases in a reason that mean: only root can observe this. The word `root` alone may be a part of a path.
ROOT_NEEDED = compile_pattern(r"\b(?:as|by|needs|only) root\b")
MAX_NAMED_RULES = 3  # most rules of a group that are named; more rules are only counted


class FindingGroup(NamedTuple):
    """The rules of a control that have the same state and the same cause."""

    control: str
    state: str
    rules: tuple[str, ...]
    hosts: tuple[str, ...]
    causes: tuple[SharedCause, ...]  # the causes that all hosts of the group share
    evidence: tuple[tuple[str, str], ...]  # (host, evidence) of an app's findings; empty for other groups
    is_audited: bool = False  # the hosts only audit the control, so no run corrects the rules

    @property
    def subject(self) -> str:
        """The subject of the group: its only rule, or its control.

        A suffix marks a group that is only audited.
        """
        return clean_text(self.rules[0] if len(self.rules) == 1 else self.control) + AUDITED_SUFFIX * self.is_audited

    @property
    def causes_text(self) -> str:
        """The causes of the group in words."""
        return describe_causes(self.causes)

    def describe_group(self, max_hosts: int = 3) -> str:
        """Describe the group in a sentence that names at most `max_hosts` hosts."""
        hosts_text = format_count(len(self.hosts), "host")
        if self.evidence:
            note = f" ({self.causes_text})" if self.causes else ""
            # all hosts have the same evidence, so it is shown once
            if len(self.hosts) > 1 and len({found_text for _, found_text in self.evidence}) == 1:
                return f"{hosts_text}: {self.evidence[0][1]}{note}; {summarise_names(self.hosts, max_hosts)}"
            shown_evidence = "; ".join(
                f"{clean_text(host)}: {found_text}" for host, found_text in self.evidence[:max_hosts]
            )
            more_count = len(self.evidence) - max_hosts
            evidence_text = (f"{shown_evidence}; and {more_count:,} more" if more_count > 0 else shown_evidence) + note
            return f"{hosts_text}: {evidence_text}" if len(self.hosts) > 1 else evidence_text
        place = clean_text(self.hosts[0]) if len(self.hosts) == 1 else hosts_text
        sentence = (
            f"{self.rules_text} on {place}: {self.causes_text}" if self.rules_text else f"{place}: {self.causes_text}"
        )
        return f"{sentence}; {summarise_names(self.hosts, max_hosts)}" if len(self.hosts) > 1 else sentence

    @property
    def rules_text(self) -> str:
        """The rules of the group, as names or as a number; "" if `subject` names the only rule."""
        if len(self.rules) <= 1:
            return ""
        return (
            summarise_names(self.rules, MAX_NAMED_RULES)
            if len(self.rules) <= MAX_NAMED_RULES
            else format_count(len(self.rules), "rule")
        )


class GroupPart(NamedTuple):
    """A part of a host's record that belongs to a single group: some of the host's rules, or an error.

    Hosts with equal rules share the same object.
    """

    control: str
    state: str
    rules: tuple[int, ...]  # indexes in `Grouping.rules`; empty for an error that no rule reports
    group: int | None  # index in `Grouping.make_groups()`; None if there is nothing to report
    evidence: str = ""  # the findings in words, for an app; "" for other parts
    is_audited: bool = False


@dataclass
class _GroupBuilder:
    """A group that is being built."""

    rules: dict[str, None] = field(default_factory=dict)
    hosts: dict[str, None] = field(default_factory=dict)
    evidence: list[tuple[str, str]] = field(default_factory=list)


class Grouping:
    """A collector of records that groups the defects of a fleet by cause.

    It stores each distinct rule once, and the names of hosts.
    """

    def __init__(self) -> None:
        self.rules: list[RuleRecord] = []
        self.parts: list[GroupPart] = []
        # id() of a rule -> (the rule, its index in `rules`); while the rule is stored, no other object gets its id
        self._numbers_by_identity: dict[int, tuple[RuleRecord, int]] = {}
        self._numbers_by_content: dict[tuple[object, ...], int] = {}  # content of the rule -> index in `rules`
        # (control, state, indexes in `rules`, error message) -> index in `parts`
        self._part_numbers: dict[tuple[object, ...], int] = {}
        # key of a group, as `_get_group_number` describes it -> index in `_groups`
        self._group_numbers: dict[tuple[str, str, str, tuple[SharedCause, ...], bool], int] = {}
        self._groups: list[_GroupBuilder] = []

    def add_record(self, record: HostRecord) -> tuple[int, ...]:
        """Add a host's record, and return the positions in `self.parts` of the parts into which it is split.

        A part has the rules of a control with one state, or an error. Hosts with an equal part share it.
        """
        part_numbers: list[int] = []
        shared_rules: dict[tuple[str, str, bool], list[int]] = {}
        for rule in record["rules"]:
            control = rule["rule"].partition("/")[0]
            # An app with findings is a part alone, because its evidence differs from host to host. The other rules of a
            # control with the same state are one part, because they mostly share a cause.
            if control == "apps" and rule["findings"]:
                part_numbers.append(self._get_part_number(control, rule["state"], (self._get_rule_number(rule),)))
            else:
                shared_rules.setdefault((control, rule["state"], _is_audited(rule)), []).append(
                    self._get_rule_number(rule)
                )
        part_numbers += [
            self._get_part_number(control, state, tuple(rules)) for (control, state, _), rules in shared_rules.items()
        ]
        for control, state, message in list_failures(record):
            part_numbers.append(self._get_part_number(clean_text(control), state, (), clean_text(message)))
        numbers = tuple(dict.fromkeys(part_numbers))
        for part in (self.parts[number] for number in numbers):
            if part.group is not None:
                group = self._groups[part.group]
                group.hosts[record["host"]] = None
                if part.evidence:
                    group.evidence.append((record["host"], part.evidence))
        return numbers

    def make_groups(self) -> list[FindingGroup]:
        """Return all groups. `GroupPart.group` is an index of the result."""
        return [
            FindingGroup(
                control,
                state,
                tuple(sorted(builder.rules)),
                tuple(builder.hosts),
                group_causes,
                tuple(builder.evidence),
                is_audited,
            )
            for (control, state, _, group_causes, is_audited), builder in zip(self._group_numbers, self._groups)
        ]

    def _get_rule_number(self, rule: RuleRecord) -> int:
        """Return the index of a rule in `rules`, and add the rule if no equal rule is stored.

        Most hosts share the same object for a rule, and its id is found without a comparison of the content.
        """
        cached = self._numbers_by_identity.get(id(rule))
        if cached is not None and cached[0] is rule:
            return cached[1]
        finding_values = tuple(tuple(finding.values()) for finding in rule["findings"])
        content = (rule["rule"], rule["state"], rule["waiver"], rule["reason"], _is_audited(rule), finding_values)
        if content not in self._numbers_by_content:
            self._numbers_by_content[content] = len(self.rules)
            self.rules.append(rule)
            self._numbers_by_identity[id(rule)] = (rule, self._numbers_by_content[content])
        return self._numbers_by_content[content]

    def _get_part_number(self, control: str, state: str, rules: tuple[int, ...], message: str = "") -> int:
        """Return the index of a part in `parts`, and create the part and its group if they are new.

        `rules` are indexes in `self.rules`. `message` is an error that no rule reports, or "".
        """
        key = (control, state, rules, message)
        if key not in self._part_numbers:
            self._part_numbers[key] = len(self.parts)
            self.parts.append(self._make_part(control, state, rules, message))
        return self._part_numbers[key]

    def _make_part(self, control: str, state: str, numbers: tuple[int, ...], message: str) -> GroupPart:
        """Make the part of a host's record for rules of the same control and state, or for an error.

        `numbers` are the indexes of the rules in `self.rules`. Rules that do not apply belong to no group. `message` is
        an error that no rule reports; "" if the part has rules.
        """
        rules = [self.rules[number] for number in numbers]
        if message:
            return GroupPart(
                control, state, (), self._get_group_number((control, state, message, (SharedCause(message),), False))
            )
        is_audited = _is_audited(rules[0])
        if control == "apps" and rules[0]["findings"]:
            text = truncate_text(", ".join(describe_findings(rules[0]["findings"])), MAX_TEXT_LENGTH)
            group = self._get_group_number(
                (control, state, rules[0]["rule"], tuple(_list_notes(rules[0])), is_audited), rules
            )
            return GroupPart(control, state, numbers, group, text, is_audited)
        if state == NOT_APPLICABLE:
            return GroupPart(control, state, numbers, None, is_audited=is_audited)
        group_causes = tuple(sorted({cause for rule in rules for cause in _list_causes(rule)}))
        return GroupPart(
            control,
            state,
            numbers,
            self._get_group_number((control, state, "", group_causes, is_audited), rules),
            is_audited=is_audited,
        )

    def _get_group_number(
        self, key: tuple[str, str, str, tuple[SharedCause, ...], bool], rules: Sequence[RuleRecord] = ()
    ) -> int:
        """Return the index of a group, create the group if it is new, and add these rules to it.

        `key` is (control, state, subject, causes, is only audited). The subject is the rule of an app with findings, or
        an error that no rule reports. It is "" for other rules.
        """
        number = self._group_numbers.setdefault(key, len(self._groups))
        if number == len(self._groups):
            self._groups.append(_GroupBuilder())
        self._groups[number].rules.update(dict.fromkeys(rule["rule"] for rule in rules))
        return number


def _is_audited(rule: RuleRecord) -> bool:
    """Return whether a rule counts but is only audited, so that no run corrects it."""
    return bool(rule.get("mode") == "audit" and rule["state"] != NOT_APPLICABLE)


def group_records(records: Iterable[HostRecord]) -> list[FindingGroup]:
    """Group the defects of all records by cause: worst state first, then most hosts, then by name."""
    grouping = Grouping()
    for record in records:
        grouping.add_record(record)
    return sorted(grouping.make_groups(), key=rank_group)


def rank_group(group: FindingGroup) -> tuple[int, bool, int, str, tuple[SharedCause, ...]]:
    """Return the sort key of a group. Within a state, groups that are only audited come last."""
    return (STATES.index(group.state), group.is_audited, -len(group.hosts), group.subject, group.causes)


def _list_causes(rule: RuleRecord) -> list[SharedCause]:
    """Return the causes of a rule: those of its findings, or its reason; after them its waiver."""
    listed_causes = [extract_cause(finding) for finding in rule["findings"]] or [
        SharedCause(clean_text(rule["reason"] or "no reason given"))
    ]
    return [*listed_causes, *_list_notes(rule)] if rule["waiver"] else listed_causes


def _list_notes(rule: RuleRecord) -> list[SharedCause]:
    """Return the waiver of a rule as a note, or else the rule's reason; [] if the rule has neither."""
    if rule["waiver"]:
        return [SharedCause(clean_text(f"waiver {rule['waiver']}"))]
    return [SharedCause(clean_text(rule["reason"]))] if rule["reason"] else []


class SilentHosts(NamedTuple):
    """Hosts without a valid answer that have the same kind of reason."""

    reason_kind: str  # the reason up to its first colon, such as `unreachable` or `failed`
    hosts: tuple[tuple[str, str], ...]  # (host, the rest of the reason)


def group_silent_hosts(records: Iterable[HostRecord]) -> list[SilentHosts]:
    """Group the hosts without a valid answer by the kind of their reason, most hosts first."""
    hosts_by_kind: dict[str, list[tuple[str, str]]] = {}
    for record in records:
        if record["state"] == UNKNOWN and record["reason"]:
            kind, _, detail = clean_text(record["reason"]).partition(": ")
            hosts_by_kind.setdefault(kind, []).append((record["host"], detail))
    groups = [SilentHosts(kind, tuple(hosts)) for kind, hosts in hosts_by_kind.items()]
    return sorted(groups, key=lambda group: (-len(group.hosts), group.reason_kind))


def list_root_hosts(records: Iterable[HostRecord]) -> list[str]:
    """Return the hosts with an unknown rule because an ordinary user, not root, observed the host."""
    return [
        record["host"]
        for record in records
        if any(rule["state"] == UNKNOWN and ROOT_NEEDED.search(str(rule["reason"])) for rule in record["rules"])
    ]
