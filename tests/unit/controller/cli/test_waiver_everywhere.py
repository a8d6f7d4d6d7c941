"""A waiver is worth the same in every output: plans, report, page, table, explain, list, verify, every export.

The cases are those of `waiver_cases`. On every host of the test organisation every control finds every service. So the
outputs report what is open as waived, and all else as noncompliant. The tests read each output back and compare it with
the case.
"""

from __future__ import annotations

from proscribe.controller.compile.waivers.standing import STATUSES
from waiver_cases import CASES, MISTAKES, SIGNED


def test_there_are_many_cases():
    assert len(CASES) + len(SIGNED) + len(MISTAKES) >= 80
    assert {case.status for case in [*CASES, *SIGNED]} == set(STATUSES)
