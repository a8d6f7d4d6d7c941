"""The tables of the history, in the SQL that SQLite and PostgreSQL share.

All times are UTC texts of one spelling (2026-11-25T08:00:00Z), whose order is that of the times. A row is added, or an
open episode is closed; nothing else is rewritten but when a host was last seen, and nothing is deleted but by pruning
and when a host leaves its inventory.
"""

from __future__ import annotations

from typing import NamedTuple

from ...plan import CONTROLS

VERSION = 1

TABLES = (
    "CREATE TABLE IF NOT EXISTS proscribe_history (version INTEGER NOT NULL)",
    # One row a run, as its report says; `inventory` and `controls` are JSON lists, `summary` is the report's.
    """CREATE TABLE IF NOT EXISTS proscribe_run (
        id TEXT PRIMARY KEY, playbook TEXT NOT NULL, mode TEXT NOT NULL, started TEXT NOT NULL, finished TEXT NOT NULL,
        inventory TEXT NOT NULL, scope TEXT NOT NULL, controls TEXT NOT NULL, summary TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS proscribe_run_finished ON proscribe_run (finished)",
    # One row a host: the last run that asked it, the plan it last answered for, and when each control was last seen.
    f"""CREATE TABLE IF NOT EXISTS proscribe_host (
        name TEXT PRIMARY KEY, inventory TEXT NOT NULL, run TEXT NOT NULL, asked TEXT NOT NULL, plan TEXT NOT NULL,
        {", ".join(f"{control} TEXT NOT NULL" for control in CONTROLS)})""",
    # One row for each stretch of time in which a rule was not as it should be on a host; rule "" is the host itself.
    """CREATE TABLE IF NOT EXISTS proscribe_episode (
        host TEXT NOT NULL, rule TEXT NOT NULL, state TEXT NOT NULL, evidence TEXT NOT NULL,
        opened TEXT NOT NULL, opened_run TEXT NOT NULL, closed TEXT, closed_run TEXT, ended TEXT)""",
    # Also what keeps one and the same episode from being opened twice.
    """CREATE UNIQUE INDEX IF NOT EXISTS proscribe_episode_open
        ON proscribe_episode (host, rule, state) WHERE closed IS NULL""",
    "CREATE INDEX IF NOT EXISTS proscribe_episode_closed ON proscribe_episode (closed)",
    "CREATE INDEX IF NOT EXISTS proscribe_episode_host ON proscribe_episode (host, rule)",
)

ADD_RUN = """INSERT INTO proscribe_run (id, playbook, mode, started, finished, inventory, scope, controls, summary)
    VALUES (:id, :playbook, :mode, :started, :finished, :inventory, :scope, :controls, :summary)"""

_HOST = ("name", "inventory", "run", "asked", "plan", *CONTROLS)
SET_HOST = f"""INSERT INTO proscribe_host ({", ".join(_HOST)}) VALUES ({", ".join(f":{key}" for key in _HOST)})
    ON CONFLICT (name) DO UPDATE SET {", ".join(f"{key} = excluded.{key}" for key in _HOST[1:])}"""

ADD_EPISODE = """INSERT INTO proscribe_episode
    (host, rule, state, evidence, opened, opened_run, closed, closed_run, ended)
    VALUES (:host, :rule, :state, :evidence, :opened, :opened_run, :closed, :closed_run, :ended)"""

CLOSE_EPISODE = """UPDATE proscribe_episode SET closed = :closed, closed_run = :closed_run, ended = :ended
    WHERE host = :host AND rule = :rule AND state = :state AND closed IS NULL"""


class HostRow(NamedTuple):
    """A row of `proscribe_host`; times are "" where there is none."""

    name: str
    inventory: str = ""
    run: str = ""
    asked: str = ""
    plan: str = ""
    apps: str = ""
    browser: str = ""
    firewall: str = ""
    dns: str = ""


def select_hosts(count: int) -> str:
    """The query for so many hosts, named by the parameters h0, h1, ..."""
    return f"SELECT {', '.join(_HOST)} FROM proscribe_host WHERE name IN ({_names(count)})"


def select_open(count: int) -> str:
    """The query for the open episodes (host, rule, state, opened) of so many hosts, named as in `select_hosts`."""
    columns = "host, rule, state, opened"
    return f"SELECT {columns} FROM proscribe_episode WHERE closed IS NULL AND host IN ({_names(count)})"


def names(hosts: list[str]) -> dict[str, str]:
    """The parameters for `select_hosts` and `select_open`."""
    return {f"h{index}": host for index, host in enumerate(hosts)}


def _names(count: int) -> str:
    return ", ".join(f":h{index}" for index in range(count))
