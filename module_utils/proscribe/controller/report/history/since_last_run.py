"""What hosts did between two runs, and what their users requested, in the history. Sessions as in queries.py.

A host's journal is read again by every run, so what comes twice must not count twice. Entries about one thing on one
host are one where their times overlap. Once a journal has lost its oldest lines, what it still has says less than was
known: then the greater number stays, and is one more where there was something later. It is never more than happened.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import NamedTuple

from ....model.types.record import HostRecord
from ....wire.replies.shapes import MAX_COUNT
from ..evaluation.since_last_run import ENDED, FROZEN, INCIDENT, Remark, remarks
from .database import Session
from .tables import BETWEEN, among, insert, places

REQUEST = "request"
MOST_USERS = 20


class Entry(NamedTuple):
    """A row of `proscribe_between`. `who` is the user of an ended program or a request, or who froze the watcher."""

    host: str
    id: str
    first: str
    last: str
    kind: str
    rule: str  # of a request: the service
    program: str  # of a request: its id
    who: str
    times: int
    corrected: int
    users: str  # a JSON list
    detail: str  # the reason of a request or a freeze; by what many rules were open
    run: str

    def shown(self) -> dict[str, object]:
        """It for people and programs."""
        named = self._asdict()
        del named["id"], named["run"]
        return {**named, "users": json.loads(self.users)}


COLUMNS = ", ".join(Entry._fields)
ADD = f"{insert(BETWEEN, Entry._fields)} ON CONFLICT (host, id, first) DO NOTHING"
DROP = f"DELETE FROM {BETWEEN} WHERE host = :host AND id = :id AND first = :first"


def identity(*names: str) -> str:
    """A digest of some names. An entry of a host has that of its kind, rule, program and user, beside its time."""
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:32]


def record(session: Session, run: str, records: Iterable[HostRecord]) -> None:
    """Merge what the records of some hosts say into what is known. Costs nothing for hosts that say nothing."""
    found = {rec["host"]: entries for rec in records if (entries := list(_entries(rec, run)))}
    if not found:
        return
    query = f"SELECT {COLUMNS} FROM {BETWEEN} WHERE host IN ({places(len(found))})"
    known: dict[tuple[str, str], list[Entry]] = {}
    for row in session.rows(query, among(list(found))):
        known.setdefault((row[0], row[1]), []).append(Entry(*row))
    dropping: list[Entry] = []
    adding: list[Entry] = []
    for entries in found.values():
        for entry in entries:
            before = [one for one in known.get((entry.host, entry.id), ()) if _overlap(one, entry)]
            merged = _merged(entry, before)
            if before != [merged]:
                dropping += before
                adding.append(merged)
    session.many(DROP, [{"host": one.host, "id": one.id, "first": one.first} for one in dropping])
    session.many(ADD, [one._asdict() for one in adding])


def _entries(rec: HostRecord, run: str) -> Iterable[Entry]:
    host = rec["host"]
    for one in remarks(rec):
        if one.kind in (INCIDENT, ENDED, FROZEN):
            last = one.last or one.first
            about = one.first, last, one.kind, one.rule, one.program, one.user, one.times, one.corrected
            yield Entry(host, of(one), *about, json.dumps(one.users), one.reason, run)
    for request in rec.get("requests") or ():
        id_, user, at = request["id"], request["user"], request["at"]
        what = REQUEST, request["service"], id_, user
        yield Entry(host, identity(*what), at, at, *what, 1, 0, "[]", request["reason"], run)


def of(remark: Remark) -> str:
    """The identity of what a remark is about. A freeze, or an incident of many rules, is another one by each reason."""
    return identity(remark.kind, remark.rule, remark.program or remark.reason, remark.user)


def _overlap(one: Entry, other: Entry) -> bool:
    return one.first <= other.last and other.first <= one.last


def _merged(entry: Entry, before: list[Entry]) -> Entry:
    """An entry with what was known of the same time; what was known, where it brings nothing."""
    if not before:
        return entry
    last = max(one.last for one in before)
    later = int(entry.last > last)
    users = [user for one in (*before, entry) for user in json.loads(one.users)]
    merged = before[-1]._replace(
        first=min(entry.first, *(one.first for one in before)),
        last=max(entry.last, last),
        # A host may claim anything in each run, and a sum that no database takes would end the history of all.
        times=min(MAX_COUNT, max(entry.times, sum(one.times for one in before) + later)),
        corrected=min(MAX_COUNT, max(entry.corrected, sum(one.corrected for one in before))),
        users=json.dumps(list(dict.fromkeys(users))[:MOST_USERS]),
    )
    return merged if [merged] == before else merged._replace(run=entry.run)


def changed(session: Session, run: str) -> dict[str, frozenset[str]]:
    """The identities of what a run brought, by host."""
    if not session.has(BETWEEN):
        return {}
    found: dict[str, set[str]] = {}
    for host, id_ in session.rows(f"SELECT host, id FROM {BETWEEN} WHERE run = :run", {"run": run}):
        found.setdefault(host, set()).add(id_)
    return {host: frozenset(ids) for host, ids in found.items()}


def since(session: Session, since_: str, host: str = "", rule: str = "", most: int = 1000) -> list[Entry]:
    """What happened between two runs since then, the newest first; of one host or one rule where they are named."""
    if not session.has(BETWEEN):
        return []
    # An incident of many rules is filed under their control.
    where = (" AND host = :host" if host else "") + (" AND rule IN (:rule, :control)" if rule else "")
    query = f"""SELECT {COLUMNS} FROM {BETWEEN} WHERE last >= :since{where}
        ORDER BY last DESC, host, rule, id LIMIT {most:d}"""
    return [
        Entry(*row)
        for row in session.rows(query, {"since": since_, "host": host, "rule": rule, "control": rule.partition("/")[0]})
    ]


def prune(session: Session, before: str) -> None:
    """Forget what happened before that time."""
    session.run(f"DELETE FROM {BETWEEN} WHERE last < :before", {"before": before})
