"""What the history says of the rules of a host, for the events of that host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..history.transitions import IncidentSpan
from .record_lines import Line


def grouped(lines: Sequence[Line], before: Before) -> list[list[Line]]:
    """Return the lines of a host in groups: rules that changed in the same way by the same files. A missing file of
    policies is one group, however many rules it was for. An app is a thing of its own, and what did not change is too.
    """
    groups: dict[tuple[object, ...], list[Line]] = {}
    for line in lines:
        key: tuple[object, ...] = (line.rule,)
        if line.rule in before.changed and line.control != "apps":
            files = sorted({(one["kind"], one["path"]) for one in line.findings if one["path"]})
            if files or line.rule in before.ended:
                same = line.mode, line.state, line.waiver, line.reason, tuple(files)
                key = line.control, *same, before.previous.get(line.rule), before.since.get(line.rule)
        groups.setdefault(key, []).append(line)
    return list(groups.values())


class Before(NamedTuple):
    """What the history has of the rules of a host on which something changed; rule "" is the host as a whole."""

    changed: frozenset[str] = frozenset()
    previous: Mapping[str, str] = {}  # the state before, where one is known
    since: Mapping[str, str] = {}  # when the incident began that goes on, or ended
    ended: Mapping[str, str] = {}  # how, of those that ended

    @classmethod
    def of(cls, spans: Sequence[IncidentSpan]) -> Before:
        """It from the incidents of a host, oldest first."""
        changed: set[str] = set()
        continuing: dict[str, str] = {}
        previous: dict[str, str] = {}
        since: dict[str, str] = {}
        ended: dict[str, str] = {}
        for span in spans:  # the newest state is the one before
            for rule in span.rules:
                since.setdefault(rule, span.opened)
                if span.has_begun or span.end_state:
                    changed.add(rule)
                if span.end_state:
                    ended[rule] = span.end_state
                if not span.has_begun:
                    (previous if span.end_state else continuing)[rule] = span.state
        return cls(frozenset(changed), {**continuing, **previous}, since, ended)
