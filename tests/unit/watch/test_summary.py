"""What the journal comes to in the record."""

from __future__ import annotations

import json
from typing import Any

from proscribe.watch import files, journal
from proscribe.watch.summary import summary
from watch_host import ROOT, Made, plan

pytestmark = ROOT


def written(host: Made, *lines: dict[str, Any], more: bytes = b"") -> None:
    host.write(journal.JOURNAL, b"".join(json.dumps(line).encode() + b"\n" for line in lines) + more, 0o600)


def at(day: int) -> str:
    return f"2026-11-{day:02}T03:00:00Z"


def test_a_rule_that_was_closed_again_says_how_often_and_who_was_there(watched: tuple[Made, dict[str, Any]]) -> None:
    host, mine = watched
    written(
        host,
        {"at": at(1), "event": "drift", "rules": ["apps/wechat", "dns/x"], "users": ["mara"]},
        {"at": at(1), "event": "corrected", "rules": ["apps/wechat"]},
        {"at": at(3), "event": "drift", "rules": ["apps/wechat"], "users": ["tom", "mara"]},
        {"at": at(4), "event": "ended", "rule": "apps/wechat", "program": "/x", "user": "tom", "times": 2},
        {"at": at(5), "event": "ended", "rule": "apps/wechat", "program": "/x", "user": "tom", "times": 3},
        more=b"nonsense\n",
    )
    seen = summary(host, mine)
    first = {"rule": "dns/x", "first": at(1), "last": at(1), "times": 1, "corrected": 0, "users": ["mara"]}
    second = {
        "rule": "apps/wechat",
        "first": at(1),
        "last": at(3),
        "times": 2,
        "corrected": 1,
        "users": ["mara", "tom"],
    }
    assert seen["incidents"] == [first, second]
    ended = {"rule": "apps/wechat", "program": "/x", "user": "tom", "first": at(4), "last": at(5), "times": 5}
    assert seen["ended"] == [ended]
    assert (seen["since"], seen["left_out"], seen["every"], seen["stale"]) == (at(1), 1, 300, False)
    assert "frozen" not in seen


def test_it_is_bounded_and_says_what_it_left_out(watched: tuple[Made, dict[str, Any]]) -> None:
    host, mine = watched
    lines = [{"at": at(1), "event": "drift", "rules": [f"apps/{n:04}"], "users": [f"u{n}"]} for n in range(300)]
    lines += [{"at": at(2), "event": "drift", "rules": ["dns/x"], "users": [f"u{n}"]} for n in range(30)]
    written(host, *lines)
    seen = summary(host, mine)
    assert (len(seen["incidents"]), seen["left_out"]) == (200, 101)
    assert seen["incidents"][-1]["rule"] == "dns/x" and len(seen["incidents"][-1]["users"]) == 20


def test_a_host_that_should_have_one_and_has_none(made: Made) -> None:
    seen = summary(made, plan())
    assert (seen["renewed"], seen["last"], seen["since"], seen["incidents"], seen["stale"]) == (
        None,
        None,
        None,
        [],
        False,
    )


def test_a_directory_for_a_journal_is_no_end(watched: tuple[Made, dict[str, Any]]) -> None:
    host, mine = watched
    host.write(f"{journal.JOURNAL}/x", "")
    assert summary(host, mine)["left_out"] == 1
    assert files.settings(host)
