"""The observation time of a host, as far as the run can vouch for it."""

from __future__ import annotations

import datetime
import re

from ....model.types.record import HostRecord

AUDIT = "audit"  # the mode of a run
TIME_PATTERN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def read_observation_time(record: HostRecord, started: str, finished: str) -> str:
    """Return the observation time of a host: its own clock, limited to the time of the run by our clock."""
    observed = str(record["checked_at"] or "")
    if not TIME_PATTERN.fullmatch(observed):
        return finished
    observed = min(max(observed, started), finished)
    try:
        datetime.datetime.fromisoformat(observed)
    except ValueError:  # such as a second 75
        return finished
    return observed


def is_observed_since(moment: str, record: HostRecord, mode: str, started: str, finished: str) -> bool:
    """Return whether a host was observed at that time (UTC) or later.

    A run that corrects observes the host itself, so the host's clock counts only within the run. A run that audits may
    bring a record that the host stored earlier, so there the host's clock decides.
    """
    observed = str(record["checked_at"] or "")
    if mode != AUDIT or not TIME_PATTERN.fullmatch(observed):
        observed = read_observation_time(record, started, finished)
    return observed >= moment
