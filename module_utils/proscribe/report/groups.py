"""What is wrong, put together so that a person can read it: one group for one thing to know, not one for each rule.

An app is a thing of its own, with evidence on each host. The rules of the other controls (and rules that could not be
evaluated) mostly share their cause: one missing policy file is 118 rules, and one group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..finding import ERROR, NOT_APPLICABLE, STATES, UNKNOWN
from .wording import Cause, cause, causes, clean, counted, evidence, some

FEW_RULES = 3  # up to so many rules of a group are named


class Group(NamedTuple):
    """Rules of one control, in one state, for one cause."""

    control: str
    state: str
    rules: tuple[str, ...]
    hosts: tuple[str, ...]
    causes: tuple[Cause, ...]  # what all its hosts share
    evidence: tuple[tuple[str, str], ...]  # (host, what was found there), where every host has its own

    @property
    def subject(self) -> str:
        """What the group is about: its rule, or its control."""
        return clean(self.rules[0] if len(self.rules) == 1 else self.control)

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


def grouped(records: Iterable[Mapping[str, Any]]) -> list[Group]:
    """The groups of all records, worst first, then those on most hosts, then by name."""
    merging: dict[tuple[Any, ...], dict[str, Any]] = {}
    worded: dict[int, list[Cause]] = {}
    for record in records:
        for key, part in _of_host(record, worded):
            group = merging.setdefault(key, {"rules": {}, "hosts": {}, "evidence": []})
            group["rules"].update(dict.fromkeys(part["rules"]))
            group["hosts"][record["host"]] = None
            group["evidence"] += [(record["host"], text) for text in part["evidence"]]
    groups = [
        Group(key[0], key[1], tuple(sorted(group["rules"])), tuple(group["hosts"]), key[3], tuple(group["evidence"]))
        for key, group in merging.items()
    ]
    return sorted(groups, key=lambda g: (STATES.index(g.state), -len(g.hosts), g.subject, g.causes))


def _of_host(
    record: Mapping[str, Any], worded: dict[int, list[Cause]]
) -> Iterable[tuple[tuple[Any, ...], dict[str, Any]]]:
    """The parts of groups that one host's rules make: ((control, state, subject, causes), {rules, evidence}).

    `worded` remembers the causes of a rule that many hosts share, by the identity of its (one) dictionary.
    """
    shared: dict[tuple[str, str], tuple[list[str], list[Cause]]] = {}
    for rule in record["rules"]:
        control = rule["rule"].partition("/")[0]
        if control == "apps" and rule["findings"]:
            text = ", ".join(evidence(finding) for finding in rule["findings"])
            key = (control, rule["state"], rule["rule"], tuple(_notes(rule)))
            yield key, {"rules": [rule["rule"]], "evidence": [text]}
        elif rule["state"] != NOT_APPLICABLE:
            rules, why = shared.setdefault((control, rule["state"]), ([], []))
            rules.append(rule["rule"])
            if id(rule) not in worded:
                worded[id(rule)] = _causes(rule)
            why += worded[id(rule)]
    for (control, state), (rules, why) in shared.items():
        yield (control, state, "", tuple(sorted(set(why)))), {"rules": rules, "evidence": []}
    for error in record["errors"]:
        # A control that could not look has said so with each of its rules already.
        if not any(rule["state"] == ERROR and rule["reason"] == error["message"] for rule in record["rules"]):
            said = clean(error["message"])
            yield (clean(error["control"]), ERROR, said, (Cause(said),)), {"rules": [], "evidence": []}


def _causes(rule: Mapping[str, Any]) -> list[Cause]:
    found = [cause(finding) for finding in rule["findings"]] or [Cause(clean(rule["reason"] or "no reason given"))]
    return [*found, *_notes(rule)] if rule["waiver"] else found


def _notes(rule: Mapping[str, Any]) -> list[Cause]:
    """What else there is to say of a rule with findings: its waiver, or why it counts nothing."""
    if rule["waiver"]:
        return [Cause(clean(f"waiver {rule['waiver']}"))]
    return [Cause(clean(rule["reason"]))] if rule["reason"] else []


class Silent(NamedTuple):
    """Hosts that gave no answer that counts, for one kind of reason."""

    kind: str  # unreachable, failed, ...: the reason up to its first colon
    hosts: tuple[tuple[str, str], ...]  # (host, the rest of the reason)


def silences(records: Iterable[Mapping[str, Any]]) -> list[Silent]:
    """The hosts without a record that counts, by kind of reason, most hosts first."""
    kinds: dict[str, list[tuple[str, str]]] = {}
    for record in records:
        if record["state"] == UNKNOWN and record["reason"]:
            kind, _, rest = clean(record["reason"]).partition(": ")
            kinds.setdefault(kind, []).append((record["host"], rest))
    found = [Silent(kind, tuple(hosts)) for kind, hosts in kinds.items()]
    return sorted(found, key=lambda silent: (-len(silent.hosts), silent.kind))


def needs_root(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """The hosts that were looked at as an ordinary user, so that something stayed unseen."""
    return [
        record["host"]
        for record in records
        if any(rule["state"] == UNKNOWN and "root" in str(rule["reason"]) for rule in record["rules"])
    ]
