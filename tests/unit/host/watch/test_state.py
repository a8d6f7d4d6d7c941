"""The state of the watch: its files, the clock, a pause, the plan in effect, and the summary of the journal."""

import json
import time
from typing import Any

import pytest
from proscribe.base.json_text import dump_json
from proscribe.base.timestamps import format_timestamp
from proscribe.host.system import ControlError, ObservationError
from proscribe.host.watch import installation
from proscribe.host.watch.state import clock, journal, pause, plan_in_effect, watch_files
from proscribe.host.watch.state.summary import summarise_watch
from proscribe.host.watch.state.watch_files import DamagedFileError, WatchSettings
from proscribe.host.watch.status import format_status
from refusals import make_refusal
from watch_host import ROOT, Made, given, plan

pytestmark = ROOT


AT, LATER = "2026-11-27T03:00:00Z", "2026-12-27T03:00:00Z"
NOW = 1_800_000_000
SETTINGS = WatchSettings("r1", 300, 600, "sha256:a", ((AT, "sha256:b"), (LATER, "sha256:c")), {"/x": "1", "/y": "2"})
WRITTEN = json.loads(watch_files.format_settings(SETTINGS))
FIRST, SUCCESSOR = plan(), plan(number=2)
SUCCESSION = "2027-01-01T00:00:00Z"
UP = 5_000  # seconds since the start of the host
DAY = 24 * 3600
GIVEN = {"until": format_timestamp(NOW + 60), "reason": "x", "by": "ann", "boot": "4f", "uptime": UP + 60}


def write_settings(made: Made, given: Any) -> WatchSettings | None:
    made.write_file(watch_files.SETTINGS_PATH, given if isinstance(given, str) else json.dumps(given), 0o600)
    return watch_files.read_settings(made)


def test_settings_are_read_as_they_were_written(made):
    assert watch_files.read_settings(made) is None
    assert write_settings(made, watch_files.format_settings(SETTINGS)) == SETTINGS
    assert watch_files.format_settings(SETTINGS).endswith("}\n") and "\n " in watch_files.format_settings(SETTINGS)
    assert [*WRITTEN] == sorted(WRITTEN)


@pytest.mark.parametrize("given", ["", "[]", "[" * 100_000, "{}"])
def test_broken_settings_are_damage(made, given):
    with pytest.raises(DamagedFileError):
        write_settings(made, given)


def test_settings_that_differ_have_different_identities():
    others = {"release": "r2", "every": 301, "max_age": 601, "plan": "sha256:d", "chain": SETTINGS.chain[:1]}
    others["files"] = {"/x": "1", "/y": "3"}
    names = [watch_files.identify_settings(SETTINGS._replace(**{name: value})) for name, value in others.items()]
    assert len({*names, watch_files.identify_settings(SETTINGS)}) == 7
    found = watch_files.identify_settings(SETTINGS._replace(files={"/y": "2", "/x": "1"}))
    assert found == watch_files.identify_settings(SETTINGS)


def test_file_that_was_not_installed_so_is_damage(made, monkeypatch):
    def wrong():
        with pytest.raises(DamagedFileError) as raised:
            watch_files.require_intact_file(made, known, "/x")
        return raised.value.defect

    known = SETTINGS._replace(files={"/x": watch_files.hash_content(b"x")})
    assert watch_files.read_watch_file(made, "/x") is None and wrong() == "is missing"
    made.write_file("/x", "x", 0o600)
    assert watch_files.require_intact_file(made, known, "/x") == b"x"
    made.write_file("/x", "y", 0o600)
    assert wrong() == "is not what was installed"
    made.write_file("/x", "x", 0o602)
    assert wrong() == "others than root can write it"
    made.write_file("/x", "x" * 65, 0o600)
    assert watch_files.read_watch_file(made, "/x", 65) == b"x" * 65
    with pytest.raises((DamagedFileError, ObservationError)):
        watch_files.read_watch_file(made, "/x", 64)
    monkeypatch.setattr(made, "find_entry", make_refusal(ControlError("is no file")))
    assert wrong() == "is no file"


@pytest.mark.parametrize(
    ("text", "moment"), [(AT, AT), (f" {AT}\n", AT), ("soon", None), ("", None), (f"{AT}{' ' * 44}", AT), ("ä", None)]
)
def test_moment_is_read_from_a_short_file_of_root(made, text, moment):
    assert watch_files.read_renewal_time(made) is None is watch_files.read_clock_mark(made)
    made.write_file(watch_files.RENEWED_PATH, text, 0o600)
    made.write_file(watch_files.CLOCK_PATH, text, 0o600)
    assert watch_files.read_renewal_time(made) == moment == watch_files.read_clock_mark(made)
    for path in (watch_files.RENEWED_PATH, watch_files.CLOCK_PATH):
        made.write_file(path, AT + " " * 45, 0o600)
    assert watch_files.read_renewal_time(made) is None is watch_files.read_clock_mark(made)
    made.write_file(watch_files.RENEWED_PATH, AT, 0o666)
    assert watch_files.read_renewal_time(made) is None


# By field: values that may be there, and values that may not.
LEFT: dict[str, tuple[list[Any], list[Any]]] = {
    "last": ([AT], ["soon", None]),
    "plan": (["p", ""], [5, None]),
    **{name: ([[], ["x", "y"]], ["x", [5], ["x", None], {}]) for name in ("drifted", "reported")},
    "uncorrected": (
        [[], [{"control": "apps", "user": "alice", "reason": "x"}]],
        ["x", [5], [{}], [{"control": "apps", "user": "alice"}], [{"control": "apps", "user": 5, "reason": "x"}]],
    ),
    "unwritten": ([[], [{}, {"a": 1}]], [{}, [5], [{}, "x"]]),
    **{name: ([0, 7], [-1, "7", True, 1.0]) for name in ("clock", "up")},
    "boot": ([""], [5]),
    "journal": ([[0, 0], [7, 9]], [[], [1], [1, 2, 3], [1, -1], ["1", 2], {"a": 1, "b": 2}, 5]),
}


@pytest.mark.parametrize("name", LEFT)
def test_state_of_the_last_observation_has_sound_fields_only(made, name):
    fits, wrong = LEFT[name]
    other = "plan" if name != "plan" else "boot"
    for value in fits:
        made.write_file(watch_files.STATE_PATH, json.dumps({name: value, other: "x", "more": 1}), 0o600)
        assert watch_files.read_last_observation(made) == {name: value, other: "x"}
    for value in wrong:
        made.write_file(watch_files.STATE_PATH, json.dumps({name: value, other: "x"}), 0o600)
        assert watch_files.read_last_observation(made) == {other: "x"}


def test_missing_or_writable_state_is_empty(made, monkeypatch):
    assert watch_files.read_last_observation(made) == {}
    made.write_file(watch_files.STATE_PATH, '{"plan": "x"}', 0o666)
    assert watch_files.read_last_observation(made) == {}
    monkeypatch.setattr(watch_files, "read_watch_file", make_refusal(ObservationError("no")))
    assert watch_files.read_last_observation(made) == {} and watch_files.read_renewal_time(made) is None


@pytest.fixture
def at_now(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: NOW + 0.7)


@pytest.mark.parametrize(
    ("seen", "counts", "behind", "after"),
    [
        *((seen, NOW, 0, NOW) for seen in (None, NOW - 500)),
        (NOW + 60, NOW + 60, 0, NOW + 60),  # set back as much as may be
        (NOW + 61, NOW + 61, 61, NOW + 61),
    ],
)
def test_latest_time_counts(made, at_now, seen, counts, behind, after):
    if seen is not None:
        made.write_file(watch_files.CLOCK_PATH, format_timestamp(seen))
    assert clock.read_effective_time(made) == counts and clock.use_monotonic_clock(made) is made
    assert made.clock() == counts and clock.update_clock(made) == behind
    assert watch_files.read_clock_mark(made) == format_timestamp(after)


@pytest.mark.parametrize("text", ["", "tomorrow", "\0" * 20, "9" * 64])
def test_broken_mark_of_the_clock_is_none(made, at_now, text):
    made.write_file(watch_files.CLOCK_PATH, text)
    assert clock.read_effective_time(made) == NOW


@pytest.mark.parametrize(("at", "after"), [(format_timestamp(NOW - 9000), NOW - 9000), ("soon", NOW), (None, NOW)])
def test_run_sets_the_clock_also_back_and_writes_it_once(made, at_now, monkeypatch, at, after):
    made.write_file(watch_files.CLOCK_PATH, format_timestamp(NOW + 9000))
    clock.set_by_controller(made, at)
    assert watch_files.read_clock_mark(made) == format_timestamp(after)
    assert made.find_entry(watch_files.CLOCK_PATH).st_mode & 0o077 == 0
    monkeypatch.setattr(made, "write_file", lambda *_: pytest.fail("it is there"))
    clock.set_by_controller(made, at)


def write_plan(made: Made, content: str, digest: str = FIRST["digest"]) -> watch_files.WatchSettings:
    path = watch_files.make_plan_path(digest)
    made.write_file(path, content)
    return watch_files.WatchSettings("r", 300, 600, digest, (), {path: watch_files.hash_content(content.encode())})


def test_last_plan_whose_moment_has_come_is_in_effect(made, monkeypatch):
    first, later = (write_plan(made, dump_json(plan_), plan_["digest"]) for plan_ in (FIRST, SUCCESSOR))
    both = first._replace(chain=((SUCCESSION, SUCCESSOR["digest"]),), files={**first.files, **later.files})
    for now, expected in ((-1, FIRST), (0, SUCCESSOR)):
        monkeypatch.setattr(clock, "read_effective_time", lambda _, now=now: clock.parse_timestamp(SUCCESSION) + now)
        assert plan_in_effect.find_digest_in_effect(made, both) == expected["digest"]
        assert plan_in_effect.read_plan_in_effect(made, both) == expected


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        *((text, "is no plan") for text in ("no JSON", "[" * 200_000)),
        *((text, "is another plan") for text in ("[]", dump_json(SUCCESSOR))),
    ],
)
def test_file_of_no_plan_or_another_one_is_damage(made, content, wrong):
    with pytest.raises(watch_files.DamagedFileError) as raised:
        plan_in_effect.read_stored_plan(made, write_plan(made, content), FIRST["digest"])
    assert (raised.value.file, raised.value.defect) == (watch_files.make_plan_path(FIRST["digest"]), wrong)


@pytest.fixture
def host(made, monkeypatch):
    monkeypatch.setattr(clock, "read_effective_time", lambda _: NOW)
    uptimes = {clock.time.CLOCK_BOOTTIME: UP + 0.9}
    monkeypatch.setattr(clock.time, "clock_gettime", lambda which: uptimes.get(which, 0))
    made.write_file(clock.BOOT_ID_PATH, "4f\n")
    return made


def events(host: Made) -> list[Any]:
    return [{key: value for key, value in line.items() if key != "at"} for line in journal.read_journal(host)[0]]


def test_pause_is_written_down_with_its_end_by_both_clocks(host):
    until = format_timestamp(NOW + 7200)
    assert pause.freeze_watch(host, "2h", " works\non it ", "ann\x1b") == until
    given = {"until": until, "reason": "works on it", "by": "ann"}
    assert json.loads(host.read_text(watch_files.FROZEN_PATH) or "") == {**given, "boot": "4f", "uptime": UP + 7200}
    assert (host.read_text(watch_files.FROZEN_PATH) or "").endswith("}\n")
    assert host.find_entry(watch_files.FROZEN_PATH).st_mode & 0o777 == 0o600
    assert pause.read_active_pause(host) == given and events(host) == [{"event": "frozen", **given}]
    assert pause.end_pause(host) and not pause.end_pause(host)
    assert host.find_entry(watch_files.FROZEN_PATH) is None and pause.read_active_pause(host) is None
    assert [line["event"] for line in events(host)] == ["frozen", "thawed"]


def test_reason_and_author_are_bounded(host):
    pause.freeze_watch(host, "7d", "r" * 300, "a" * 101)
    found = pause.read_active_pause(host)
    assert found == {"until": format_timestamp(NOW + 7 * DAY), "reason": "r" * 300, "by": "a" * 100}


@pytest.mark.parametrize(("length", "reason"), [("7d1h", "x"), ("8d", "x"), ("1h", "r" * 301), ("1h", " "), ("1h", "")])
def test_pause_that_is_too_long_or_without_a_reason_is_refused(host, length, reason):
    with pytest.raises(ValueError):
        pause.freeze_watch(host, length, reason, "ann")
    assert pause.read_active_pause(host) is None and events(host) == []


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({}, True),
        *(({"until": format_timestamp(NOW + seconds)}, counts) for seconds, counts in ((0, False), (1, True))),
        *(
            ({"until": format_timestamp(NOW + 7 * DAY + seconds)}, counts)
            for seconds, counts in ((0, True), (1, False))
        ),
        *((change, False) for change in ({"until": "soon"}, {"until": None}, {"reason": None}, {"by": 5})),
        # A clock that was set back does not make it longer.
        *(({"uptime": UP + seconds}, counts) for seconds, counts in ((0, False), (1, True))),
        ({"uptime": UP - 1, "boot": "50"}, True),
        ({"uptime": None}, True),
    ],
)
def test_pause_counts_until_either_clock_ends_it(host, change, counts):
    fields = {**GIVEN, **change}
    host.write_file(watch_files.FROZEN_PATH, json.dumps(fields), 0o600)
    expected = {key: fields[key] for key in ("until", "reason", "by")} if counts else None
    assert pause.read_active_pause(host) == expected
    assert pause.end_pause(host) is counts and host.find_entry(watch_files.FROZEN_PATH) is None
    assert [line["event"] for line in events(host)] == ["thawed"] * counts


def test_pause_that_anybody_can_write_or_nobody_can_see_is_none(host, monkeypatch):
    host.write_file(watch_files.FROZEN_PATH, json.dumps(GIVEN), 0o666)
    assert pause.read_active_pause(host) is None
    host.write_file(watch_files.FROZEN_PATH, "[]", 0o600)
    assert pause.read_active_pause(host) is None
    monkeypatch.setattr(watch_files, "read_watch_file", make_refusal(ObservationError("no")))
    assert pause.read_active_pause(host) is None


def write_journal(host: Made, *lines: dict[str, Any], more: bytes = b"") -> None:
    host.write_file(journal.JOURNAL, b"".join(json.dumps(line).encode() + b"\n" for line in lines) + more, 0o600)


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
    seen = summarise_watch(host, mine)
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
    seen = summarise_watch(host, mine)
    assert [incident["rules"] for incident in seen["incidents"][:2]] == [["dns/x"], ["watch/launches"]]
    assert len(seen["incidents"][0]["users"]) == 20
    assert seen["incidents"][-1]["rules"] == ["apps/0299"] and seen["ended"][0]["user"] == "mara"
    assert (len(seen["incidents"]), len(seen["ended"]), seen["left_out"]) == (200, 200, {"apps": 203})


def test_full_journal_keeps_the_newest_of_each_user(watched):
    """A user who starts programs under ever new names pushes out no line of another user."""
    host, mine = watched
    journal.append_event(host, "drift", rules=["browser/x"], users=[], cause="policy /etc/x.json")
    journal.append_event(host, "ended", rule="apps/viber", program="/viber", user="mara", times=1)
    line = json.dumps(ended(3, "/" + "x" * 250, "tom")).encode() + b"\n"
    for _ in range(5):
        size = host.find_entry(journal.JOURNAL).st_size
        content = (host.read_file(journal.JOURNAL) or b"") + line * ((524_288 - size) // len(line))
        host.write_file(journal.JOURNAL, content, 0o600)
        journal.append_event(host, "thawed")
        journal.append_event(host, "thawed")
    seen = summarise_watch(host, mine)
    assert [incident["rules"] for incident in seen["incidents"]] == [["browser/x"]]
    assert {program["user"] for program in seen["ended"]} == {"mara", "tom"}
    assert host.find_entry(journal.OLDER_JOURNAL).st_size <= 524_288


def test_status_has_drifts_and_ended_programs_the_newest_first(watched):
    host, _ = watched
    write_journal(
        host,
        *(drift(day, f"apps/s{day}", cause="" if day == 7 else f"c{day}") for day in range(1, 8)),
        corrected(8, "apps/s7"),
        drift(9, "dns/a", "dns/b", "dns/c"),
        *(ended(day, f"/p{day}", "tom", day) for day in range(10, 17)),
    )
    host.write_file(watch_files.STATE_PATH, json.dumps({"last": at(9)}), 0o600)
    host.delete_file(watch_files.RENEWED_PATH)
    pause.freeze_watch(host, "1h", "works on it", "ann")
    first, _, third, _, frozen, *events = format_status(host, watch_files.read_settings(host)).splitlines()
    assert first.endswith(f"last {at(9)}") and third.startswith("stale: ")
    assert frozen.startswith("frozen until ") and frozen.endswith(" by ann: works on it")
    assert events[0] == f"dns/a and 2 more rules: drifted 1 times, corrected 0, last {at(9)}: x"
    assert events[1] == f"apps/s7: drifted 1 times, corrected 1, last {at(7)}"
    assert [line.partition(":")[0] for line in events[1:5]] == [f"apps/s{day}" for day in (7, 6, 5, 4)]
    assert events[5] == f"apps/wechat: /p16 of tom ended 16 times, last {at(16)}" and len(events) == 10


def test_status_names_the_next_plan(made):
    later = plan(number=2)
    mine = plan(later={"at": at(30), "plan": later["digest"]})
    installation.change(made, mine, given(mine, later))
    assert f"other plans take effect {at(30)}" in format_status(made, watch_files.read_settings(made)).splitlines()


def test_plan_without_a_watch_has_the_installed_intervals(made):
    without = {key: value for key, value in plan().items() if key != "watch"}
    assert summarise_watch(made, without)["every"] == 0
    made.write_file(
        watch_files.SETTINGS_PATH,
        watch_files.format_settings(watch_files.WatchSettings("r", 30, 60, "p", (), {})),
        0o600,
    )
    assert summarise_watch(made, without)["every"] == 30
    made.write_file(watch_files.SETTINGS_PATH, "nonsense", 0o600)
    seen = summarise_watch(made, without)
    assert (seen["every"], seen["stale"]) == (0, False)


def test_unreadable_journal_is_one_line_less(made, monkeypatch):
    monkeypatch.setattr(journal, "read_journal", make_refusal(ControlError("no")))
    seen = summarise_watch(made, plan())
    assert (seen["left_out"], seen["since"], seen["incidents"]) == ({"journal": 1}, None, [])
