"""What the history says of the rules of a host, for the events of that host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..history.transitions import Span


class Before(NamedTuple):
    """What the history has of the rules of a host on which something changed; rule "" is the host as a whole."""

    changed: frozenset[str] = frozenset()
    previous: Mapping[str, str] = {}  # the state before, where one is known
    since: Mapping[str, str] = {}  # when the incident began that goes on, or ended
    ended: Mapping[str, str] = {}  # how, of those that ended

    @classmethod
    def of(cls, spans: Sequence[Span]) -> Before:
        """It from the incidents of a host, oldest first."""
        changed: set[str] = set()
        continuing: dict[str, str] = {}
        previous: dict[str, str] = {}
        since: dict[str, str] = {}
        ended: dict[str, str] = {}
        for span in spans:  # the newest state is the one before
            for rule in span.rules:
                since.setdefault(rule, span.opened)
                if span.began or span.ended:
                    changed.add(rule)
                if span.ended:
                    ended[rule] = span.ended
                if not span.began:
                    (previous if span.ended else continuing)[rule] = span.state
        return cls(frozenset(changed), {**continuing, **previous}, since, ended)
