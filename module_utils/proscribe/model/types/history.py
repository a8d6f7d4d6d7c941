"""Type of the data about a past run, as the history returns it (controller/report/history/queries.py)."""

from __future__ import annotations

from ...base.typed_dict import TypedDict
from .report import CountShare


class PastRun(TypedDict):
    """A past run in the trend: its counts of hosts and its shares of compliant hosts."""

    run: str
    finished: str
    mode: str
    hosts: dict[str, int]  # number of hosts, by state
    coverage: CountShare
    compliance_strict: CountShare
    compliance_with_waivers: CountShare
