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
from ..evaluation.arithmetic import has_answered
from ..evaluation.fleet_state import name_run_inventory
from ..evaluation.scope import is_whole_run, list_observed_controls
from .files import open_report_file, replace_file

SCHEMA = "proscribe/requested/1"
REQUESTS_FILE = "requests.jsonl"


class StoredRequest(NamedTuple):
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


def read_requests(reports: Path) -> list[StoredRequest]:
    """The requests of all hosts, the oldest first; none where there is no file. Raises OSError, ValueError."""
    try:
        with open_report_file(reports / REQUESTS_FILE) as lines:
            header, *entries = map(json.loads, lines)
            if header["schema"] != SCHEMA:
                raise ValueError(f"{reports / REQUESTS_FILE}: schema is {header['schema']!r}, expected {SCHEMA!r}")
            return [StoredRequest(*(str(line[key]) for key in StoredRequest._fields)) for line in entries]
    except FileNotFoundError:
        return []
    except (KeyError, TypeError) as error:
        raise ValueError(f"{reports / REQUESTS_FILE} cannot be read ({type(error).__name__}: {error})") from None


def store_requests(reports: Path, report: FleetReport, records: Sequence[HostRecord]) -> str:
    """Take what a run has seen. Nothing is written where nothing has changed. Returns what was wrong with the file (""
    for nothing); then a new one begins. Raises OSError.
    """
    run = report["run"]
    stored_requests: list[StoredRequest] = []
    problem = ""
    try:
        stored_requests = read_requests(reports)
    except ValueError as error:
        problem = f"{error}; requests that no later run brings are lost"
    has_requests = stored_requests or problem or any(record.get("requests") for record in records)
    if "apps" not in list_observed_controls(run) or not has_requests:
        return problem
    updated_requests = _merge_requests(stored_requests, run, records)
    if updated_requests != stored_requests or problem:
        with replace_file(reports / REQUESTS_FILE) as stream:
            lines = [{"schema": SCHEMA}, *(request._asdict() for request in updated_requests)]
            stream.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    return problem


def _merge_requests(
    stored_requests: Iterable[StoredRequest], run: ReportRun, records: Sequence[HostRecord]
) -> list[StoredRequest]:
    inventory = name_run_inventory(run)
    requests_by_key = {request.key: request for request in stored_requests}
    observed_hosts = {record["host"] for record in records if has_answered(record)}
    departed_hosts = (
        {request.host for request in requests_by_key.values() if request.inventory == inventory}
        if is_whole_run(run)
        else set()
    )
    departed_hosts -= {record["host"] for record in records}  # those are in the inventory, and did not answer
    settled_hosts = observed_hosts | departed_hosts  # what these hosts request is in their records, or nothing any more
    merged_requests = {key: request for key, request in requests_by_key.items() if request.host not in settled_hosts}
    for record in records:
        for request in record.get("requests") or () if record["host"] in observed_hosts else ():
            request_facts = request["id"], request["user"], request["service"], request["reason"], request["at"]
            new_request = StoredRequest(record["host"], *request_facts, inventory, run["id"])
            stored_request = requests_by_key.get(new_request.key)
            merged_requests[new_request.key] = (
                new_request._replace(run=stored_request.run) if stored_request else new_request
            )
    return sorted(merged_requests.values(), key=lambda request: (request.at, request.key))
