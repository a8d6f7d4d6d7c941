"""Exit codes of a scheduled run, in addition to those of the run itself (docs/scheduling.md)."""

from __future__ import annotations

from ....host.programs.guarding.guard import REFUSED_EXIT_CODE
from ...schedule.units import LIST_REFUSED_CODE

__all__ = ["LIST_REFUSED_CODE", "NOT_SENT", "NOT_WRITTEN", "NO_REPORT", "REFUSED_EXIT_CODE", "REPORTED_CODES"]

NO_REPORT = 78  # the run produced no report; systemd's OnFailure= unit reports the failure
NOT_SENT = 76  # only the notification failed
NOT_WRITTEN = 74  # only an export failed
# The codes of runs that have sent their notifications. A refused run has sent its reason.
REPORTED_CODES = (2, 4, 10, 11, 13, 14, NOT_WRITTEN, NOT_SENT, REFUSED_EXIT_CODE)
