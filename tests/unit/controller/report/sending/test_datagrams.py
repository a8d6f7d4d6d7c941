"""The day of a message in syslog's own form has the names of the C locale, whatever the controller's is."""

from __future__ import annotations

import calendar
import time

from proscribe.controller.report.exports.event_kinds import Event
from proscribe.controller.report.sending import datagrams


def test_every_month_has_its_name() -> None:
    assert list(datagrams.MONTHS) == calendar.month_abbr[1:]


def test_a_day_is_padded_by_a_blank() -> None:
    """RFC 3164, 4.1.2: a receiver takes the place of the host's name by counting."""
    event = Event('{"kind":"rule"}', "rule", "web01", "apps/wechat", "noncompliant", True, 4)
    for month, day, said in ((1, 2, "Jan  2 03:04:05"), (10, 31, "Oct 31 03:04:05"), (12, 9, "Dec  9 03:04:05")):
        when = time.struct_time((2026, month, day, 3, 4, 5, 0, 1, 0))
        assert said.encode() in datagrams.syslog_message(event, 3, when)
