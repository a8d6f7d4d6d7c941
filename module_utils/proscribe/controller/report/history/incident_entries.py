"""Events on hosts between two runs, and requests of their users, in the history. Sessions as in queries.py.

Every run reads a host's journal again, so repeated entries must not count twice. Entries of a host about the same
subject are merged if their times overlap. A journal that has lost its oldest lines shows less than was known. Then the
greater number stays, plus 1 if there is a later entry. The number never exceeds the real number of events.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import NamedTuple

from ....model.types.record import HostRecord
from ....wire.answers.value_readers import MAX_COUNT
from ..evaluation.watch_remark_groups import ENDED, FROZEN, INCIDENT, WatchRemark, list_remarks
from .database import HistorySession
from .tables import BETWEEN_TABLE, make_insert_statement, make_parameters, make_placeholders

REQUEST_KIND = "request"
MAX_USERS = 20


class BetweenEntry(NamedTuple):
    """A row of `proscribe_between`: an event on a host between two runs, or a user's request.

    `who` is the user of an ended program, of a request, or of a freeze.
    """

    host: str
    id: str
    first: str
    last: str
    kind: str  # INCIDENT, ENDED, FROZEN or REQUEST_KIND
    rule: str  # the rule; for a request, its service
    program: str  # path of an ended program; id of a request
    who: str
    times: int
    corrected: int
    users: str  # a JSON list of the users who were logged in at an incident
    detail: str  # reason of a request or a freeze; common cause of an incident of several rules
    run: str  # id of the last run that changed the row

    def export_fields(self) -> dict[str, object]:
        """Return the fields of the entry that the output shows, with the users as a list."""
        fields = self._asdict()
        del fields["id"], fields["run"]
        return {**fields, "users": json.loads(self.users)}


ENTRY_COLUMNS = ", ".join(BetweenEntry._fields)
ADD_ENTRY = f"{make_insert_statement(BETWEEN_TABLE, BetweenEntry._fields)} ON CONFLICT (host, id, first) DO NOTHING"
DROP_ENTRY = f"DELETE FROM {BETWEEN_TABLE} WHERE host = :host AND id = :id AND first = :first"


def hash_names(*names: str) -> str:
    """Return a digest of some names, 32 hexadecimal digits long. It is the id of an entry or of an event."""
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:32]


def record_entries(session: HistorySession, run_id: str, records: Iterable[HostRecord]) -> None:
    """Store the events in some hosts' records; events that overlap with stored events are merged with them.

    For hosts without events, no query is made.
    """
    entries_by_host = {
        host_record["host"]: entries for host_record in records if (entries := list(_list_entries(host_record, run_id)))
    }
    if not entries_by_host:
        return
    query = f"SELECT {ENTRY_COLUMNS} FROM {BETWEEN_TABLE} WHERE host IN ({make_placeholders(len(entries_by_host))})"
    known_entries: dict[tuple[str, str], list[BetweenEntry]] = {}
    for row in session.fetch_rows(query, make_parameters(list(entries_by_host))):
        known_entries.setdefault((row[0], row[1]), []).append(BetweenEntry(*row))
    dropped_entries: list[BetweenEntry] = []
    added_entries: list[BetweenEntry] = []
    for entries in entries_by_host.values():
        for entry in entries:
            overlapping = [
                known_entry
                for known_entry in known_entries.get((entry.host, entry.id), ())
                if _is_overlapping(known_entry, entry)
            ]
            merged_entry = _merge_entries(entry, overlapping)
            if overlapping != [merged_entry]:  # the stored entry changes, or the entry is new
                dropped_entries += overlapping
                added_entries.append(merged_entry)
    session.execute_for_rows(
        DROP_ENTRY,
        [
            {"host": known_entry.host, "id": known_entry.id, "first": known_entry.first}
            for known_entry in dropped_entries
        ],
    )
    session.execute_for_rows(ADD_ENTRY, [known_entry._asdict() for known_entry in added_entries])


def _list_entries(host_record: HostRecord, run_id: str) -> Iterable[BetweenEntry]:
    """Yield the events between two runs and the requests in a record, as rows of the history."""
    host = host_record["host"]
    for remark in list_remarks(host_record):
        if remark.kind in (INCIDENT, ENDED, FROZEN):
            last = remark.last or remark.first
            remark_facts = (
                remark.first,
                last,
                remark.kind,
                remark.rule,
                remark.program,
                remark.user,
                remark.times,
                remark.corrected,
            )
            yield BetweenEntry(
                host, identify_remark(remark), *remark_facts, json.dumps(remark.users), remark.reason, run_id
            )
    for request in host_record.get("requests") or ():
        request_id, user, requested_at = request["id"], request["user"], request["at"]
        request_facts = REQUEST_KIND, request["service"], request_id, user
        yield BetweenEntry(
            host,
            hash_names(*request_facts),
            requested_at,
            requested_at,
            *request_facts,
            1,
            0,
            "[]",
            request["reason"],
            run_id,
        )


def identify_remark(remark: WatchRemark) -> str:
    """Return the id of a remark's subject. Later remarks about the same subject have the same id.

    Freezes with different reasons have different ids, and so have incidents of several rules with different causes.
    """
    return hash_names(remark.kind, remark.rule, remark.program or remark.reason, remark.user)


def _is_overlapping(first: BetweenEntry, second: BetweenEntry) -> bool:
    """Return whether the times of two entries overlap."""
    return first.first <= second.last and second.first <= first.last


def _merge_entries(entry: BetweenEntry, known_entries: list[BetweenEntry]) -> BetweenEntry:
    """Merge an entry with the stored entries of its subject that overlap with it in time.

    Return the stored entry if nothing is new, and `entry` itself if no stored entry overlaps.
    """
    if not known_entries:
        return entry
    # If the journal lost its oldest lines, its number is too small. A later entry then adds at least one event to the
    # stored number.
    last_time = max(known_entry.last for known_entry in known_entries)
    later_count = int(entry.last > last_time)
    users = [user for known_entry in (*known_entries, entry) for user in json.loads(known_entry.users)]
    merged = known_entries[-1]._replace(
        first=min(entry.first, *(known_entry.first for known_entry in known_entries)),
        last=max(entry.last, last_time),
        # A host may report any number in each run. Without a limit, the database could reject a sum, and the history of
        # all hosts would end.
        times=min(MAX_COUNT, max(entry.times, sum(known_entry.times for known_entry in known_entries) + later_count)),
        corrected=min(MAX_COUNT, max(entry.corrected, sum(known_entry.corrected for known_entry in known_entries))),
        users=json.dumps(list(dict.fromkeys(users))[:MAX_USERS]),
    )
    return merged if [merged] == known_entries else merged._replace(run=entry.run)


def list_changed_ids(session: HistorySession, run_id: str) -> dict[str, frozenset[str]]:
    """Return by host the ids of the events and requests that this run was the first to report, or changed."""
    if not session.has_table(BETWEEN_TABLE):
        return {}
    ids_by_host: dict[str, set[str]] = {}
    for host, entry_id in session.fetch_rows(f"SELECT host, id FROM {BETWEEN_TABLE} WHERE run = :run", {"run": run_id}):
        ids_by_host.setdefault(host, set()).add(entry_id)
    return {host: frozenset(ids) for host, ids in ids_by_host.items()}


def list_entries(
    session: HistorySession, since: str, host: str = "", rule: str = "", limit: int = 1000
) -> list[BetweenEntry]:
    """Return the events between two runs and the requests since a UTC time, newest first.

    `host` and `rule` select the entries ("" for all); at most `limit` entries are returned.
    """
    if not session.has_table(BETWEEN_TABLE):
        return []
    # An incident of several rules is stored with their control as its rule.
    conditions = (" AND host = :host" if host else "") + (" AND rule IN (:rule, :control)" if rule else "")
    query = f"""SELECT {ENTRY_COLUMNS} FROM {BETWEEN_TABLE} WHERE last >= :since{conditions}
        ORDER BY last DESC, host, rule, id LIMIT {limit:d}"""
    return [
        BetweenEntry(*row)
        for row in session.fetch_rows(
            query, {"since": since, "host": host, "rule": rule, "control": rule.partition("/")[0]}
        )
    ]


def prune_entries(session: HistorySession, oldest_time: str) -> None:
    """Delete the events and requests that ended before a UTC time."""
    session.execute_statement(f"DELETE FROM {BETWEEN_TABLE} WHERE last < :before", {"before": oldest_time})
