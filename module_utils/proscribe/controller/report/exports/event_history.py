"""States and changes of a host's rules by the history, for the events of that host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..history.transitions import IncidentSpan
from .host_entries import RuleLine


def group_rule_lines(lines: Sequence[RuleLine], earlier_states: EarlierStates) -> list[list[RuleLine]]:
    """Group the lines of a host's rules that changed in the same way because of the same files.

    A missing policy file makes a single group of all its rules. Each app makes a separate group, and so does each rule
    that did not change.
    """
    groups: dict[tuple[object, ...], list[RuleLine]] = {}
    for line in lines:
        key: tuple[object, ...] = (line.rule,)
        if line.rule in earlier_states.changed_rules and line.control != "apps":
            files = sorted({(finding["kind"], finding["path"]) for finding in line.findings if finding["path"]})
            # Rules without files share no known cause, unless their incident ended: rules in order have no findings.
            if files or line.rule in earlier_states.end_states:
                shared_cause = line.mode, line.state, line.waiver, line.reason, tuple(files)
                key = (
                    line.control,
                    *shared_cause,
                    earlier_states.previous_states.get(line.rule),
                    earlier_states.incident_starts.get(line.rule),
                )
        groups.setdefault(key, []).append(line)
    return list(groups.values())


class EarlierStates(NamedTuple):
    """The changes of a host's rules in a run, from the history.

    The rule "" is the host as a whole.
    """

    changed_rules: frozenset[str] = frozenset()
    previous_states: Mapping[str, str] = {}  # rule -> state before this run, if known
    incident_starts: Mapping[str, str] = {}  # rule -> begin (UTC) of the incident that continues or ended
    end_states: Mapping[str, str] = {}  # rule -> state after the incident, for incidents that ended

    @classmethod
    def read_spans(cls, spans: Sequence[IncidentSpan]) -> EarlierStates:
        """Read the changes from the incidents of a host, oldest first.

        The state before this run is that of an incident that ended in the run. Without such an incident, the state of
        one that continues counts.
        """
        changed_rules: set[str] = set()
        continuing_states: dict[str, str] = {}
        previous_states: dict[str, str] = {}
        incident_starts: dict[str, str] = {}
        end_states: dict[str, str] = {}
        for span in spans:  # later incidents replace earlier ones, so the newest state before this run remains
            for rule in span.rules:
                incident_starts.setdefault(rule, span.opened)
                if span.has_begun or span.end_state:
                    changed_rules.add(rule)
                if span.end_state:
                    end_states[rule] = span.end_state
                if not span.has_begun:
                    (previous_states if span.end_state else continuing_states)[rule] = span.state
        return cls(frozenset(changed_rules), {**continuing_states, **previous_states}, incident_starts, end_states)
