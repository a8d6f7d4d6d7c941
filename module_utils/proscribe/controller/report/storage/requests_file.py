"""The requests of users on disk: `requests.jsonl` beside the reports, by the last record of every host.

A run adds the requests that it observed. It removes requests that are no longer on a host that it observed. Each
request names the run that brought it first, so that it is notified only once. The file is written while the fleet state
is locked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ....model.types.record import HostRecord
from ....model.types.report import FleetReport, ReportRun
from ...files import replace_file
from ..evaluation.arithmetic import is_evaluated
from ..evaluation.fleet_state import name_run_inventory
from ..evaluation.scope import is_whole_run, list_observed_controls
from .report_directory import FILE_MODE, open_report_file

SCHEMA = "proscribe/requested/1"
REQUESTS_FILE = "requests.jsonl"


class StoredRequest(NamedTuple):
    """A request of a user on a host for an exception. `at` is a UTC time by the host's clock."""

    host: str
    id: str
    user: str
    service: str
    reason: str
    at: str
    inventory: str = ""  # the sources of the inventory as one text
    run: str = ""  # id of the run that collected the request first

    @property
    def key(self) -> tuple[str, str, str]:
        """The values that identify the request in the fleet.

        The host is among them, because a host can invent ids of requests.
        """
        return self.host, self.user, self.id


def read_requests(reports: Path) -> list[StoredRequest]:
    """Read the stored requests of all hosts, oldest first; [] without a file. Raises OSError, ValueError."""
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
    """Update the stored requests from a run. Return a text about the defect of the file ("" for none).

    A new file replaces a defective file. Without a change nothing is written. Raises OSError.
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
        with replace_file(reports / REQUESTS_FILE, FILE_MODE) as stream:
            lines = [{"schema": SCHEMA}, *(request._asdict() for request in updated_requests)]
            stream.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    return problem


def _merge_requests(
    stored_requests: Iterable[StoredRequest], run: ReportRun, records: Sequence[HostRecord]
) -> list[StoredRequest]:
    """Return the requests after a run: those in its records, and those of hosts that it did not observe.

    A host that has left the inventory has no requests any more.
    """
    inventory = name_run_inventory(run)
    requests_by_key = {request.key: request for request in stored_requests}
    observed_hosts = {record["host"] for record in records if is_evaluated(record)}
    departed_hosts = (
        {request.host for request in requests_by_key.values() if request.inventory == inventory}
        if is_whole_run(run)
        else set()
    )
    # a host with a record is in the inventory, even if it did not answer
    departed_hosts -= {record["host"] for record in records}
    # hosts whose stored requests are replaced by those of their records; a departed host has no requests
    settled_hosts = observed_hosts | departed_hosts
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
