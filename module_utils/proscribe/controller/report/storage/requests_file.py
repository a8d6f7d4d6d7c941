"""The requests of users on disk: `requests.jsonl` beside the reports, as the last record of every host has them.

A run brings what it has seen, and takes away what is no longer on a host that it has seen. It says of each request
which run brought it first, so that nobody is notified of it twice. Written in the turn of the fleet state.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ....model.types.record import HostRecord
from ....model.types.report import FleetReport, ReportRun
from ..evaluation.arithmetic import answered
from ..evaluation.fleet_state import named
from ..evaluation.scope import controls_of, is_whole
from .files import opened, whole

SCHEMA = "proscribe/requested/1"
FILE = "requests.jsonl"


class Request(NamedTuple):
    """A request of a user on a host. Times are UTC, `at` by the host's clock."""

    host: str
    id: str
    user: str
    service: str
    reason: str
    at: str
    inventory: str = ""  # the sources, as one text
    run: str = ""  # which brought it first

    @property
    def key(self) -> tuple[str, str, str]:
        """What names it in a fleet: a host can make up ids, and only its own."""
        return self.host, self.user, self.id


def read(reports: Path) -> list[Request]:
    """The requests of all hosts, the oldest first; none where there is no file. Raises OSError, ValueError."""
    try:
        with opened(reports / FILE) as lines:
            first, *rest = map(json.loads, lines)
            if first["schema"] != SCHEMA:
                raise ValueError(f"{reports / FILE}: schema is {first['schema']!r}, expected {SCHEMA!r}")
            return [Request(*(str(line[key]) for key in Request._fields)) for line in rest]
    except FileNotFoundError:
        return []
    except (KeyError, TypeError) as error:
        raise ValueError(f"{reports / FILE} cannot be read ({type(error).__name__}: {error})") from None


def take(reports: Path, report: FleetReport, records: Sequence[HostRecord]) -> str:
    """Take what a run has seen. Nothing is written where nothing has changed. Returns what was wrong with the file (""
    for nothing); then a new one begins. Raises OSError.
    """
    run = report["run"]
    before: list[Request] = []
    wrong = ""
    try:
        before = read(reports)
    except ValueError as error:
        wrong = f"{error}; requests that no later run brings are lost"
    some = before or wrong or any(record.get("requests") for record in records)
    if "apps" not in controls_of(run) or not some:
        return wrong
    after = _taken(before, run, records)
    if after != before or wrong:
        with whole(reports / FILE) as stream:
            lines = [{"schema": SCHEMA}, *(one._asdict() for one in after)]
            stream.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    return wrong


def _taken(before: Iterable[Request], run: ReportRun, records: Sequence[HostRecord]) -> list[Request]:
    inventory = named(run)
    known = {one.key: one for one in before}
    seen = {record["host"] for record in records if answered(record)}
    left = {one.host for one in known.values() if one.inventory == inventory} if is_whole(run) else set()
    left -= {record["host"] for record in records}  # those are in the inventory, and did not answer
    said = seen | left  # what these hosts request is in their records, or nothing any more
    found = {key: one for key, one in known.items() if one.host not in said}
    for record in records:
        for one in record.get("requests") or () if record["host"] in seen else ():
            about = one["id"], one["user"], one["service"], one["reason"], one["at"]
            new = Request(record["host"], *about, inventory, run["id"])
            earlier = known.get(new.key)
            found[new.key] = new._replace(run=earlier.run) if earlier else new
    return sorted(found.values(), key=lambda one: (one.at, one.key))
