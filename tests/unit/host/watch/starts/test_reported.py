"""The report of the daemon, written and read."""

import pytest
from proscribe.host.watch.starts.reported import ANYBODY, noted, noted_beat, number, parsed, report_of


def test_line_breaks_and_half_lines_are_no_fields():
    text = report_of({"pid": "7", "by": "fanotify on\n2", "unseen": ""})
    assert parsed(text + "\n half\n") == {"pid": "7", "by": "fanotify on 2", "unseen": ""}


@pytest.mark.parametrize(
    ("beats", "expected"),
    [
        *((beats, False) for beats in (None, "", noted_beat(7, 99), noted_beat(8, 100), "7", "7:-100")),
        *((beats, True) for beats in (noted_beat(7, 100), noted_beat(ANYBODY, 101))),
        (f"{noted_beat(8, 200)} {noted_beat(7, 1)} {noted_beat(7, 200)}", True),
    ],
)
def test_heartbeat_counts_for_one_process_and_time(beats, expected):
    assert noted({} if beats is None else {"beats": beats}, 7, 100) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, 0), ("", 0), ("12", 12), ("-1", 0), ("²", 0), ("٣", 0), ("9" * 9, 999999999), ("1" * 10, 0)],
)
def test_number_is_read_or_0(value, expected):
    assert number({} if value is None else {"lost": value}, "lost") == expected
