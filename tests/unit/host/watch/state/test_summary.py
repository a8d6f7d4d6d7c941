"""The summary of the journal in the record, and the words of `proscribe-watch status`."""

import json
from typing import Any

from proscribe.host.system import ControlError
from proscribe.host.watch import installing
from proscribe.host.watch.state import files, journal, pause
from proscribe.host.watch.state.summary import summary
from proscribe.host.watch.status import status
from refusals import make_refusal
from watch_host import ROOT, Made, given, plan

pytestmark = ROOT


def write_journal(host: Made, *lines: dict[str, Any], more: bytes = b"") -> None:
    host.write(journal.JOURNAL, b"".join(json.dumps(line).encode() + b"\n" for line in lines) + more, 0o600)


def at(day: int) -> str:
    return f"2026-11-{day:02}T03:00:00Z"


def drift(day: int, *rules: str, cause: str = "x", users: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"at": at(day), "event": "drift", "rules": [*rules], "users": [*users], "cause": cause}


def corrected(day: int, *rules: str) -> dict[str, Any]:
    return {"at": at(day), "event": "corrected", "rules": [*rules]}


def ended(day: int, program: str, user: str, times: int = 1) -> dict[str, Any]:
    fields = {"rule": "apps/wechat", "program": program, "user": user, "times": times}
    return {"at": at(day), "event": "ended", **fields}


def test_incident_has_its_times_causes_and_users(watched):
    host, mine = watched
    write_journal(
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
    fields = {"first": at(1), "last": at(3), "times": 2, "corrected": 1, "users": ["mara", "tom"]}
    cause = {"control": "apps", "cause": "process /opt/wechat", "rules": ["apps/wechat"], "rules_left_out": 0}
    assert second == {**cause, **fields}
    program = {"rule": "apps/wechat", "program": "/x", "user": "tom", "first": at(4), "last": at(5), "times": 5}
    assert seen["ended"] == [program]
    assert (seen["since"], seen["left_out"], seen["every"], seen["stale"]) == (at(1), {"journal": 1}, 300, False)
    assert "frozen" not in seen


def test_summary_that_is_too_long_keeps_the_newest_of_each_control_and_user(watched):
    host, mine = watched
    lines = [drift(1, "dns/x", users=(f"u{n}",)) for n in range(30)]
    lines += [drift(1, "watch/launches"), ended(1, "/viber", "mara", 1)]
    lines += [drift(2, f"apps/{n:04}", cause=f"package {n}") for n in range(300)]
    lines += [ended(3, f"/{n:04}", "tom") for n in range(300)]
    write_journal(host, *lines)
    seen = summary(host, mine)
    assert [incident["rules"] for incident in seen["incidents"][:2]] == [["dns/x"], ["watch/launches"]]
    assert len(seen["incidents"][0]["users"]) == 20
    assert seen["incidents"][-1]["rules"] == ["apps/0299"] and seen["ended"][0]["user"] == "mara"
    assert (len(seen["incidents"]), len(seen["ended"]), seen["left_out"]) == (200, 200, {"apps": 203})


def test_full_journal_keeps_the_newest_of_each_user(watched):
    """A user who starts programs under ever new names pushes out no line of another user."""
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
    assert [incident["rules"] for incident in seen["incidents"]] == [["browser/x"]]
    assert {program["user"] for program in seen["ended"]} == {"mara", "tom"}
    assert host.stat(journal.OLDER_JOURNAL).st_size <= journal.LARGEST


def test_status_has_drifts_and_ended_programs_the_newest_first(watched):
    host, _ = watched
    write_journal(
        host,
        *(drift(day, f"apps/s{day}", cause="" if day == 7 else f"c{day}") for day in range(1, 8)),
        corrected(8, "apps/s7"),
        drift(9, "dns/a", "dns/b", "dns/c"),
        *(ended(day, f"/p{day}", "tom", day) for day in range(10, 17)),
    )
    host.write(files.STATE, json.dumps({"last": at(9)}), 0o600)
    host.delete(files.RENEWED)
    pause.freeze(host, "1h", "works on it", "ann")
    first, _, third, _, frozen, *events = status(host, files.settings(host)).splitlines()
    assert first.endswith(f"last {at(9)}") and third.startswith("stale: ")
    assert frozen.startswith("frozen until ") and frozen.endswith(" by ann: works on it")
    assert events[0] == f"dns/a and 2 more rules: drifted 1 times, corrected 0, last {at(9)}: x"
    assert events[1] == f"apps/s7: drifted 1 times, corrected 1, last {at(7)}"
    assert [line.partition(":")[0] for line in events[1:5]] == [f"apps/s{day}" for day in (7, 6, 5, 4)]
    assert events[5] == f"apps/wechat: /p16 of tom ended 16 times, last {at(16)}"
    assert len(events) == 10


def test_status_names_the_next_plan(made):
    later = plan(number=2)
    mine = plan(later={"at": at(30), "plan": later["digest"]})
    installing.change(made, mine, given(mine, later))
    assert f"other plans take effect {at(30)}" in status(made, files.settings(made)).splitlines()


def test_plan_without_a_watch_has_the_installed_intervals(made):
    without = {key: value for key, value in plan().items() if key != "watch"}
    assert summary(made, without)["every"] == 0
    made.write(files.SETTINGS, files.settings_text(files.Settings("r", 30, 60, "p", (), {})), 0o600)
    assert summary(made, without)["every"] == 30
    made.write(files.SETTINGS, "nonsense", 0o600)
    seen = summary(made, without)
    assert (seen["every"], seen["stale"]) == (0, False)


def test_unreadable_journal_is_one_line_less(made, monkeypatch):
    monkeypatch.setattr(journal, "read", make_refusal(ControlError("no")))
    seen = summary(made, plan())
    assert (seen["left_out"], seen["since"], seen["incidents"]) == ({"journal": 1}, None, [])
