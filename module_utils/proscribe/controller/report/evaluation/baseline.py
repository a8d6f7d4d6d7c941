"""What is wrong now and was not in an earlier run. So a gate can hold a fleet where it is before it is clean.

A finding is the same finding as long as it is of the same kind, by the same name, in the same place. Another version of
an app that was there already, or the same app in another process, is nothing new. What was waived is new once its
waiver ends: it was never accepted as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ....model.finding import ERROR, NONCOMPLIANT, UNKNOWN
from ....model.plan import format_canonical
from ....model.types.record import FindingRecord, HostRecord, RuleRecord
from ....model.types.report import NewProblem
from ..text.wording import evidence, owner

Names = frozenset[tuple[str, ...]]


class New(NamedTuple):
    """Something that is wrong and was not in the baseline. `rule` is "" for the host as a whole."""

    host: str
    rule: str
    state: str
    what: str

    def as_dict(self) -> NewProblem:
        """As it stands in report.json."""
        return {"host": self.host, "rule": self.rule, "state": self.state, "what": self.what}


class Baseline:
    """What was wrong in an earlier run, out of its reconciled records, which are gone through once."""

    def __init__(self, records: Iterable[HostRecord]) -> None:
        # Thousands of hosts list the same rule with the same evidence: its names are kept once.
        same: dict[str, Names] = {}
        self._hosts: dict[str, list[Names]] = {}
        for record in records:
            mine = self._hosts.setdefault(record["host"], [])
            for rule in record["rules"]:
                key = format_canonical(rule)
                if key not in same:
                    same[key] = frozenset(name for name, _ in _named(rule))
                if same[key]:
                    mine.append(same[key])
            mine.append(frozenset(name for name, _ in _of_host(record)))

    def new(self, records: Iterable[HostRecord]) -> list[New]:
        """What is wrong in these records and was not then, host by host."""
        found: list[New] = []
        for record in records:
            known: set[tuple[str, ...]] = set().union(*self._hosts.get(record["host"], ()))
            named = [pair for rule in record["rules"] for pair in _named(rule)] + _of_host(record)
            found += [New(record["host"], name[1], name[0], what) for name, what in named if name not in known]
        return found


def _named(rule: RuleRecord) -> list[tuple[tuple[str, ...], str]]:
    """What is wrong with a rule: (state, rule, what makes it itself...), and the same in words."""
    state, name = str(rule["state"]), str(rule["rule"])
    if state == NONCOMPLIANT:
        found = [((state, name, *_identity(finding)), evidence(finding)) for finding in rule["findings"]]
        return found or [((state, name), "")]
    return [((state, name), str(rule["reason"] or ""))] if state in (ERROR, UNKNOWN) else []


def _identity(finding: FindingRecord) -> tuple[str, ...]:
    """What makes a finding itself; version and detail may change."""
    return finding["kind"], finding["manager"] or "", finding["id"], finding["path"] or "", owner(finding)


def _of_host(record: HostRecord) -> list[tuple[tuple[str, ...], str]]:
    """What is wrong with a host as a whole: no answer that counts, or an error that is no rule's."""
    named: list[tuple[tuple[str, ...], str]] = []
    if record["state"] == ERROR:  # else they are refused removals, say, which the rules show
        failed = [error for error in record["errors"] if not error.get("refused")]
        named += [((ERROR, "", str(error["control"])), str(error["message"])) for error in failed]
    if not record["rules_evaluated"]:
        named.append(((UNKNOWN, ""), str(record["reason"] or "no answer")))
    return named
