"""An own observation of a host: its corrections and its notes, each once in the journal, also after a kill."""

import calendar
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from fleets import answer
from kills import is_killed_at
from made_plans import make_section
from proscribe.base.timestamps import format_timestamp
from proscribe.host import host_operations
from proscribe.host.audit_program import format_program
from proscribe.host.controls.apps.requests import notifications
from proscribe.host.controls.firewall import change_trial, program
from proscribe.host.system import ControlError, ObservationError, forked_work
from proscribe.host.watch import correction, installation, own_observation, restoration, watch_observation, watch_units
from proscribe.host.watch.own_observation import HostOperations, observe_host
from proscribe.host.watch.state import clock, journal, pause, watch_files
from proscribe.host.watch.state.summary import summarise_watch
from proscribe.model.finding import (
    COMPLIANT,
    NONCOMPLIANT,
    REPAIRED,
    Finding,
    RuleVerdict,
    find_worst_state,
)
from refusals import make_refusal
from watch_host import ROOT, Made, given, plan

pytestmark = ROOT
RULES = ("apps/wechat", "dns/wechat")
# The calls by which an observation, its corrections and its notes change a disk.
STEPS = ("write", "rename", "unlink", "fsync", "fdatasync", "fchmod", "ftruncate", "mkdir")
WAIVED = {"name": "A", "mode": "waived", "waiver": "w1", "hours": [[0, 540, 1080]], "otherwise": "enforce"}
BY_HOURS = {"browser": make_section("browser", {"a": WAIVED})}
Seen = tuple[dict[str, Any], list[str]]


class Ban:
    """A ban on the disk, so that a killed process leaves it as it was then: each broken rule is two files."""

    def __init__(self, directory: Path, *broken: str) -> None:
        self.directory, self.changed = directory, []
        self.refuses = ""  # a control that cannot be corrected
        directory.mkdir(exist_ok=True)
        self.break_rules(*broken)

    def break_rules(self, *rules: str) -> None:
        for rule in rules:
            (self.directory / rule.replace("/", " ")).touch()
            (self.directory / f"{rule.replace('/', ' ')} too").touch()

    def broken(self) -> set[str]:
        return {" ".join(path.name.split()[:2]).replace(" ", "/") for path in self.directory.iterdir()}

    def observe(self, host: Made, plan_: Mapping[str, Any]) -> Seen:
        return self.make_record(plan_, self.broken())

    def make_record(self, plan_: Mapping[str, Any], broken: Iterable[str]) -> Seen:
        finding = (Finding("package", "wechat"),)
        wrong = [RuleVerdict(rule, NONCOMPLIANT, finding, "why", drifted=True) for rule in sorted(broken)]
        verdicts = [*wrong, *(RuleVerdict(rule, COMPLIANT) for rule in RULES if rule not in broken)]
        record = answer(*verdicts, digest=plan_["digest"], checked_at=format_timestamp(time.time()))
        controls = dict.fromkeys(verdict.rule.partition("/")[0] for verdict in wrong)
        return {**record, "logged_in": ["mara"]}, list(controls)

    def change(self, _: Made, __: Mapping[str, Any], name: str, **___: Any) -> dict[str, Any]:
        self.changed.append(name)
        if name == self.refuses:
            raise ControlError("no")
        for path in sorted(self.directory.glob(f"{name} *")):
            os.unlink(path)
        return {}


class WatcherBan(Ban):
    """A ban that is in line, on a host whose watcher is observed as it is."""

    def observe(self, host: Made, plan_: Mapping[str, Any]) -> Seen:
        verdicts = watch_observation.observe_watch(host, plan_)
        rules = [verdict.convert_to_dict() for verdict in verdicts if verdict.state != "compliant"]
        record = {
            "state": find_worst_state(verdict.state for verdict in verdicts),
            "rules": rules,
            "checked_at": format_timestamp(0),
        }
        return record, ["watch"] * any(verdict.drifted for verdict in verdicts)


@pytest.fixture
def ban(tmp_path):
    return Ban(tmp_path / "ban")


def observe(host: Made, ban: Ban) -> list[str]:
    """Observe once and return the reasons why not all was saved."""
    known = watch_files.read_settings(host)
    assert known
    return observe_host(host, known, HostOperations(ban.observe, ban.change), lambda _: None, lambda *_: None)


def read_record(host: Made) -> dict[str, Any]:
    return dict(json.loads(host.read_text(watch_files.RECORD_PATH) or "{}"))


def read_lines(host: Made) -> list[tuple[str, Any]]:
    """Return each event of the journal, with its rules or its moment."""
    lines, left_out = journal.read_journal(host)
    assert left_out == 0
    return [(line["event"], line.get("rules", line.get("renewed"))) for line in lines]


def read_events(host: Made) -> list[str]:
    return [event for event, _ in read_lines(host)]


@pytest.fixture
def own(made, tmp_path, monkeypatch):
    """A host that has its program's text a second time, and the observation of its own watcher."""
    monkeypatch.setattr(restoration, "WATCH_TEXT", "# the program")
    installation.change(made, plan(), {**given(plan()), "program": format_program("# the program")})
    made.starting_unit = watch_units.TIMER_UNIT
    ban = WatcherBan(tmp_path / "own")
    observe(made, ban)
    return made, ban


def test_damage_that_cannot_be_restored_is_written_down_once(own):
    host, ban = own
    host.write_file(watch_files.CODE_PATH, "another", 0o600)
    for _ in range(2):
        observe(host, ban)
        assert read_record(host)["state"] == "noncompliant"
    assert read_events(host) == ["drift", "damaged"]


@pytest.mark.parametrize("content", [b"", None], ids=["emptied", "deleted"])
def test_lost_lines_of_the_journal_are_an_incident(own, content):
    host, ban = own
    journal.append_event(host, "thawed")
    observe(host, ban)
    assert read_events(host) == ["thawed"]
    place = Path(host.root + journal.JOURNAL)
    place.unlink() if content is None else place.write_bytes(content)
    for _ in range(2):
        observe(host, ban)
    (line,) = journal.read_journal(host)[0]
    assert (line["event"], line["rules"], line["users"]) == ("drift", ["watch/watcher"], [])
    assert line["cause"].startswith(f"file {journal.JOURNAL}: lines")


@pytest.fixture
def plans(made):
    """The plan of now, and one that takes effect in a minute."""
    later = plan(number=1)
    now = plan(later={"at": format_timestamp(time.time() + 60), "plan": later["digest"]})
    installation.change(made, now, {**given(now, later), "now": format_timestamp(time.time())})
    return [now, later]


@pytest.mark.parametrize("refused", [False, True])
@pytest.mark.parametrize("run_since", [False, True])
def test_rule_that_only_a_later_plan_restricts_has_not_drifted(made, ban, plans, monkeypatch, refused, run_since):
    observe(made, ban)
    if run_since:  # the last own observation was by a plan that is here no more
        state = json.loads(made.read_text(watch_files.STATE_PATH) or "")
        made.write_file(watch_files.STATE_PATH, json.dumps({**state, "plan": "sha256:another"}), 0o600)
    by_plan = {plans[0]["digest"]: {"apps/wechat"}, plans[1]["digest"]: {"apps/wechat", "dns/line"}}
    ban.break_rules("apps/wechat", "dns/line")
    ban.refuses = "dns" if refused else ""
    monkeypatch.setattr(ban, "observe", lambda _, by: ban.make_record(by, by_plan[by["digest"]] & ban.broken()))
    with monkeypatch.context() as patched:
        now = time.time() + 61
        patched.setattr(clock.time, "time", lambda: now)
        observe(made, ban)
    expected = [("drift", ["apps/wechat"]), ("corrected", ["apps/wechat"])]
    lines = [(event, rules) for event, rules in read_lines(made) if rules]
    assert lines == [*expected, *([("drift", ["dns/line"])] if refused else [])]


@pytest.mark.parametrize("error", [ControlError, ObservationError, ValueError])
def test_rule_that_cannot_be_seen_by_the_earlier_plan_has_drifted(made, ban, plans, monkeypatch, error):
    def observe_by(host, plan_):
        if plan_["digest"] == plans[0]["digest"]:
            raise error("by this plan nothing can be seen")
        return Ban.observe(ban, host, plan_)

    observe(made, ban)
    ban.break_rules("dns/line")
    monkeypatch.setattr(ban, "observe", observe_by)
    now = time.time() + 61
    monkeypatch.setattr(clock.time, "time", lambda: now)
    observe(made, ban)
    assert [rules for _, rules in read_lines(made) if rules] == [["dns/line"], ["dns/line"]]


def test_stale_plan_is_enforced_and_reported_until_it_is_renewed(watched, ban):
    host, _ = watched
    host.write_file(watch_files.RENEWED_PATH, "2026-01-01T00:00:00Z\n", 0o600)
    ban.break_rules("dns/wechat")
    for _ in range(2):
        observe(host, ban)
    assert ban.changed == ["dns"] and read_events(host) == ["stale", "drift", "corrected"]
    host.write_file(watch_files.RENEWED_PATH, f"{format_timestamp(time.time())}\n", 0o600)
    for _ in range(2):
        observe(host, ban)
    assert read_events(host)[3:] == ["renewed"]


def write_sshd(host: Made, number: int, owner: int = 0) -> None:
    """Write sshd's listener as OpenSSH 10 titles it, and two connections of user 1004 to it from this host."""
    place = Path(host.root, "proc/9")
    place.mkdir(parents=True, exist_ok=True)
    if not (place / "exe").is_symlink():
        (place / "exe").symlink_to("/usr/sbin/sshd")
    (place / "cmdline").write_text(f"sshd: /usr/sbin/sshd -D [listener] {number} of 10-100 startups\0")
    os.chown(place, owner, owner)
    pairs = [("0100007F:C350", "0100007F:0016", 1004), ("0100007F:0016", "0100007F:C350", 0)]
    pairs += [("0100007F:C351", "0100007F:0016", 1004), ("0100007F:0016", "0100007F:C351", 0)]
    pairs += [("0A00000A:C352", "0B00000A:0016", 1005)]  # to another host
    lines = [f"{n}: {near} {far} 01 0:0 0:0 0 {uid} 0" for n, (near, far, uid) in enumerate(pairs)]
    Path(host.root, "proc/net").mkdir(parents=True, exist_ok=True)
    Path(host.root, "proc/net/tcp").write_text("\n".join(["sl local remote st", *lines, ""]))


def test_sshd_that_refuses_connections_is_written_down_once_with_their_users(watched, ban):
    host, mine = watched
    write_sshd(host, 9)
    observe(host, ban)
    write_sshd(host, 100, owner=1004)  # a title that a user gave
    observe(host, ban)
    assert read_events(host) == []
    for _ in range(2):
        write_sshd(host, 67)
        observe(host, ban)
    assert read_events(host) == ["drift"]
    write_sshd(host, 0)
    observe(host, ban)
    assert read_events(host) == ["drift", "corrected"]
    (incident,) = summarise_watch(host, mine)["incidents"]
    assert (incident["rules"], incident["users"]) == (["watch/ssh"], ["1004"])
    assert "67 connections" in incident["cause"] and incident["cause"].endswith("; 2 from this host by 1004")


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["drift", "stale", "clock back"])
def test_killed_observation_is_completed_by_the_next_one_and_noted_once(watched, ban, tmp_path, fault):
    host, mine = watched
    killed = 0
    for step in range(1, 200):
        for path in (
            journal.JOURNAL,
            journal.OLDER_JOURNAL,
            watch_files.STATE_PATH,
            watch_files.RECORD_PATH,
            watch_files.CLOCK_PATH,
        ):
            host.delete_file(path)
        observe(host, ban)  # a host in line
        host.delete_file(journal.JOURNAL)
        earlier = {
            **watch_files.read_last_observation(host),
            "last": format_timestamp(time.time() - 300),
            "journal": [],
        }
        host.write_file(watch_files.STATE_PATH, json.dumps(earlier), 0o600)
        if fault == "clock back":
            host.write_file(watch_files.CLOCK_PATH, format_timestamp(time.time() + 3600) + "\n", 0o600)
        else:
            ban.break_rules(*RULES)
        if fault == "stale":
            host.write_file(watch_files.RENEWED_PATH, "2026-01-01T00:00:00Z\n", 0o600)
        before, died = clock.read_effective_time(host), is_killed_at(step, lambda: observe(host, ban), STEPS)
        if fault == "clock back":  # the next observation comes later
            host.write_file(watch_files.CLOCK_PATH, format_timestamp(time.time() + 3590) + "\n", 0o600)
            before = clock.read_effective_time(host)
        killed += died
        assert observe(host, ban) == []
        assert ban.broken() == set(), step
        assert watch_files.read_settings(host) and clock.read_effective_time(host) >= before
        lines = [(event, str(fields)) for event, fields in read_lines(host)]
        assert len(set(lines)) == len(lines), (step, lines)
        incidents = summarise_watch(host, mine)["incidents"]
        assert all(incident["times"] == 1 and incident["corrected"] <= 1 for incident in incidents), (step, incidents)
        if fault == "clock back":
            assert read_events(host) == ["clock"], step
        else:
            assert {rule for incident in incidents for rule in incident["rules"]} == {*RULES}, step
        assert read_record(host)["state"] in (COMPLIANT, REPAIRED)
        assert list(tmp_path.rglob(".*proscribe~")) == [], step
        again = read_lines(host)
        observe(host, ban)
        assert read_lines(host) == again and read_record(host)["state"] == COMPLIANT
        if not died:
            break
    assert not died and killed > 10


@pytest.mark.parametrize("error", [ControlError, ObservationError])
def test_lines_that_the_journal_cannot_take_are_written_by_a_later_observation(watched, ban, monkeypatch, error):
    host, _ = watched
    ban.break_rules("dns/wechat")

    with monkeypatch.context() as patched:
        patched.setattr(journal, "write_down", make_refusal(error("the disk is full")))
        (reason,) = observe(host, ban)
        assert reason.startswith("2 lines cannot be written")
    assert ban.broken() == set() and read_lines(host) == []
    began = watch_files.read_last_observation(host)["last"]
    assert observe(host, ban) == []
    assert read_lines(host) == [("drift", ["dns/wechat"]), ("corrected", ["dns/wechat"])]
    assert all(line["at"] <= began for line in journal.read_journal(host)[0]), "with the time of the correction"
    assert "unwritten" not in watch_files.read_last_observation(host)


@pytest.mark.parametrize("error", [ControlError, ObservationError])
def test_failure_of_the_clock_or_a_cache_does_not_fail_the_observation(watched, ban, monkeypatch, error):
    def refuse(*words):
        saved.append(words)
        raise error("no")

    host, _ = watched
    saved = []
    monkeypatch.setattr(clock, "update_clock", refuse)
    host.state_savers.append(refuse)
    assert observe(host, ban) == [] and read_lines(host) == []
    assert saved == [(host,), (False,)], "no run, which has all read anew"


@pytest.mark.parametrize(
    ("more", "remembers", "notified"),
    [({}, False, False), ({}, True, True), *(({name: {"x1": {}}}, False, True) for name in ("answers", "waivers"))],
)
def test_users_are_notified_and_that_is_written_down(made, ban, monkeypatch, more, remembers, notified):
    mine = plan(**more)
    installation.change(made, mine, given(mine))
    if remembers:
        made.write_file(notifications.NOTIFIED_PATH, "{}", 0o600)
    fields = [{"user": user, "waiver": "w1", "about": "opened: Owl"} for user in ("ann", "bob")]
    messages = [(note["user"], "Owl is open.", note) for note in fields]
    queried, shown = [], []
    monkeypatch.setattr(notifications, "list_due_messages", lambda *words: queried.append(words) or messages)
    monkeypatch.setattr(notifications, "send_messages", lambda *words: shown.append(words))
    observe(made, ban)
    lines = [{key: value for key, value in line.items() if key != "at"} for line in journal.read_journal(made)[0]]
    assert shown == [(made, [message]) for message in messages] * notified
    assert lines == [{"event": "notified", **note} for note in fields] * notified
    assert [(host, plan_["digest"]) for host, plan_, _ in queried] == [(made, mine["digest"])] * notified
    assert all(abs(now - time.time()) < 60 for *_, now in queried)


@pytest.mark.parametrize(
    "line", [{}, {"event": "drift", "at": "x", "rules": ["a/b"], "users": []}, {"at": format_timestamp(0)}]
)
def test_broken_line_of_the_state_costs_no_other_line(watched, ban, line):
    host, _ = watched
    lines = [line, {"event": "drift", "at": format_timestamp(0), "rules": 5, "users": None, "cause": ""}]
    lines += [{"event": "thawed", "at": format_timestamp(0)}]
    host.write_file(watch_files.STATE_PATH, json.dumps({"unwritten": lines}), 0o600)
    assert observe(host, ban) == [] and read_lines(host) == [("thawed", None)]


def test_observation_that_cannot_be_saved_reports_it(watched, ban, monkeypatch):
    def refuse(path, *_, **__):
        raise (ObservationError if path == watch_files.STATE_PATH else ControlError)(
            f"cannot write {path}: Read-only file system"
        )

    host, _ = watched
    observe(host, ban)
    before = read_record(host)
    ban.break_rules("apps/wechat")
    with monkeypatch.context() as patched:
        patched.setattr(host, "write_file", refuse)
        reasons = observe(host, ban)
    assert [watch_files.STATE_PATH in reasons[0], watch_files.RECORD_PATH in reasons[1]] == [True, True]
    assert ban.broken() == set() and read_record(host) == before
    assert own_observation.OwnObservation(
        host, watch_files.read_settings(host), HostOperations(ban.observe, ban.change)
    ).last_observation


@pytest.mark.parametrize(
    ("answer", "file", "waits"),
    [
        ({"changed": True}, "", 0.0),
        ({"changed": True, "pending": "another run's"}, "", 0.0),
        ({"pending": {"token": "t1", "within": 60}}, "loaded-t1", 0.6),
        ({"pending": {"token": "t1", "within": 60}}, "failed-t1", 0.6),
        ({"pending": {"token": "t1", "within": 60}}, "", 20.0),
    ],
)
def test_new_firewall_table_is_tried_and_confirmed_as_by_a_run(made, monkeypatch, answer, file, waits):
    def wait(seconds):
        waited.append(seconds)
        now[0] += seconds
        if file and len(waited) == 3:
            made.write_file(f"{program.CHANGE_DIRECTORY}/{file}", "")

    def change(*words, doing):
        return {**answer, "by": (*words, doing)}

    limits, now, waited = [], [100.0], []
    monkeypatch.setattr(forked_work, "run_apart", lambda work, limits_: limits.append(limits_) or work())
    monkeypatch.setattr(change_trial, "run_without_pending_change", lambda host, work: {**work(), "in turn of": host})
    monkeypatch.setattr(change_trial, "make_trial_application", lambda *words: ("tried", *words))
    monkeypatch.setattr(change_trial, "confirm_trial", lambda *words: {"confirmed": words})
    monkeypatch.setattr(correction.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(correction.time, "sleep", wait)
    mine = plan()
    done = correction.correct_control(made, mine, "firewall", change, correction.LimitedChanges())
    if waits:
        assert done == {"confirmed": (made, "t1")}
    else:
        by = (made, mine, "firewall", ("tried", made, mine))
        assert done == {"changed": True, "by": by, "in turn of": made}
    assert sum(waited) == pytest.approx(waits, abs=0.3)
    assert limits[0].seconds >= 60 and limits[0].memory == 0, "nft takes what it needs"


def test_clock_that_goes_back_does_not_bring_the_earlier_plan_again(made, ban, plans, monkeypatch):
    digests, now = [], time.time()
    monkeypatch.setattr(ban, "observe", lambda _, by: digests.append(by["digest"]) or Ban.observe(ban, made, by))
    for seconds in (0, 61, 61, 3600, -3600, -7200):
        monkeypatch.setattr(clock.time, "time", lambda moment=now + seconds: moment)
        observe(made, ban)
    earlier, later = (plan_["digest"] for plan_ in plans)
    assert digests == [earlier, *[later] * 5]
    lines = journal.read_journal(made)[0]
    assert [line["plan"] for line in lines if line["event"] == "plan"] == [later]
    assert [round(line["back"], -2) for line in lines if line["event"] == "clock"] == [7200], "once"


def test_successor_that_is_not_what_was_installed_is_not_enforced(made, ban, plans, monkeypatch):
    made.write_file(
        watch_files.make_plan_path(plans[1]["digest"]), json.dumps(plans[1] | {"controls": {"x": 1}}), 0o600
    )
    now = time.time() + 61
    monkeypatch.setattr(clock.time, "time", lambda: now)
    with pytest.raises(watch_files.DamagedFileError):
        observe(made, ban)


def test_hours_that_begin_and_end_are_no_drift_and_do_not_come_again_by_the_clock(made, ban, monkeypatch):
    def read_mode(host, plan_):
        return host_operations.resolve_plan_here(host, plan_)[0]["controls"]["browser"]["services"]["a"]["mode"]

    def observe_mode(host, plan_):
        return ban.make_record(plan_, [*ban.broken(), *["browser/x"] * (read_mode(host, plan_) != in_place[0])])

    def change(host, plan_, name, **more):
        in_place[0] = read_mode(host, plan_)
        return Ban.change(ban, host, plan_, name, **more)

    monkeypatch.setenv("TZ", "UTC0")
    begin = calendar.timegm((2027, 1, 4, 8, 55, 0))  # a Monday
    mine = plan(controls=BY_HOURS)
    installation.change(made, mine, given(mine))
    in_place = ["enforce"]
    monkeypatch.setattr(ban, "observe", observe_mode)
    monkeypatch.setattr(ban, "change", change)
    states = []
    for moment, tampered in ((0, False), (600, False), (900, True), (10 * 3600, False), (8 * 3600, False)):
        if tampered:  # somebody did that meanwhile, which is drift all the same
            ban.break_rules("dns/wechat")
        with monkeypatch.context() as patched:
            patched.setattr(clock.time, "time", lambda now=begin + moment: now)
            observe(made, ban)
        states.append(read_record(made)["state"])
    assert states == ["compliant", "compliant", "repaired", "compliant", "compliant"]
    # The moments are years later, and the clock goes back at last: the hours are not open again.
    lines = [line for line in journal.read_journal(made)[0] if line["event"] not in ("stale", "clock")]
    assert [line["event"] for line in lines] == ["hours", "drift", "corrected", "hours"]
    assert lines[0]["opened"] == lines[-1]["closed"] == ["browser/a"] and lines[1]["rules"] == ["dns/wechat"]
    assert [incident["rules"] for incident in summarise_watch(made, mine)["incidents"]] == [["dns/wechat"]]


RESTORED = {
    "the daemon is stopped": lambda host: host.stopped.add(watch_units.LAUNCHES_UNIT),
    "the daemon is deaf": lambda host: setattr(host, "daemon", None),
    "the program is another": lambda host: host.write_file(watch_files.PROGRAM_PATH, "#!/bin/true\n", 0o755),
    "the link is gone": lambda host: host.delete_file(watch_files.COMMAND_PATH),
    "a unit is gone": lambda host: host.delete_file(f"{watch_units.UNIT_DIRECTORY}/{watch_units.TIMER_UNIT}"),
    "a unit is overridden": lambda host: host.write_file(
        f"/run/systemd/system.control/{watch_units.LAUNCHES_UNIT}.d/x.conf", ""
    ),
}


@pytest.mark.parametrize("damage", RESTORED)
def test_part_of_the_watcher_is_restored_named_and_counted(own, damage):
    host, ban = own
    RESTORED[damage](host)
    observe(host, ban)
    assert read_record(host)["state"] == "repaired" and read_events(host) == ["drift", "corrected"]
    (incident,) = summarise_watch(host, plan())["incidents"]
    assert (incident["control"], incident["times"], incident["corrected"]) == ("watch", 1, 1)
    observe(host, ban)
    assert read_record(host)["state"] == "compliant" and len(read_events(host)) == 2


def test_correction_that_fails_is_tried_each_time_and_written_down_once(watched, ban):
    host, _ = watched
    ban.break_rules(*RULES)
    ban.refuses = "dns"
    for _ in range(3):
        observe(host, ban)
    assert ban.changed == ["apps", "dns", "dns", "dns"] and read_record(host)["state"] == "noncompliant"
    assert read_events(host) == ["drift", "drift", "failed", "corrected"]
    ban.refuses = ""
    observe(host, ban)
    ban.break_rules("dns/wechat")
    observe(host, ban)
    assert read_events(host)[4:] == ["corrected", "drift", "corrected"], "it drifted anew"


def test_frozen_host_writes_drift_down_and_leaves_it(own, ban):
    host, _ = own
    pause.freeze_watch(host, "2h", "a printer", "root")
    host.stopped.add(watch_units.LAUNCHES_UNIT)
    ban.break_rules("dns/wechat")
    observe(host, ban)
    assert ban.changed == [] and read_events(host) == ["frozen", "drift"] and watch_units.LAUNCHES_UNIT in host.stopped
    pause.end_pause(host)
    observe(host, ban)
    assert ban.changed == ["dns"] and read_events(host) == ["frozen", "drift", "thawed", "corrected"]


def test_correction_whose_result_is_not_seen_is_not_written_down(watched, ban, monkeypatch):
    def observe_once(_, plan_):
        if broken := next(seen):
            return ban.make_record(plan_, broken)
        record, _ = ban.make_record(plan_, [])
        unknown = {"rule": "dns/wechat", "state": "unknown", "reason": "why", "waiver": None, "findings": []}
        return {**record, "state": "unknown", "rules": [unknown]}, []

    host, _ = watched
    ban.break_rules("dns/wechat")
    seen = iter([["dns/wechat"], None])
    monkeypatch.setattr(ban, "observe", observe_once)
    observe(host, ban)
    assert read_lines(host) == [("drift", ["dns/wechat"])] and read_record(host)["state"] == "unknown"
