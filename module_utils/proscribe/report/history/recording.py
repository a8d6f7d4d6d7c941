"""Writing a run into the history: what began, what ended, what went on.

Only changes are written. A rule that is not as it should be opens an episode, which stays open, untouched, for as long
as runs see the same; most of a fleet costs nothing but the note that its hosts were seen.

What cannot be seen does not end what was seen: while a rule is `unknown` or `error`, its `noncompliant` episode stays
open. And a rule ends as `withdrawn`, not as repaired, when the host's plan does not ask for it any more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from ...finding import COMPLIANT, ERROR, NONCOMPLIANT, NOT_APPLICABLE, REPAIRED, STATES, UNKNOWN, WAIVED, worst
from ...plan import CONTROLS
from ..arithmetic import covered
from ..wording import clean, evidence
from .database import Session
from .tables import ADD_EPISODE, ADD_RUN, CLOSE_EPISODE, SET_HOST, HostRow, names, select_hosts, select_open

HOST = ""  # the rule of an episode that is about the host as a whole: it gave no answer, or a correction failed

OPENING = (ERROR, NONCOMPLIANT, UNKNOWN, WAIVED)  # the states that open an episode
BLIND = (ERROR, UNKNOWN)  # of these, the ones in which nobody could see how the rule stands

# How an episode can end, besides going over into another state.
WITHDRAWN = "withdrawn"  # the plan does not ask for the rule any more
GONE = "gone"  # the host has left the inventory

BATCH = 500  # hosts that are asked for in one query
LONGEST = 300  # characters of evidence that are kept


class Run(NamedTuple):
    """What the history keeps of a run. `inventory` and `controls` are JSON lists, `scope` is its --limit."""

    id: str
    playbook: str
    mode: str
    started: str
    finished: str
    inventory: str
    scope: str
    controls: str
    summary: str

    @classmethod
    def of(cls, report: Mapping[str, Any]) -> Run:
        """A run out of its fleet report."""
        run = report["run"]
        return cls(
            **{key: str(run[key]) for key in ("id", "playbook", "mode", "started", "finished")},
            inventory=json.dumps(run["inventory"]),
            scope=run["limit"] or "",
            controls=json.dumps(run["controls"]),
            summary=json.dumps(report["summary"]),
        )


class Plans:
    """The services of the plans that hosts answered for, by digest; each is read once."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._read: dict[str, Mapping[str, frozenset[str]] | None] = {}

    def services(self, digest: str) -> Mapping[str, frozenset[str]] | None:
        """The services of each control that a plan has; None for a plan that is not there any more."""
        if digest not in self._read:
            self._read[digest] = self._load(digest)
        return self._read[digest]

    def _load(self, digest: str) -> Mapping[str, frozenset[str]] | None:
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            return None
        try:
            text = (self._store / f"{digest.removeprefix('sha256:')}.json").read_text(encoding="utf-8")
            controls = json.loads(text)["controls"]
            return {control: frozenset(part["services"]) for control, part in controls.items()}
        except (OSError, ValueError, KeyError):
            return None


class Written(NamedTuple):
    """What a run changed in the history: how many episodes it opened and closed."""

    opened: int = 0
    closed: int = 0


def record(session: Session, report: Mapping[str, Any], records: Iterable[Mapping[str, Any]], plans: Plans) -> Written:
    """Write a run and its (reconciled) records. A run that is there already is left as it is."""
    run = Run.of(report)
    if list(session.rows("SELECT id FROM proscribe_run WHERE id = :id", {"id": run.id})):
        return Written()
    opened = closed = 0
    remaining = iter(records)
    while batch := list(islice(remaining, BATCH)):
        changes = _Batch(session, run, batch, plans)
        session.many(CLOSE_EPISODE, changes.closing)
        session.many(ADD_EPISODE, changes.opening)
        session.many(SET_HOST, changes.hosts)
        opened, closed = opened + len(changes.opening), closed + len(changes.closing)
    _gone(session, run)
    session.run(ADD_RUN, run._asdict())
    return Written(opened, closed)


class _Batch:
    """The changes that some hosts' records make: rows for CLOSE_EPISODE, ADD_EPISODE and SET_HOST, in that order."""

    def __init__(self, session: Session, run: Run, records: list[Mapping[str, Any]], plans: Plans) -> None:
        self.run, self.plans = run, plans
        self.controls: list[str] = json.loads(run.controls) or list(CONTROLS)
        self.closing: list[dict[str, Any]] = []
        self.opening: list[dict[str, Any]] = []
        self.hosts: list[dict[str, Any]] = []
        wanted = [record["host"] for record in records]
        known = {row[0]: HostRow(*row) for row in session.rows(select_hosts(len(wanted)), names(wanted))}
        going: dict[str, list[tuple[str, str]]] = {}
        for host, rule, state, _ in session.rows(select_open(len(wanted)), names(wanted)):
            going.setdefault(host, []).append((rule, state))
        for record in records:
            host = record["host"]
            self._take(record, known.get(host, HostRow(host)), going.get(host, ()))

    def _take(self, record: Mapping[str, Any], before: HostRow, going: Iterable[tuple[str, str]]) -> None:
        at = self._when(record)
        # A run that ends late may bring an older look than the one that is known already; it says nothing new.
        fresh = [control for control in self.controls if at >= getattr(before, control)] if covered(record) else []
        asked = self.run.finished >= before.asked
        said = dict(_said(record, fresh, about_host=asked))
        about = {HOST} if asked else set()
        for rule, state in going:
            control = rule.partition("/")[0]
            if control not in fresh and rule not in about:
                continue
            now, _ = said.get(rule, (COMPLIANT, ""))
            if now == state or (now in BLIND and state not in BLIND):
                continue
            if rule not in said and self._withdrawn(rule, before.plan, record["plan"]):
                now = WITHDRAWN
            self.closing.append(self._close(record["host"], rule, state, at, now))
        open_ = set(going)
        for rule, (state, what) in said.items():
            if state in OPENING and (rule, state) not in open_:
                self.opening.append(self._open(record["host"], rule, state, what, at))
            elif state == REPAIRED and not open_ & {(rule, NONCOMPLIANT), (rule, ERROR)}:
                # It began after the last run and ended within this one.
                row = self._open(record["host"], rule, NONCOMPLIANT, what, at)
                self.opening.append({**row, "closed": at, "closed_run": self.run.id, "ended": REPAIRED})
        if asked or fresh:
            self.hosts.append(self._host(record, before, fresh, at, asked))

    def _when(self, record: Mapping[str, Any]) -> str:
        """When a host was looked at: by its own clock, as far as that lies within the run by ours."""
        said = str(record["checked_at"] or "")
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", said):
            return self.run.finished
        return min(max(said, self.run.started), self.run.finished)

    def _withdrawn(self, rule: str, old: str, new: str | None) -> bool:
        """Whether a rule is not seen any more because the plan does not ask for it any more."""
        control, _, service = rule.partition("/")
        asked_for = self.plans.services(new or "")
        if not service or asked_for is None:
            return False
        if control not in asked_for:
            return True
        before = self.plans.services(old)
        # A rule that is no service of the old plan is a setting, of which plans do not list the rules.
        return before is not None and service in before.get(control, ()) and service not in asked_for[control]

    def _close(self, host: str, rule: str, state: str, at: str, ended: str) -> dict[str, Any]:
        run = self.run.id
        return {"host": host, "rule": rule, "state": state, "closed": at, "closed_run": run, "ended": ended}

    def _open(self, host: str, rule: str, state: str, what: str, at: str) -> dict[str, Any]:
        row = {"host": host, "rule": rule, "state": state, "evidence": what, "opened": at, "opened_run": self.run.id}
        return {**row, "closed": None, "closed_run": None, "ended": None}

    def _host(
        self, record: Mapping[str, Any], before: HostRow, fresh: Iterable[str], at: str, asked: bool
    ) -> dict[str, Any]:
        row = before._replace(**dict.fromkeys(fresh, at))
        if fresh:
            row = row._replace(plan=record["plan"])
        if asked:
            row = row._replace(inventory=self.run.inventory, run=self.run.id, asked=self.run.finished)
        return row._asdict()


def _said(record: Mapping[str, Any], fresh: list[str], about_host: bool) -> Iterator[tuple[str, tuple[str, str]]]:
    """What a record says: (rule, (state, evidence)) of the controls that it looked at, and of the host as a whole."""
    listed = [rule["state"] for rule in record["rules"]]
    # The host is worse than its rules when it gave no answer, or when a correction or a task failed.
    if about_host and record["state"] in BLIND and (not listed or _rank(record["state"]) < _rank(worst(listed))):
        why = record["reason"] or "; ".join(str(error["message"]) for error in record["errors"]) or record["state"]
        yield HOST, (record["state"], _kept(why))
    for rule in record["rules"]:
        if rule["rule"].partition("/")[0] in fresh:
            yield _kept(rule["rule"]), (rule["state"], _evidence(rule))


def _rank(state: str) -> int:
    return STATES.index(state)


def _evidence(rule: Mapping[str, Any]) -> str:
    if rule["state"] == NOT_APPLICABLE:
        return ""
    first = evidence(rule["findings"][0]) if rule["findings"] else rule["reason"] or ""
    more = len(rule["findings"]) - 1
    return _kept(f"{first} and {more} more" if more > 0 else first)


def _kept(text: object) -> str:
    """Text as it is kept: printable, since a database may refuse what does not print, and not endless."""
    return clean(str(text)[:LONGEST])


def _gone(session: Session, run: Run) -> None:
    """Close what is open of hosts that have left the inventory: a later run of all of it did not ask them."""
    newer = "SELECT id FROM proscribe_run WHERE inventory = :inventory AND finished > :finished"
    if run.scope or list(session.rows(newer, {"inventory": run.inventory, "finished": run.finished})):
        return
    left = "inventory = :inventory AND run <> :run AND asked <= :asked"
    values = {"inventory": run.inventory, "run": run.id, "asked": run.finished}
    session.run(
        f"""UPDATE proscribe_episode SET closed = :asked, closed_run = :run, ended = '{GONE}'
        WHERE closed IS NULL AND host IN (SELECT name FROM proscribe_host WHERE {left})""",
        values,
    )
    session.run(f"DELETE FROM proscribe_host WHERE {left}", values)


def prune(session: Session, before: str) -> None:
    """Forget runs and episodes that ended before that time, and hosts that nobody asked since, with all of theirs."""
    values = {"before": before}
    lost = "SELECT name FROM proscribe_host WHERE asked < :before"
    session.run(f"DELETE FROM proscribe_episode WHERE closed < :before OR host IN ({lost})", values)
    session.run("DELETE FROM proscribe_host WHERE asked < :before", values)
    session.run("DELETE FROM proscribe_run WHERE finished < :before", values)
