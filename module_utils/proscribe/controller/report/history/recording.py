"""Writing a run into the history: what began, what ended, what went on.

Only changes are written. A rule that is not as it should be opens an incident, which stays open, untouched, for as long
as runs see the same. For most hosts, a run notes only that they were seen. Rules that begin together are one row
(incident_groups.py), which is split when they do not end together.

What cannot be seen does not end what was seen: while a rule is `unknown` or `error`, its `noncompliant` incident stays
open. And a rule ends as `withdrawn`, not as repaired, when the host's plan does not ask for it any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from ....host.controls.group_policy.identity import slug
from ....model.finding import (
    BESIDE,
    COMPLIANT,
    ERROR,
    GROUP_POLICY,
    NONCOMPLIANT,
    NOT_APPLICABLE,
    ON_REQUEST,
    OPEN,
    REPAIRED,
    STATES,
    UNKNOWN,
    WAIVED,
    WATCH,
    worst,
)
from ....model.plan import CONTROLS
from ....model.types.record import Record, Rule
from ....model.types.report import Report
from ....wire.store import Store
from ..evaluation.arithmetic import answered
from ..evaluation.observed import observed_at
from ..evaluation.scope import EXAMPLE as EXAMPLE_INVENTORY
from ..evaluation.scope import left_out
from ..text.wording import clean, evidence
from . import exceptions, since_last_run
from .database import Session
from .incident_groups import Bundles, Rules
from .tables import (
    ADD_INCIDENT,
    ADD_RUN,
    DROP_INCIDENT,
    HOST_COLUMNS,
    SET_HOST,
    HostRow,
    among,
    select_hosts,
    select_open,
)

WATCH_RULES = frozenset({"watcher", "plan"})  # of the watch, without its name
HOST = ""  # the rule of an incident of the host as a whole: it gave no answer, or a correction failed

OPENING = (*OPEN, WAIVED)  # the states that open an incident
BLIND = (ERROR, UNKNOWN)  # of these, the ones in which nobody could see how the rule stands

# How an incident can end, besides going over into another state.
WITHDRAWN = "withdrawn"  # the plan does not ask for the rule any more
GONE = "gone"  # the host has left the inventory

REMEMBERED = 100_000  # rules, in the lists that hosts share
BATCH = 500  # hosts that are asked for in one query
LONGEST = 300  # characters of evidence that are kept


# The project's example inventory, as runs have it, and whether it was used for more than to see where one stands.
EXAMPLE = json.dumps([EXAMPLE_INVENTORY])
USED = "SELECT id FROM proscribe_run WHERE inventory = :example AND mode <> 'audit' LIMIT 1"


class Run(NamedTuple):
    """What the history keeps of a run. `inventory` and `controls` are JSON lists, `scope` its --limit, "" for all."""

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
    def of(cls, report: Report) -> Run:
        """A run out of its fleet report."""
        run = report["run"]
        return cls(
            **{key: str(run[key]) for key in ("id", "playbook", "mode", "started", "finished")},
            inventory=json.dumps(run["inventory"]),
            # A run that left hosts out for another reason than a --limit is none of the whole either.
            scope=run["limit"] or ("" if left_out(run) == 0 and not run.get("interrupted") else "part of the hosts"),
            controls=json.dumps(run["controls"]),
            summary=json.dumps(report["summary"]),
        )


class Plans:
    """The services of the plans that hosts answered for, by digest; each is read once."""

    def __init__(self, store: Path) -> None:
        self._store = Store(store)
        self._read: dict[str, Mapping[str, frozenset[str]] | None] = {}

    def services(self, digest: str) -> Mapping[str, frozenset[str]] | None:
        """The services of each control that a plan has; None for a plan that is not there any more."""
        if digest not in self._read:
            self._read[digest] = self._load(digest)
        return self._read[digest]

    def _load(self, digest: str) -> Mapping[str, frozenset[str]] | None:
        try:
            plan = self._store.stored(digest)
            found = {control: frozenset(part["services"]) for control, part in plan["controls"].items()}
            if GROUP_POLICY in plan:
                found[GROUP_POLICY] = frozenset(slug(one["name"]) for one in plan[GROUP_POLICY]["objects"])
            return {**found, WATCH: WATCH_RULES} if WATCH in plan else found
        except (OSError, ValueError, KeyError):
            return None


class Written(NamedTuple):
    """What a run changed in the history: how many rules, over all hosts, it saw begin and end."""

    opened: int = 0
    closed: int = 0


def record(session: Session, report: Report, records: Iterable[Record], plans: Plans) -> Written:
    """Write a run and its (reconciled) records. A run that is there already is left as it is."""
    run = Run.of(report)
    if list(session.rows("SELECT id FROM proscribe_run WHERE id = :id", {"id": run.id})):
        return Written()
    opened = closed = 0
    bundles, said, uses = Bundles(session), Said(), exceptions.Uses(report["run"])
    remaining = iter(records)
    while batch := list(islice(remaining, BATCH)):
        changes = _Batch(session, run, batch, plans, bundles, said)
        bundles.save()
        session.many(DROP_INCIDENT, changes.dropping)
        session.many(ADD_INCIDENT, changes.adding)
        session.many(SET_HOST, changes.hosts)
        since_last_run.record(session, run.id, batch)
        uses.record(session, ((one, observed_at(one, run.started, run.finished)) for one in batch))
        opened, closed = opened + changes.opened, closed + changes.closed
    _gone(session, run)
    exceptions.waivers(session, report)
    session.run(ADD_RUN, run._asdict())
    return Written(opened, closed)


class Going(NamedTuple):
    """An open incident of a host."""

    bundle: str
    state: str
    opened: str
    opened_run: str


class _Batch:
    """The changes that some hosts' records make: rows for DROP_INCIDENT, ADD_INCIDENT and SET_HOST, in that order, and
    how many rules began and ended.
    """

    def __init__(
        self,
        session: Session,
        run: Run,
        records: list[Record],
        plans: Plans,
        bundles: Bundles,
        said: Said,
    ) -> None:
        self.run, self.plans, self.bundles, self.said = run, plans, bundles, said
        self.controls: list[str] = json.loads(run.controls) or list(CONTROLS)
        self.dropping: list[dict[str, Any]] = []
        self.adding: list[dict[str, Any]] = []
        self.hosts: list[dict[str, Any]] = []
        self.opened = self.closed = 0
        names = among([record["host"] for record in records])
        known = {row[0]: HostRow(*row) for row in session.rows(select_hosts(len(names)), names)}
        going: dict[str, list[Going]] = {}
        for host, *incident in session.rows(select_open(len(names)), names):
            going.setdefault(host, []).append(Going(*incident))
        bundles.load(incident.bundle for incidents in going.values() for incident in incidents)
        for record in records:
            host = record["host"]
            self._take(record, known.get(host, HostRow(host)), going.get(host, ()))

    def _take(self, record: Record, before: HostRow, going: Iterable[Going]) -> None:
        at = observed_at(record, self.run.started, self.run.finished)
        # A run that ends late may bring an older observation than the known one; it says nothing new.
        fresh = [control for control in self.controls if at >= getattr(before, control)] if answered(record) else []
        if fresh:
            fresh += [name for name in BESIDE if self._about(name, record)]
        expected = self.run.finished >= before.expected_at
        said = self.said.of(record, fresh, about_host=expected)
        about = {*fresh, HOST} if expected else set(fresh)
        open_: set[tuple[str, str]] = set()
        for incident in going:
            rules = self.bundles.rules(incident.bundle)
            open_.update((rule, incident.state) for rule in rules)
            ended: dict[str, dict[str, str]] = {}  # how it ended ("" if it did not): for which rules
            for rule, evidence_ in rules.items():
                now = self._end(rule, incident.state, said, before.plan, record["plan"] or "", about)
                ended.setdefault(now, {})[rule] = evidence_
            if set(ended) != {""}:
                self._split(record["host"], incident, ended, at)
        beginning: dict[tuple[str, str, str], dict[str, str]] = {}
        for rule, (state, what) in said.items():
            control = rule.partition("/")[0]
            place = rule if control == "apps" else control  # an app is found in its own place on each host
            if state in OPENING and (rule, state) not in open_:
                beginning.setdefault((state, place, ""), {})[rule] = what
            elif state == REPAIRED and not open_ & {(rule, NONCOMPLIANT), (rule, ERROR)}:
                # It began after the last run and ended within this one.
                beginning.setdefault((NONCOMPLIANT, place, REPAIRED), {})[rule] = what
        for (state, _, end), rules in beginning.items():
            self._add(record["host"], rules, Going("", state, at, self.run.id), end, at)
            self.opened += len(rules)
        if expected or fresh:
            self.hosts.append(self._host(record, before, fresh, at, expected))

    def _about(self, name: str, record: Record) -> bool:
        """Whether a record says how something beside the controls is: a run over all of these, or one that observed it
        too.
        """
        return len(self.controls) == len(CONTROLS) or name in (record.get("controls") or {})

    def _end(
        self, rule: str, state: str, said: Mapping[str, tuple[str, str]], old: str, new: str, about: set[str]
    ) -> str:
        """How an incident of that rule and state ends by a record; "" where it goes on or was not observed."""
        if rule.partition("/")[0] not in about:
            return ""
        if rule not in said:
            if rule in ON_REQUEST:
                return ""
            return WITHDRAWN if self._withdrawn(rule, old, new) else COMPLIANT
        now = said[rule][0]
        return "" if now == state or (now in BLIND and state not in BLIND) else now

    def _split(self, host: str, incident: Going, ended: Mapping[str, Rules], at: str) -> None:
        """End an incident, for its rules as they ended; it goes on for those that did not."""
        self.dropping.append({"host": host, "bundle": incident.bundle, "state": incident.state})
        for end, rules in ended.items():
            self._add(host, rules, incident, end, at)
            self.closed += len(rules) if end else 0

    def _add(self, host: str, rules: Rules, incident: Going, end: str, at: str) -> None:
        row = {**incident._asdict(), "host": host, "bundle": self.bundles.of(rules)}
        closed = {"closed": at, "closed_run": self.run.id, "ended": end}
        self.adding.append({**row, **(closed if end else dict.fromkeys(closed))})

    def _withdrawn(self, rule: str, old: str, new: str) -> bool:
        """Whether a rule is not seen any more because the plan does not ask for it any more."""
        control, _, service = rule.partition("/")
        services = self.plans.services(new)
        if not service or services is None:
            return False
        if control not in services:
            return True
        before = self.plans.services(old)
        # A rule that is no service of the old plan is a setting, of which plans do not list the rules.
        return before is not None and service in before.get(control, ()) and service not in services[control]

    def _host(self, record: Record, before: HostRow, fresh: Iterable[str], at: str, expected: bool) -> dict[str, Any]:
        row = before._replace(**dict.fromkeys([control for control in fresh if control not in BESIDE], at))
        if fresh:
            row = row._replace(plan=record["plan"])
        if expected:
            row = row._replace(inventory=self.run.inventory, run=self.run.id, expected_at=self.run.finished)
        return dict(zip(HOST_COLUMNS, row))


class Said:
    """What records say. Thousands of hosts list the very same rules, so what was said of them is remembered."""

    def __init__(self) -> None:
        self._same: dict[tuple[Any, ...], tuple[Any, Mapping[str, tuple[str, str]]]] = {}
        self._remembered = 0

    def of(self, record: Record, fresh: list[str], about_host: bool) -> Mapping[str, tuple[str, str]]:
        """{rule: (state, evidence)} of the controls that were observed, and of the host as a whole (rule "")."""
        rules = record["rules"]
        key = (*fresh, *map(id, rules))
        if key not in self._same:
            if self._remembered > REMEMBERED:
                self._same.clear()
                self._remembered = 0
            self._remembered += 1 + len(rules)
            here = {
                _printable(rule["rule"]): (rule["state"], _evidence(rule))
                for rule in rules
                if rule["rule"].partition("/")[0] in fresh
            }
            # With the rules themselves, so that none of their ids can become another's.
            self._same[key] = tuple(rules), here
        evidence = self._same[key][1]
        listed = [rule["state"] for rule in rules]
        # The host is worse than its rules when it gave no answer, or when a correction or a task failed.
        if about_host and record["state"] in BLIND and (not listed or _rank(record["state"]) < _rank(worst(listed))):
            errors = "; ".join(str(error["message"]) for error in record["errors"])
            return {HOST: (record["state"], _printable(record["reason"] or errors or record["state"])), **evidence}
        return evidence


def _rank(state: str) -> int:
    return STATES.index(state)


def _evidence(rule: Rule) -> str:
    if rule["state"] == NOT_APPLICABLE:
        return ""
    first = evidence(rule["findings"][0]) if rule["findings"] else rule["reason"] or ""
    more = len(rule["findings"]) - 1
    return _printable(f"{first} and {more} more" if more > 0 else first)


def _printable(text: object) -> str:
    """Text as it is kept: printable, since a database may refuse what does not print, and not endless."""
    return clean(str(text)[:LONGEST])


def _gone(session: Session, run: Run) -> None:
    """Close what is open of hosts that have left the inventory: a later run of all of it did not ask them. So
    have those of the example inventory, once there is another one.
    """
    newer = "SELECT id FROM proscribe_run WHERE inventory = :inventory AND finished > :finished"
    if run.scope or list(session.rows(newer, {"inventory": run.inventory, "finished": run.finished})):
        return
    mine = ":inventory"
    if run.inventory != EXAMPLE and not list(session.rows(USED, {"example": EXAMPLE})):
        mine = ":inventory, :example"  # the first audit, before there was an inventory of one's own, is over
    left = f"inventory IN ({mine}) AND run <> :run AND asked <= :asked"
    values = {"inventory": run.inventory, "example": EXAMPLE, "run": run.id, "asked": run.finished}
    session.run(
        f"""UPDATE proscribe_episode SET closed = :asked, closed_run = :run, ended = '{GONE}'
        WHERE closed IS NULL AND host IN (SELECT name FROM proscribe_host WHERE {left})""",
        values,
    )
    session.run(f"DELETE FROM proscribe_host WHERE {left}", values)


def prune(session: Session, before: str) -> None:
    """Delete runs and incidents that ended before that time, and hosts that nobody asked since, with all of theirs."""
    values = {"before": before}
    lost = "SELECT name FROM proscribe_host WHERE asked < :before"
    session.run(f"DELETE FROM proscribe_episode WHERE closed < :before OR host IN ({lost})", values)
    session.run("DELETE FROM proscribe_host WHERE asked < :before", values)
    session.run("DELETE FROM proscribe_run WHERE finished < :before", values)
    session.run("DELETE FROM proscribe_bundle WHERE id NOT IN (SELECT bundle FROM proscribe_episode)")
    since_last_run.prune(session, before)
    exceptions.prune(session, before)
