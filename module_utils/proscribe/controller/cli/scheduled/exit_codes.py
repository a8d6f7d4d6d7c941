"""With what a scheduled run ends: the codes of the run itself (docs/scheduling.md), and these."""

from __future__ import annotations

NO_REPORT = 78  # the run produced no report; systemd's OnFailure= then reports that
NOT_SENT = 76  # all went well but for the notice
LIST_REFUSED = 1  # of the catalogue's refresh: a publisher's list was wrong, and a notification says which
NOT_WRITTEN = 74  # all went well but for an export
# The codes of runs that came to a report and have sent what there was to report.
REPORTED = (2, 4, 10, 11, 13, 14, NOT_WRITTEN, NOT_SENT)
