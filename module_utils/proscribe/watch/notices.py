"""What a host's own observation notifies users of: a refused request, a waiver that opens, ends soon, or has ended.

    for user, text, fields in waiver_notices(host, plan, now):
        deliver(host, [(user, text, fields)])
        journal.append(host, "notified", **fields)

`now` is in seconds since 1970, by the clock that cannot go back. What is returned is noted as sent, so whoever calls
this delivers it.
"""

from __future__ import annotations

from ..controls.apps.requests.notifications import deliver as deliver
from ..controls.apps.requests.notifications import due as waiver_notices

__all__ = ["deliver", "waiver_notices"]
