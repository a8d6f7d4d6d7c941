"""What one run changed, host by host: the incidents that it saw begin and end, and those that went on beside them.

Only hosts on which something changed are here, so a fleet in which nothing does costs nothing. Hosts share the rules of
their incidents, as in the tables: a great fleet's first audit changes millions of rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ....model.finding import LIFTED
from . import since_last_run
from .database import Session


class Span(NamedTuple):
    """An incident of a host as a run saw it: some rules in one state."""

    rules: tuple[str, ...]  # "" is the host as a whole
    state: str
    opened: str
    began: bool  # in this run
    ended: str  # in this run: how; "" where it went on


# What was going on when the run ended, or was changed by it. Also of an old run, although later ones ended it since.
# A lift is no state of a rule, so its end is no change.
SPANS = f"""SELECT e.host, e.bundle, e.state, e.opened, CASE WHEN e.opened_run = :run THEN 1 ELSE 0 END,
        CASE WHEN e.closed_run = :run THEN e.ended ELSE '' END
    FROM proscribe_episode e
    WHERE e.host IN (SELECT host FROM proscribe_episode WHERE opened_run = :run OR closed_run = :run)
        AND e.state <> '{LIFTED}' AND (e.opened_run = :run OR e.closed_run = :run
            OR (e.opened < :finished AND (e.closed IS NULL OR e.closed > :finished)))
    ORDER BY e.host, e.opened, e.state"""
BUNDLES = """SELECT id, rule FROM proscribe_bundle WHERE id IN (SELECT bundle FROM proscribe_episode
    WHERE host IN (SELECT host FROM proscribe_episode WHERE opened_run = :run OR closed_run = :run))
    ORDER BY id, rule"""


class Transitions:
    """The changes of a run."""

    def __init__(self, session: Session, run: str, finished: str) -> None:
        values = {"run": run, "finished": finished}
        names: dict[str, str] = {}
        bundles: dict[str, list[str]] = {}
        for id_, rule in session.rows(BUNDLES, values):
            bundles.setdefault(id_, []).append(names.setdefault(rule, rule))
        shared: dict[tuple[str, ...], tuple[str, ...]] = {}
        rules = {id_: shared.setdefault(tuple(found), tuple(found)) for id_, found in bundles.items()}
        self._hosts: dict[str, list[Span]] = {}
        for host, bundle, state, opened, began, ended in session.rows(SPANS, values):
            state, opened, ended = (names.setdefault(word, word) for word in (state, opened, ended))
            self._hosts.setdefault(host, []).append(Span(rules[bundle], state, opened, bool(began), ended))
        self._between = since_last_run.changed(session, run)

    def of(self, host: str) -> Sequence[Span]:
        """What changed on a host and what went on there, oldest first; nothing where nothing changed."""
        return self._hosts.get(host, ())

    def between(self, host: str) -> frozenset[str]:
        """What the run brought of the time before it: identities, as `since_last_run.of` has them."""
        return self._between.get(host, frozenset())

    def hosts(self) -> Iterator[str]:
        """The hosts on which something changed, by name."""
        return iter(self._hosts)


def transitions(session: Session, run: str) -> Transitions | None:
    """The changes of a run; None for a run that is not in the history, which then knows no changes."""
    row = next(session.rows("SELECT finished FROM proscribe_run WHERE id = :run", {"run": run}), None)
    return None if row is None else Transitions(session, run, row[0])
