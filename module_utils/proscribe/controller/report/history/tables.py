"""The tables of the history, in the SQL that SQLite and PostgreSQL share.

All times are UTC texts of the same spelling (2026-11-25T08:00:00Z), so their order is that of the times. Rows of a run
stay as they are, with two exceptions. A later run closes an open incident, and it updates when a host was last
observed. Only pruning deletes rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from ....model.plan import CONTROLS
from ....model.vocabulary import EXTRA_STATES

TABLES_VERSION = 1

DEPARTED_TABLE = "proscribe_departed_host"

TABLES = (
    "CREATE TABLE IF NOT EXISTS proscribe_history (version INTEGER NOT NULL)",
    # A row for each run, with values of its report. `inventory` and `controls` are JSON lists, and `summary` is JSON.
    """CREATE TABLE IF NOT EXISTS proscribe_run (
        id TEXT PRIMARY KEY, playbook TEXT NOT NULL, mode TEXT NOT NULL, started TEXT NOT NULL, finished TEXT NOT NULL,
        inventory TEXT NOT NULL, scope TEXT NOT NULL, controls TEXT NOT NULL, summary TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS proscribe_run_finished ON proscribe_run (finished)",
    # A row for each host: the last run that expected the host, and the plan for which the host last answered. Each
    # control has the time of its last observation.
    f"""CREATE TABLE IF NOT EXISTS proscribe_host (
        name TEXT PRIMARY KEY, inventory TEXT NOT NULL, run TEXT NOT NULL, asked TEXT NOT NULL, plan TEXT NOT NULL,
        {", ".join(f"{control} TEXT NOT NULL" for control in CONTROLS)})""",
    # Bundles: rules of a control that got the same state on a host in the same run, with their evidence. Before the
    # first enforcing run, each of 20,000 hosts breaks the same 400 rules. That is a single bundle instead of eight
    # million rows. The id is a digest of the content, so all hosts with the same content share the bundle.
    """CREATE TABLE IF NOT EXISTS proscribe_bundle (
        id TEXT NOT NULL, rule TEXT NOT NULL, evidence TEXT NOT NULL, PRIMARY KEY (id, rule))""",
    # A row for each incident: a period in which the rules of a bundle were not compliant on a host. The rule "" is the
    # host as a whole.
    """CREATE TABLE IF NOT EXISTS proscribe_episode (
        host TEXT NOT NULL, bundle TEXT NOT NULL, state TEXT NOT NULL,
        opened TEXT NOT NULL, opened_run TEXT NOT NULL, closed TEXT, closed_run TEXT, ended TEXT)""",
    # The index also makes the database reject a second open incident of the same bundle and state on a host.
    """CREATE UNIQUE INDEX IF NOT EXISTS proscribe_episode_open
        ON proscribe_episode (host, bundle, state) WHERE closed IS NULL""",
    "CREATE INDEX IF NOT EXISTS proscribe_episode_closed ON proscribe_episode (closed)",
    "CREATE INDEX IF NOT EXISTS proscribe_episode_host ON proscribe_episode (host)",
    # Events on hosts between two runs, and requests of users (incident_entries.py). `id` is a digest of kind, rule,
    # program and user, because these texts may be too long for a key. `users` is a JSON list. `run` is the last run
    # that changed the row.
    """CREATE TABLE IF NOT EXISTS proscribe_between (
        host TEXT NOT NULL, id TEXT NOT NULL, first TEXT NOT NULL, last TEXT NOT NULL, kind TEXT NOT NULL,
        rule TEXT NOT NULL, program TEXT NOT NULL, who TEXT NOT NULL, times BIGINT NOT NULL, corrected BIGINT NOT NULL,
        users TEXT NOT NULL, detail TEXT NOT NULL, run TEXT NOT NULL, PRIMARY KEY (host, id, first))""",
    "CREATE INDEX IF NOT EXISTS proscribe_between_last ON proscribe_between (last)",
    "CREATE INDEX IF NOT EXISTS proscribe_between_run ON proscribe_between (run)",
    # The first table has a row for each period in which a waiver had the same terms and status. The second has a row
    # for each finding that a waiver permitted (waiver_history.py). `facts` and `hosts` are JSON.
    """CREATE TABLE IF NOT EXISTS proscribe_waiver (
        inventory TEXT NOT NULL, id TEXT NOT NULL, opened TEXT NOT NULL, seen TEXT NOT NULL, status TEXT NOT NULL,
        facts TEXT NOT NULL, hosts TEXT NOT NULL, PRIMARY KEY (inventory, id, opened))""",
    """CREATE TABLE IF NOT EXISTS proscribe_use (
        inventory TEXT NOT NULL, waiver TEXT NOT NULL, host TEXT NOT NULL, rule TEXT NOT NULL, id TEXT NOT NULL,
        what TEXT NOT NULL, first TEXT NOT NULL, last TEXT NOT NULL, attempts BIGINT NOT NULL,
        PRIMARY KEY (inventory, waiver, host, rule, id))""",
    # A row for each host that has left its inventory, with the time when a run last expected it.
    f"CREATE TABLE IF NOT EXISTS {DEPARTED_TABLE} (name TEXT PRIMARY KEY, inventory TEXT NOT NULL, asked TEXT NOT "
    f"NULL)",
    # A row for each run that opened incidents of a control on a host under a new plan. A defect in such a run is no
    # drift: no run observed the host as compliant under that plan.
    """CREATE TABLE IF NOT EXISTS proscribe_new_plan (
        host TEXT NOT NULL, run TEXT NOT NULL, control TEXT NOT NULL, PRIMARY KEY (host, run, control))""",
)

# Tables that a history of an earlier version of Proscribe may lack, as it may lack DEPARTED_TABLE. The next run adds
# them.
BETWEEN_TABLE, WAIVERS_TABLE, USES_TABLE = "proscribe_between", "proscribe_waiver", "proscribe_use"
NEW_PLANS_TABLE = "proscribe_new_plan"

HOST_RULE = ""  # the rule of an incident of the host as a whole: the host gave no answer, or a correction failed

# How an incident may end, besides a change to another state.
WITHDRAWN, GONE, *_ = EXTRA_STATES

# SQL for the incidents, a row for each rule. Most queries use it.
INCIDENTS_JOIN = """proscribe_episode e JOIN proscribe_bundle b ON b.id = e.bundle"""


def make_insert_statement(table: str, columns: Sequence[str]) -> str:
    """Make the SQL statement that adds a row with these columns."""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(f':{name}' for name in columns)})"


class RunRow(NamedTuple):
    """A row of `proscribe_run`: the facts of a run.

    `inventory` and `controls` are JSON lists. `scope` is "" for a run over all hosts, else its --limit or another text.
    """

    id: str
    playbook: str
    mode: str
    started: str
    finished: str
    inventory: str
    scope: str
    controls: str
    summary: str  # the key `summary` of the report, as JSON


# The column of a control has the time of its last observation.
HOST_COLUMNS = ("name", "inventory", "run", "asked", "plan", *CONTROLS)


class HostRow(NamedTuple):
    """A row of `proscribe_host`: its columns, where those of the controls are one mapping."""

    name: str
    inventory: str = ""  # a JSON list of the sources
    run: str = ""  # id of the last run that expected the host
    expected_at: str = ""  # end (UTC) of that run; stored in the column `asked`
    plan: str = ""  # digest of the plan for which the host last answered; "" if it never answered
    # control -> time (UTC) of its last observation; "" or no key: never observed
    observed_at: Mapping[str, str] = MappingProxyType({})

    def is_observed(self, control: str) -> bool:
        """Return whether a run has observed the host, and if `control` is a control, this control of the host.

        A group of rules that is no control, such as the watch, has no time of its own.
        """
        return bool(self.observed_at.get(control) if control in CONTROLS else self.plan)

    @classmethod
    def read_columns(cls, columns: Sequence[str]) -> HostRow:
        """Return the row with these columns, which are in the order of HOST_COLUMNS."""
        name, inventory, run, expected_at, plan, *times = columns
        return cls(name, inventory, run, expected_at, plan, dict(zip(CONTROLS, times)))

    def make_columns(self) -> dict[str, str]:
        """Return the columns by name, as SET_HOST takes them."""
        times = (self.observed_at.get(control, "") for control in CONTROLS)
        columns = (self.name, self.inventory, self.run, self.expected_at, self.plan, *times)
        return dict(zip(HOST_COLUMNS, columns))


# A condition for INCIDENTS_JOIN that leaves out defects under a new plan, which are no drift. It needs NEW_PLANS_TABLE.
DRIFT_CONDITION = f"""NOT EXISTS (SELECT 1 FROM {NEW_PLANS_TABLE} n WHERE n.host = e.host AND n.run = e.opened_run
    AND substr(b.rule, 1, length(n.control) + 1) = n.control || '/')"""

ADD_NEW_PLAN = (
    f"{make_insert_statement(NEW_PLANS_TABLE, ('host', 'run', 'control'))} ON CONFLICT (host, run, control) DO NOTHING"
)

ADD_RUN = make_insert_statement("proscribe_run", RunRow._fields)

SET_HOST = f"""{make_insert_statement("proscribe_host", HOST_COLUMNS)}
    ON CONFLICT (name) DO UPDATE SET {", ".join(f"{key} = excluded.{key}" for key in HOST_COLUMNS[1:])}"""

ADD_BUNDLE = (
    f"{make_insert_statement('proscribe_bundle', ('id', 'rule', 'evidence'))} ON CONFLICT (id, rule) DO NOTHING"
)

ADD_INCIDENT = make_insert_statement(
    "proscribe_episode", ("host", "bundle", "state", "opened", "opened_run", "closed", "closed_run", "ended")
)

# Deletes an open incident some or all of whose rules end. ADD_INCIDENT then adds the ended and the open part.
DROP_INCIDENT = """DELETE FROM proscribe_episode
    WHERE host = :host AND bundle = :bundle AND state = :state AND closed IS NULL"""


def make_hosts_query(count: int) -> str:
    """Make the query for the rows of `count` hosts. `make_parameters` makes its parameters from the names."""
    return f"SELECT {', '.join(HOST_COLUMNS)} FROM proscribe_host WHERE name IN ({make_placeholders(count)})"


def make_open_incidents_query(count: int) -> str:
    """Make the query for the open incidents of `count` hosts.

    Its columns are host, bundle, state, opened, opened_run.
    """
    columns = "host, bundle, state, opened, opened_run"
    return f"SELECT {columns} FROM proscribe_episode WHERE closed IS NULL AND host IN ({make_placeholders(count)})"


def make_bundles_query(count: int) -> str:
    """Make the query for the rules of `count` bundles. Its columns are id, rule, evidence."""
    return f"SELECT id, rule, evidence FROM proscribe_bundle WHERE id IN ({make_placeholders(count)})"


def make_parameters(texts: Sequence[str]) -> dict[str, str]:
    """Make the parameters p0, p1, ... of a query that has a placeholder for each of these texts."""
    return {f"p{index}": text for index, text in enumerate(texts)}


def make_placeholders(count: int) -> str:
    """Make the placeholders :p0, :p1, ... for `count` values in a query."""
    return ", ".join(f":p{index}" for index in range(count))
