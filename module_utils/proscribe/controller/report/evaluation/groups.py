"""What is wrong, put together so that a person can read it: one group for one thing to know, not one for each rule.

An app is a thing of its own, with evidence on each host. The rules of the other controls (and rules that could not be
evaluated) mostly share their cause: one missing policy file is 118 rules, and one group.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ....base.patterns import compile_pattern
from ....model.finding import NOT_APPLICABLE, STATES, UNKNOWN
from ....model.types.record import HostRecord, RuleRecord
from ....wire.replies.shapes import truncate_text
from ..text.wording import MUCH, Cause, cause, causes, clean, counted, evidences, some
from .failures import failures

AUDITED = " (audited)"  # behind what is only audited, wherever it is named

# How a reason says that an ordinary user cannot see it; a path may hold the word as well.
BY_ROOT = compile_pattern(r"\b(?:as|by|needs|only) root\b")
FEW_RULES = 3  # up to so many rules of a group are named


class Group(NamedTuple):
    """Rules of one control, in one state, for one cause."""

    control: str
    state: str
    rules: tuple[str, ...]
    hosts: tuple[str, ...]
    causes: tuple[Cause, ...]  # what all its hosts share
    evidence: tuple[tuple[str, str], ...]  # (host, what was found there), where every host has its own
    audited: bool = False  # the control is only audited there, so that no run corrects it

    @property
    def subject(self) -> str:
        """What the group is about: its rule, or its control; and whether that is only audited."""
        return clean(self.rules[0] if len(self.rules) == 1 else self.control) + AUDITED * self.audited

    @property
    def why(self) -> str:
        """Its causes in words."""
        return causes(self.causes)

    def text(self, most_hosts: int = 3) -> str:
        """The group in a sentence, with the first hosts."""
        on_several = counted(len(self.hosts), "host")
        if self.evidence:
            note = f" ({self.why})" if self.causes else ""
            if len(self.hosts) > 1 and len({what for _, what in self.evidence}) == 1:
                return f"{on_several}: {self.evidence[0][1]}{note}; {some(self.hosts, most_hosts)}"
            shown = "; ".join(f"{clean(host)}: {what}" for host, what in self.evidence[:most_hosts])
            more = len(self.evidence) - most_hosts
            found = (f"{shown}; and {more:,} more" if more > 0 else shown) + note
            return f"{on_several}: {found}" if len(self.hosts) > 1 else found
        where = clean(self.hosts[0]) if len(self.hosts) == 1 else on_several
        said = f"{self.what} on {where}: {self.why}" if self.what else f"{where}: {self.why}"
        return f"{said}; {some(self.hosts, most_hosts)}" if len(self.hosts) > 1 else said

    @property
    def what(self) -> str:
        """Its rules, where the subject does not name them: by name if they are few."""
        if len(self.rules) <= 1:
            return ""
        return some(self.rules, FEW_RULES) if len(self.rules) <= FEW_RULES else counted(len(self.rules), "rule")


class Part(NamedTuple):
    """The rules of one host that belong to one group: what many hosts have in common, kept once for all of them."""

    control: str
    state: str
    rules: tuple[int, ...]  # numbers in `Grouping.rules`; none for an error that no rule reports
    group: int | None  # number in `Grouping.groups()`; None where there is nothing to report
    evidence: str = ""  # what was found, where that is an app's
    audited: bool = False


@dataclass
class _Making:
    """A group in the making."""

    rules: dict[str, None] = field(default_factory=dict)
    hosts: dict[str, None] = field(default_factory=dict)
    evidence: list[tuple[str, str]] = field(default_factory=list)


class Grouping:
    """Puts the records of a fleet together, one after the other. Keeps what is distinct, and the names of the hosts."""

    def __init__(self) -> None:
        self.rules: list[RuleRecord] = []
        self.parts: list[Part] = []
        self._seen: dict[int, tuple[RuleRecord, int]] = {}  # by identity; the rule is kept, so that it stays so
        self._equal: dict[tuple[object, ...], int] = {}  # by content
        self._part_of: dict[tuple[object, ...], int] = {}
        self._numbers: dict[tuple[str, str, str, tuple[Cause, ...], bool], int] = {}
        self._groups: list[_Making] = []

    def add(self, record: HostRecord) -> tuple[int, ...]:
        """Take a host's record; returns the numbers of its parts."""
        found: list[int] = []
        shared: dict[tuple[str, str, bool], list[int]] = {}
        for rule in record["rules"]:
            control = rule["rule"].partition("/")[0]
            if control == "apps" and rule["findings"]:
                found.append(self._part(control, rule["state"], (self._number(rule),)))
            else:
                shared.setdefault((control, rule["state"], _audited(rule)), []).append(self._number(rule))
        found += [self._part(control, state, tuple(rules)) for (control, state, _), rules in shared.items()]
        for control, state, message in failures(record):
            found.append(self._part(clean(control), state, (), clean(message)))
        numbers = tuple(dict.fromkeys(found))
        for part in (self.parts[number] for number in numbers):
            if part.group is not None:
                group = self._groups[part.group]
                group.hosts[record["host"]] = None
                if part.evidence:
                    group.evidence.append((record["host"], part.evidence))
        return numbers

    def groups(self) -> list[Group]:
        """The groups, as `Part.group` numbers them."""
        return [
            Group(control, state, tuple(sorted(made.rules)), tuple(made.hosts), why, tuple(made.evidence), audited)
            for (control, state, _, why, audited), made in zip(self._numbers, self._groups)
        ]

    def _number(self, rule: RuleRecord) -> int:
        """The number of a rule's content. Mostly it is the very object that other hosts have, which is seen at once."""
        seen = self._seen.get(id(rule))
        if seen is not None and seen[0] is rule:
            return seen[1]
        found = tuple(tuple(finding.values()) for finding in rule["findings"])
        content = (rule["rule"], rule["state"], rule["waiver"], rule["reason"], _audited(rule), found)
        if content not in self._equal:
            self._equal[content] = len(self.rules)
            self.rules.append(rule)
            self._seen[id(rule)] = (rule, self._equal[content])
        return self._equal[content]

    def _part(self, control: str, state: str, rules: tuple[int, ...], message: str = "") -> int:
        """The number of a part, and its group made when it is the first of it."""
        key = (control, state, rules, message)
        if key not in self._part_of:
            self._part_of[key] = len(self.parts)
            self.parts.append(self._described(control, state, rules, message))
        return self._part_of[key]

    def _described(self, control: str, state: str, numbers: tuple[int, ...], message: str) -> Part:
        rules = [self.rules[number] for number in numbers]
        if message:
            return Part(control, state, (), self._group((control, state, message, (Cause(message),), False)))
        audited = _audited(rules[0])
        if control == "apps" and rules[0]["findings"]:
            text = truncate_text(", ".join(evidences(rules[0]["findings"])), MUCH)
            group = self._group((control, state, rules[0]["rule"], tuple(_notes(rules[0])), audited), rules)
            return Part(control, state, numbers, group, text, audited)
        if state == NOT_APPLICABLE:
            return Part(control, state, numbers, None, audited=audited)
        why = tuple(sorted({one for rule in rules for one in _causes(rule)}))
        return Part(control, state, numbers, self._group((control, state, "", why, audited), rules), audited=audited)

    def _group(self, key: tuple[str, str, str, tuple[Cause, ...], bool], rules: Sequence[RuleRecord] = ()) -> int:
        """The number of a group (control, state, subject, causes, audited), with these rules among its own."""
        number = self._numbers.setdefault(key, len(self._groups))
        if number == len(self._groups):
            self._groups.append(_Making())
        self._groups[number].rules.update(dict.fromkeys(rule["rule"] for rule in rules))
        return number


def _audited(rule: RuleRecord) -> bool:
    return bool(rule.get("mode") == "audit" and rule["state"] != NOT_APPLICABLE)


def grouped(records: Iterable[HostRecord]) -> list[Group]:
    """The groups of all records, worst first, then those on most hosts, then by name."""
    grouping = Grouping()
    for record in records:
        grouping.add(record)
    return sorted(grouping.groups(), key=worst_first)


def worst_first(group: Group) -> tuple[int, bool, int, str, tuple[Cause, ...]]:
    """The order in which groups are reported; of one state, what a run would correct comes first."""
    return (STATES.index(group.state), group.audited, -len(group.hosts), group.subject, group.causes)


def _causes(rule: RuleRecord) -> list[Cause]:
    found = [cause(finding) for finding in rule["findings"]] or [Cause(clean(rule["reason"] or "no reason given"))]
    return [*found, *_notes(rule)] if rule["waiver"] else found


def _notes(rule: RuleRecord) -> list[Cause]:
    """What else there is to say of a rule with findings: its waiver, or why it counts nothing."""
    if rule["waiver"]:
        return [Cause(clean(f"waiver {rule['waiver']}"))]
    return [Cause(clean(rule["reason"]))] if rule["reason"] else []


class Silent(NamedTuple):
    """Hosts that gave no answer that counts, for one kind of reason."""

    kind: str  # unreachable, failed, ...: the reason up to its first colon
    hosts: tuple[tuple[str, str], ...]  # (host, the rest of the reason)


def silences(records: Iterable[HostRecord]) -> list[Silent]:
    """The hosts without a record that counts, by kind of reason, most hosts first."""
    kinds: dict[str, list[tuple[str, str]]] = {}
    for record in records:
        if record["state"] == UNKNOWN and record["reason"]:
            kind, _, rest = clean(record["reason"]).partition(": ")
            kinds.setdefault(kind, []).append((record["host"], rest))
    found = [Silent(kind, tuple(hosts)) for kind, hosts in kinds.items()]
    return sorted(found, key=lambda silent: (-len(silent.hosts), silent.kind))


def needs_root(records: Iterable[HostRecord]) -> list[str]:
    """The hosts that were observed as an ordinary user, so that some rule there is unknown."""
    return [
        record["host"]
        for record in records
        if any(rule["state"] == UNKNOWN and BY_ROOT.search(str(rule["reason"])) for rule in record["rules"])
    ]
