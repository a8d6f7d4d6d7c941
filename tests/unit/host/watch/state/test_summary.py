"""What the journal comes to in the record."""

from __future__ import annotations

import json
from typing import Any

from proscribe.host.system import ControlError
from proscribe.host.watch import installing
from proscribe.host.watch.state import files, journal
from proscribe.host.watch.state import pause as frozen
from proscribe.host.watch.state.summary import summary
from proscribe.host.watch.status import status
from watch_host import ROOT, Made, given, plan

pytestmark = ROOT
Watched = tuple[Made, dict[str, Any]]


def written(host: Made, *lines: dict[str, Any], more: bytes = b"") -> None:
    host.write(journal.JOURNAL, b"".join(json.dumps(line).encode() + b"\n" for line in lines) + more, 0o600)


def at(day: int) -> str:
    return f"2026-11-{day:02}T03:00:00Z"


def drift(day: int, *rules: str, cause: str = "x", users: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"at": at(day), "event": "drift", "rules": [*rules], "users": [*users], "cause": cause}


def corrected(day: int, *rules: str) -> dict[str, Any]:
    return {"at": at(day), "event": "corrected", "rules": [*rules]}


def ended(day: int, program: str, user: str, times: int = 1) -> dict[str, Any]:
    line = {"event": "ended", "rule": "apps/wechat", "program": program, "user": user, "times": times}
    return {"at": at(day), **line}


def test_a_rule_that_was_closed_again_says_how_often_by_what_and_who_was_there(watched):
    host, mine = watched
    written(
        host,
        drift(1, "apps/wechat", cause="package wechat", users=("mara",)),
        drift(1, "dns/x", cause="unit dnsmasq", users=("mara",)),
        corrected(1, "apps/wechat"),
        drift(3, "apps/wechat", cause="process /opt/wechat", users=("tom", "mara")),
        ended(4, "/x", "tom", 2),
        ended(5, "/x", "tom", 3),
        more=b"nonsense\n",
    )
    seen = summary(host, mine)
    first, second = seen["incidents"]
    assert (first["rules"], first["times"], first["corrected"], first["cause"]) == (["dns/x"], 1, 0, "unit dnsmasq")
    assert second == {
        "control": "apps",
        "cause": "process /opt/wechat",
        "rules": ["apps/wechat"],
        "rules_left_out": 0,
        "first": at(1),
        "last": at(3),
        "times": 2,
        "corrected": 1,
        "users": ["mara", "tom"],
    }
    assert seen["ended"] == [
        {"rule": "apps/wechat", "program": "/x", "user": "tom", "first": at(4), "last": at(5), "times": 5}
    ]
    assert (seen["since"], seen["left_out"], seen["every"], seen["stale"]) == (at(1), {"journal": 1}, 300, False)
    assert "frozen" not in seen


def test_what_is_too_much_leaves_the_newest_of_each_control_and_user(watched):
    host, mine = watched
    lines = [drift(1, "dns/x"), drift(1, "watch/launches"), ended(1, "/viber", "mara", 1)]
    lines += [drift(2, f"apps/{n:04}", cause=f"package {n}") for n in range(300)]
    lines += [ended(3, f"/{n:04}", "tom") for n in range(300)]
    written(host, *lines)
    seen = summary(host, mine)
    assert [one["rules"] for one in seen["incidents"][:2]] == [["dns/x"], ["watch/launches"]]
    assert seen["incidents"][-1]["rules"] == ["apps/0299"]
    assert seen["ended"][0]["user"] == "mara"
    assert (len(seen["incidents"]), len(seen["ended"]), seen["left_out"]) == (200, 200, {"apps": 102 + 101})


def test_a_journal_that_is_full_keeps_the_newest_of_each(watched):
    """A user who starts programs under ever new names pushes out his own lines only."""
    host, mine = watched
    journal.append(host, "drift", rules=["browser/x"], users=[], cause="policy /etc/x.json")
    journal.append(host, "ended", rule="apps/viber", program="/viber", user="mara", times=1)
    line = json.dumps(ended(3, "/" + "x" * 250, "tom")).encode() + b"\n"
    for _ in range(5):
        size = host.stat(journal.JOURNAL).st_size
        content = (host.read(journal.JOURNAL) or b"") + line * ((journal.LARGEST - size) // len(line))
        host.write(journal.JOURNAL, content, 0o600)
        journal.append(host, "thawed")
        journal.append(host, "thawed")
    seen = summary(host, mine)
    assert [one["rules"] for one in seen["incidents"]] == [["browser/x"]]
    assert {one["user"] for one in seen["ended"]} == {"mara", "tom"}
    assert host.stat(journal.OLDER_JOURNAL).st_size <= journal.LARGEST


def test_users_of_an_incident_are_bounded(watched):
    host, mine = watched
    written(host, *(drift(2, "dns/x", users=(f"u{n}",)) for n in range(30)))
    assert len(summary(host, mine)["incidents"][0]["users"]) == 20


def lines(host: Made) -> list[str]:
    known = files.settings(host)
    assert known
    return status(host, known).splitlines()


def test_with_what_drifted_and_was_ended_the_last_first(watched):
    host, _ = watched
    written(
        host,
        *(drift(day, f"apps/s{day}", cause="" if day == 7 else f"c{day}") for day in range(1, 8)),
        corrected(8, "apps/s7"),
        drift(9, "dns/a", "dns/b", "dns/c"),
        *(ended(day, f"/p{day}", "tom", day) for day in range(10, 17)),
    )
    host.write(files.STATE, json.dumps({"last": at(9)}), 0o600)
    host.delete(files.RENEWED)
    frozen.freeze(host, "1h", "works on it", "ann")
    first, _, third, _, pause, *events = lines(host)
    assert first.endswith(f"last {at(9)}")
    assert third.startswith("stale: renewed by a run at an unknown time")
    assert pause.startswith("frozen until ") and pause.endswith(" by ann: works on it")
    assert events[0].startswith("dns/a and 2 more rules: drifted 1 times, corrected 0, last ")
    assert events[0].endswith(f"{at(9)}: x")
    assert events[1] == f"apps/s7: drifted 1 times, corrected 1, last {at(7)}"
    assert [line.partition(":")[0] for line in events[1:5]] == [f"apps/s{day}" for day in (7, 6, 5, 4)]
    assert events[5] == f"apps/wechat: /p16 of tom ended 16 times, last {at(16)}"
    assert len(events) == 10


def test_with_plans_that_are_to_come(made):
    later = plan(number=2)
    mine = plan(later={"at": at(30), "plan": later["digest"]})
    installing.change(made, mine, given(mine, later))
    assert f"other plans take effect {at(30)}" in lines(made)


pytestmark = ROOT


def at(day: int) -> str:
    return f"2026-11-{day:02}T03:00:00Z"


def ended(day: int, rule: str, program: str, user: str, times: int = 1) -> dict[str, Any]:
    return {"at": at(day), "event": "ended", "rule": rule, "program": program, "user": user, "times": times}


def test_a_plan_without_a_watch_has_the_intervals_that_are_installed(made):
    without = {key: value for key, value in plan().items() if key != "watch"}
    assert summary(made, without)["every"] == 0
    made.write(files.SETTINGS, files.settings_text(files.Settings("r", 30, 60, "p", (), {})), 0o600)
    assert summary(made, without)["every"] == 30
    made.write(files.SETTINGS, "nonsense", 0o600)
    found = summary(made, without)
    assert (found["every"], found["stale"]) == (0, False)


def test_a_journal_that_cannot_be_read_is_one_line_less(made, monkeypatch):
    def refuse(*_):
        raise ControlError("no")

    monkeypatch.setattr(journal, "read", refuse)
    found = summary(made, plan())
    assert (found["left_out"], found["since"], found["incidents"]) == ({"journal": 1}, None, [])
