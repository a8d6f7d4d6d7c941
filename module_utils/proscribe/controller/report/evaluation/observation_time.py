"""The time at which a run observed a host: by the host's clock, but never outside the time of the run."""

from __future__ import annotations

import datetime
import re

from ....model.types.record import HostRecord

AUDIT = "audit"  # the mode of a run
TIME_PATTERN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def read_observation_time(record: HostRecord, started: str, finished: str) -> str:
    """Return when a host was observed (UTC), by its own clock but not before or after the run.

    `started` and `finished` are the times of the run by the controller's clock. The result is `finished` for a record
    without a valid time.
    """
    observed = str(record["checked_at"] or "")
    if not TIME_PATTERN.fullmatch(observed):
        return finished
    observed = min(max(observed, started), finished)
    try:
        datetime.datetime.fromisoformat(observed)
    except ValueError:  # a time with the right form may be impossible, such as 08:00:75
        return finished
    return observed


def is_observed_since(moment: str, record: HostRecord, mode: str, started: str, finished: str) -> bool:
    """Return whether a host was observed at `moment` (UTC) or later.

    A run that corrects observes the host itself, so the host's clock counts only within the run. A run that audits may
    collect a record that the host stored earlier, so there the host's clock decides.
    """
    observed = str(record["checked_at"] or "")
    if mode != AUDIT or not TIME_PATTERN.fullmatch(observed):
        observed = read_observation_time(record, started, finished)
    return observed >= moment
