"""Times in options: `now`, a time with its zone, or for an end a length from now (`90d`)."""

from __future__ import annotations

import datetime

from ...compile.waivers.document import MOMENT
from ...duration import seconds_of
from .. import Refused


def written(text: str, option: str, now: datetime.datetime, *, length: bool = False) -> str:
    """An option's time as it stands in a waiver's file, in the controller's zone where the option has none of its own.

    With `length`, a length of time from now is one too. Raises Refused.
    """
    if text == "now":
        return _local(now)
    if MOMENT.fullmatch(text):
        return text
    if length:
        try:
            return _local(now + datetime.timedelta(seconds=seconds_of(text)))
        except ValueError:
            pass
    also = ", or a length from now such as 90d" if length else ""
    raise Refused(f"{option} {text!r}: expected now, a time with its zone such as 2026-12-31T18:00:00+08:00{also}")


def _local(time: datetime.datetime) -> str:
    return time.astimezone().isoformat(timespec="seconds")
