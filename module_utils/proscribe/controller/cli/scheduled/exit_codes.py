"""With what a scheduled run ends: the codes of the run itself (docs/scheduling.md), and these."""

from __future__ import annotations

from ....host.programs.guarding.guard import REFUSED_EXIT_CODE
from ...schedule.units import LIST_REFUSED_CODE

__all__ = ["LIST_REFUSED_CODE", "NOT_SENT", "NOT_WRITTEN", "NO_REPORT", "REFUSED_EXIT_CODE", "REPORTED_CODES"]

NO_REPORT = 78  # the run produced no report; systemd's OnFailure= then reports that
NOT_SENT = 76  # all went well but for the notice
NOT_WRITTEN = 74  # all went well but for an export
# The codes of runs that have sent what there was to report. A run that was refused has sent the reason.
REPORTED_CODES = (2, 4, 10, 11, 13, 14, NOT_WRITTEN, NOT_SENT, REFUSED_EXIT_CODE)
