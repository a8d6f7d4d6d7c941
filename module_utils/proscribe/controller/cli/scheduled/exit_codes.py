"""Exit codes of `./proscribe scheduled`, in addition to those of the run that it starts (docs/scheduling.md)."""

from __future__ import annotations

from ....host.programs.guarding.guard import REFUSED_EXIT_CODE
from ...schedule.schedule_units import LIST_REFUSED_CODE

__all__ = ["LIST_REFUSED_CODE", "NOT_SENT", "NOT_WRITTEN", "NO_REPORT", "REFUSED_EXIT_CODE", "REPORTED_CODES"]

NO_REPORT = 78  # the run produced no report; systemd's OnFailure= unit reports the failure
NOT_SENT = 76  # only a notification could not be sent; all else succeeded
NOT_WRITTEN = 74  # only an export could not be written; all else succeeded
# The run itself has reported these results, so the OnFailure= unit stays silent. A refused run has sent its reason.
REPORTED_CODES = (2, 4, 10, 11, 13, 14, NOT_WRITTEN, NOT_SENT, REFUSED_EXIT_CODE)
