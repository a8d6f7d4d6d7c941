"""New defects: those of a run that an earlier run, its baseline, did not have.

So a gate can stop new defects in a fleet before the fleet is clean. A finding stays the same while its kind, its name
and its place stay the same. Another version of an app that was there already is not new, nor is the app in another
process. A waived finding is new when its waiver ends, because it was never accepted without the waiver.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ....model.finding import ERROR, NONCOMPLIANT, UNKNOWN
from ....model.plan import format_canonical
from ....model.types.record import FindingRecord, HostRecord, RuleRecord
from ....model.types.report import NewProblem
from ..text.wording import describe_finding, find_finding_user

ProblemNames = frozenset[tuple[str, ...]]  # the identities of defects, as `_name_rule_problems` describes them


class BaselineDeviation(NamedTuple):
    """A defect that the earlier run did not have."""

    host: str
    rule: str  # "" if the defect concerns the host as a whole
    state: str
    what: str  # the evidence, or the reason of the state, in words; "" without either

    def make_problem(self) -> NewProblem:
        """Return the deviation as report.json has it."""
        return {"host": self.host, "rule": self.rule, "state": self.state, "what": self.what}


class Baseline:
    """The defects of an earlier run, which a later run may have too.

    The records of the earlier run are read once.
    """

    def __init__(self, records: Iterable[HostRecord]) -> None:
        # Thousands of hosts list the same rule with the same evidence, so the identities of its defects are stored
        # once. The key is the rule as JSON.
        names_by_rule: dict[str, ProblemNames] = {}
        self._names_by_host: dict[str, list[ProblemNames]] = {}
        for record in records:
            host_names = self._names_by_host.setdefault(record["host"], [])
            for rule in record["rules"]:
                key = format_canonical(rule)
                if key not in names_by_rule:
                    names_by_rule[key] = frozenset(name for name, _ in _name_rule_problems(rule))
                if names_by_rule[key]:
                    host_names.append(names_by_rule[key])
            host_names.append(frozenset(name for name, _ in _name_host_problems(record)))

    def find_deviations(self, records: Iterable[HostRecord]) -> list[BaselineDeviation]:
        """Return the defects of these records that the earlier run did not have, host by host."""
        deviations: list[BaselineDeviation] = []
        for record in records:
            accepted_names: set[tuple[str, ...]] = set().union(*self._names_by_host.get(record["host"], ()))
            named_problems = [
                named_problem for rule in record["rules"] for named_problem in _name_rule_problems(rule)
            ] + _name_host_problems(record)
            # an identity begins with the state and the rule
            deviations += [
                BaselineDeviation(record["host"], identity[1], identity[0], description)
                for identity, description in named_problems
                if identity not in accepted_names
            ]
        return deviations


def _name_rule_problems(rule: RuleRecord) -> list[tuple[tuple[str, ...], str]]:
    """Return the defects of a rule as pairs (identity, description).

    An identity is a tuple of texts: the state, the rule, and the values that identify a finding. The identity of the
    same defect is equal in both runs. The result is [] for a rule without a defect.
    """
    state, name = str(rule["state"]), str(rule["rule"])
    if state == NONCOMPLIANT:
        named_findings = [
            ((state, name, *_identify_finding(finding)), describe_finding(finding)) for finding in rule["findings"]
        ]
        return named_findings or [((state, name), "")]
    return [((state, name), str(rule["reason"] or ""))] if state in (ERROR, UNKNOWN) else []


def _identify_finding(finding: FindingRecord) -> tuple[str, ...]:
    """Return the values that identify a finding in later runs.

    Its version and detail may change, and are left out.
    """
    return finding["kind"], finding["manager"] or "", finding["id"], finding["path"] or "", find_finding_user(finding)


def _name_host_problems(record: HostRecord) -> list[tuple[tuple[str, ...], str]]:
    """Return the defects of a host as a whole, as pairs (identity, description).

    Such a defect is a missing valid answer, or an error that belongs to no rule.
    """
    named_problems: list[tuple[tuple[str, ...], str]] = []
    # In other states, the errors are such as refused removals. They appear with their rules, so they are not counted
    # here.
    if record["state"] == ERROR:
        failed_errors = [error for error in record["errors"] if not error.get("refused")]
        named_problems += [((ERROR, "", str(error["control"])), str(error["message"])) for error in failed_errors]
    if not record["rules_evaluated"]:
        named_problems.append(((UNKNOWN, ""), str(record["reason"] or "no answer")))
    return named_problems
