"""The data of the history about a run (controller/report/history/queries.py)."""

from __future__ import annotations

from ...base.typed_dict import TypedDict
from .report import CountShare


class PastRun(TypedDict):
    """A run in the trend."""

    run: str
    finished: str
    mode: str
    hosts: dict[str, int]  # by state
    coverage: CountShare
    compliance_strict: CountShare
    compliance_with_waivers: CountShare
