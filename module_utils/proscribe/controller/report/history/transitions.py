"""The changes of a run, host by host: incidents that began or ended, and other incidents of these hosts.

Only hosts with a change are here, so a fleet without changes costs nothing. Hosts share the rules of their incidents,
as in the tables: a great fleet's first audit changes millions of rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ....model.finding import LIFTED
from . import incident_entries
from .database import HistorySession


class IncidentSpan(NamedTuple):
    """An incident of a host that is open in a run or changed in it: some rules in the same state."""

    rules: tuple[str, ...]  # the rule "" is the host as a whole
    state: str
    opened: str  # begin (UTC) of the incident
    has_begun: bool  # true if the incident began in this run
    end_state: str  # state with which the incident ended in this run; "" if it did not end in this run


# Incidents that changed in the run, or were open when it ended. For an old run, later runs may have ended these since.
# A lift (removal of the ban) is no state of a rule, so incidents with this state are left out.
SPANS_QUERY = f"""SELECT e.host, e.bundle, e.state, e.opened, CASE WHEN e.opened_run = :run THEN 1 ELSE 0 END,
        CASE WHEN e.closed_run = :run THEN e.ended ELSE '' END
    FROM proscribe_episode e
    WHERE e.host IN (SELECT host FROM proscribe_episode WHERE opened_run = :run OR closed_run = :run)
        AND e.state <> '{LIFTED}' AND (e.opened_run = :run OR e.closed_run = :run
            OR (e.opened < :finished AND (e.closed IS NULL OR e.closed > :finished)))
    ORDER BY e.host, e.opened, e.state"""
BUNDLES_QUERY = """SELECT id, rule FROM proscribe_bundle WHERE id IN (SELECT bundle FROM proscribe_episode
    WHERE host IN (SELECT host FROM proscribe_episode WHERE opened_run = :run OR closed_run = :run))
    ORDER BY id, rule"""


class RunTransitions:
    """The changes of a run by host, with the incidents that continue on hosts with a change."""

    def __init__(self, session: HistorySession, run_id: str, finished: str) -> None:
        parameters = {"run": run_id, "finished": finished}
        interned: dict[str, str] = {}  # each distinct text once, which saves memory
        bundles: dict[str, list[str]] = {}
        for bundle_id, rule in session.fetch_rows(BUNDLES_QUERY, parameters):
            bundles.setdefault(bundle_id, []).append(interned.setdefault(rule, rule))
        shared_rules: dict[tuple[str, ...], tuple[str, ...]] = {}
        rules = {
            bundle_id: shared_rules.setdefault(tuple(bundle_rules), tuple(bundle_rules))
            for bundle_id, bundle_rules in bundles.items()
        }
        self._hosts: dict[str, list[IncidentSpan]] = {}
        for host, bundle, state, opened, has_begun, end_state in session.fetch_rows(SPANS_QUERY, parameters):
            state, opened, end_state = (interned.setdefault(text, text) for text in (state, opened, end_state))
            self._hosts.setdefault(host, []).append(
                IncidentSpan(rules[bundle], state, opened, bool(has_begun), end_state)
            )
        self._remark_ids = incident_entries.list_changed_ids(session, run_id)

    def list_spans(self, host: str) -> Sequence[IncidentSpan]:
        """Return the incidents of a host that changed or continue in the run, oldest first.

        The result is empty for a host without a change.
        """
        return self._hosts.get(host, ())

    def list_new_remark_ids(self, host: str) -> frozenset[str]:
        """Return the ids of a host's events between two runs that this run was the first to report, or changed.

        `incident_entries.identify_remark` makes these ids.
        """
        return self._remark_ids.get(host, frozenset())

    def iterate_hosts(self) -> Iterator[str]:
        """Yield the names of the hosts with a change, in the order of the names."""
        return iter(self._hosts)


def read_transitions(session: HistorySession, run_id: str) -> RunTransitions | None:
    """Read what a run changed from the history; None for a run that the history does not have."""
    row = next(session.fetch_rows("SELECT finished FROM proscribe_run WHERE id = :run", {"run": run_id}), None)
    return None if row is None else RunTransitions(session, run_id, row[0])
