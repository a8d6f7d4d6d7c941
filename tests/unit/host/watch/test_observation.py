"""An own observation: what it corrects, what it leaves, and that nothing happens twice in the journal or unseen."""

from __future__ import annotations

import calendar
import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from proscribe.base.moments import stamp
from proscribe.host import run
from proscribe.host.audit_program import installable
from proscribe.host.controls.apps.requests import notifications
from proscribe.host.controls.firewall import confirm, program
from proscribe.host.system import ControlError, Unseen, forked
from proscribe.host.watch import correcting, installed, installing, observation, restoring, units
from proscribe.host.watch.observation import Operations, observed
from proscribe.host.watch.state import clock, files, journal, pause, summary
from proscribe.host.watch.state.summary import summary
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, REPAIRED, Finding, Verdict, host_record, worst
from watch_host import ROOT, Made, given, plan

pytestmark = ROOT

Watched = tuple[Made, dict[str, Any]]


class Ban:
    """A host's ban, of which rules can be broken. `corrects` says which corrections succeed."""

    def __init__(self, *broken: str) -> None:
        self.broken = set(broken)
        self.changed: list[str] = []
        self.plans: list[str] = []
        self.refuses: dict[str, str] = {}

    def operations(self) -> Operations:
        return Operations(self.observe, self.change)

    def observe(self, _: Made, plan_: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        self.plans.append(plan_["digest"])
        finding = {"kind": "x", "id": "x", "path": None}
        rules = [{"rule": rule, "state": "noncompliant", "findings": [finding]} for rule in sorted(self.broken)]
        record = {"state": "noncompliant" if rules else "compliant", "rules": rules, "checked_at": stamp(0)}
        record["logged_in"] = ["mara"]
        return record, list(dict.fromkeys(rule.partition("/")[0] for rule in sorted(self.broken)))

    def change(self, _: Made, __: Mapping[str, Any], name: str, **___: Any) -> dict[str, Any]:
        self.changed.append(name)
        if name in self.refuses:
            raise ControlError(self.refuses[name])
        self.broken = {rule for rule in self.broken if not rule.startswith(f"{name}/")}
        return {}


def ban_of(ban: Ban, refusing: str, closed: set[str]) -> Callable[..., dict[str, Any]]:
    """A correction that one control refuses, and that closes the others."""

    def change(_: Made, __: Mapping[str, Any], name: str, **___: Any) -> dict[str, Any]:
        if name == refusing:
            raise ControlError("no")
        closed.add(name)
        return {}

    return change


def observe_once(host: Made, ban: Ban, cached: Callable[[str], Any] = lambda _: None) -> dict[str, Any]:
    """One observation, and the record that it stored."""
    known = files.settings(host)
    assert known
    observed(host, known, ban.operations(), cached, lambda *_: None)
    return dict(json.loads(host.text(files.RECORD) or "{}"))


def events(host: Made) -> list[str]:
    return [line["event"] for line in journal.read(host)[0]]


TEXT = "# the program"


@pytest.fixture
def host(made, monkeypatch):
    """A host whose ban is in line, and that has its program's text a second time."""
    mine = plan()
    monkeypatch.setattr(restoring, "WATCH_TEXT", TEXT)
    installing.change(made, mine, {**given(mine), "program": installable(TEXT)})
    made.started_by = units.TIMER
    observe_once(made, WatchedBan())
    return made


def test_what_is_not_there_a_second_time_is_written_down_once(host):
    host.write(files.CODE, "another", 0o600)
    for _ in range(2):
        assert observe_once(host, WatchedBan())["state"] == "noncompliant"
    assert events(host) == ["drift", "damaged"]


def test_a_pause_leaves_the_watcher_too(host):
    pause.freeze(host, "2h", "x", "root")
    host.stopped.add(units.LAUNCHES)
    assert observe_once(host, WatchedBan())["state"] == "noncompliant"
    assert units.LAUNCHES in host.stopped


@pytest.mark.parametrize("done", [b"", None], ids=["emptied", "deleted"])
def test_lines_that_are_gone_are_named_and_counted(host, done):
    journal.append(host, "thawed")
    observe_once(host, WatchedBan())
    assert events(host) == ["thawed"]
    place = Path(host.root + journal.JOURNAL)
    place.unlink() if done is None else place.write_bytes(done)
    for _ in range(2):
        observe_once(host, WatchedBan())
    lines = [(line["event"], line["rules"], line["users"], line["cause"]) for line in journal.read(host)[0]]
    cause = f"file {journal.JOURNAL}: lines that were in it are gone"
    assert lines == [("drift", ["watch/watcher"], [], cause)]


class WatchedBan(Ban):
    """A ban that is in line, on a host whose watcher is observed as it is."""

    def observe(self, host: Made, plan_: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        verdicts = installed.observe(host, plan_)
        rules = [one.as_dict() for one in verdicts if one.state != "compliant"]
        record = {"state": worst(one.state for one in verdicts), "rules": rules, "checked_at": stamp(0)}
        return record, ["watch"] * any(one.drifted for one in verdicts)


FUTURE, PAST = "2099-01-01T00:00:00Z", "2026-01-01T00:00:00Z"


@pytest.fixture
def plans(made):
    """The plan of now, and one that takes effect in a minute."""
    later = plan(number=1)
    now = plan(later={"at": stamp(time.time() + 60), "plan": later["digest"]})
    installing.change(made, now, {**given(now, later), "now": stamp(time.time())})
    return [now, later]


def at(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.time() + seconds
    monkeypatch.setattr(clock.time, "time", lambda: now)


@pytest.mark.parametrize("refused", [False, True])
@pytest.mark.parametrize("run_since", [False, True])
def test_what_only_a_later_plan_forbids_has_not_drifted(made, plans, monkeypatch, refused, run_since):
    ban = Ban()
    observe_once(made, ban)
    if run_since:  # the last own observation was by a plan that is here no more
        state = json.loads(made.text(files.STATE) or "")
        made.write(files.STATE, json.dumps({**state, "plan": "sha256:another"}), 0o600)
    by_plan = {plans[0]["digest"]: {"apps/wechat"}, plans[1]["digest"]: {"apps/wechat", "dns/line"}}
    closed = set()
    monkeypatch.setattr(ban, "change", ban_of(ban, "dns" if refused else "", closed))

    def seen(host, plan_):
        ban.broken = {rule for rule in by_plan[plan_["digest"]] if rule.partition("/")[0] not in closed}
        return Ban.observe(ban, host, plan_)

    monkeypatch.setattr(ban, "observe", seen)
    with monkeypatch.context() as patched:
        at(patched, 61)
        observe_once(made, ban)
    found = [(line["event"], line["rules"]) for line in journal.read(made)[0] if "rules" in line]
    expected = [("drift", ["apps/wechat"]), ("corrected", ["apps/wechat"])]
    assert found == ([*expected, ("drift", ["dns/line"])] if refused else expected)


@pytest.mark.parametrize("error", [ControlError, Unseen, ValueError])
def test_what_nobody_can_see_by_the_earlier_plan_has_drifted(made, plans, monkeypatch, error):
    ban = Ban()
    observe_once(made, ban)
    ban.broken = {"dns/line"}

    def seen(host, plan_):
        if plan_["digest"] == plans[0]["digest"]:
            raise error("by this plan nothing can be seen")
        return Ban.observe(ban, host, plan_)

    monkeypatch.setattr(ban, "observe", seen)
    at(monkeypatch, 61)
    observe_once(made, ban)
    assert [line["rules"] for line in journal.read(made)[0] if "rules" in line] == [["dns/line"], ["dns/line"]]


def test_a_clock_that_goes_back_does_not_bring_hours_again(made, monkeypatch):
    monkeypatch.setenv("TZ", "UTC0")
    evening = calendar.timegm((2027, 1, 4, 20, 0, 0))  # a Monday
    waived = {"name": "A", "mode": "waived", "waiver": "w1", "hours": [[0, 540, 1080]], "otherwise": "enforce"}
    section = {"mode": "enforce", "services": {"a": waived}, "settings": {}}
    mine = plan(controls={"browser": section})
    installing.change(made, mine, given(mine))
    ban, modes = Ban(), []

    def seen(host, plan_):
        resolved, _ = run.resolved_here(host, plan_)
        modes.append(resolved["controls"]["browser"]["services"]["a"]["mode"])
        return Ban.observe(ban, host, plan_)

    monkeypatch.setattr(ban, "observe", seen)
    for moment in (evening - 3 * 3600, evening, evening - 3 * 3600):
        with monkeypatch.context() as patched:
            patched.setattr(clock.time, "time", lambda now=moment: now)
            observe_once(made, ban)
    assert modes == ["waived", "enforce", "enforce"]


def test_a_plan_that_nobody_renews_is_enforced_still_and_told(watched):
    host, _ = watched
    host.write(files.RENEWED, f"{self.PAST}\n", 0o600)
    ban = Ban("dns/wechat")
    for _ in range(2):
        observe_once(host, ban)
    assert ban.changed == ["dns"] and events(host) == ["stale", "drift", "corrected"]
    host.write(files.RENEWED, f"{stamp(time.time())}\n", 0o600)
    for _ in range(2):
        observe_once(host, ban)
    assert events(host)[3:] == ["renewed"]


def listening_sshd(host: Made, number: int, owner: int = 0) -> None:
    """sshd's listener as OpenSSH 10 titles it, and two connections of user 1004 to it from this host."""
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


def test_an_sshd_that_refuses_connections_is_written_down_once_with_whose_they_are(watched):
    host, made = watched
    listening_sshd(host, 9)
    observe_once(host, Ban())
    listening_sshd(host, 100, owner=1004)  # a title that a user gave
    observe_once(host, Ban())
    assert events(host) == []
    for _ in range(2):
        listening_sshd(host, 67)
        observe_once(host, Ban())
    assert events(host) == ["drift"]
    listening_sshd(host, 0)
    observe_once(host, Ban())
    assert events(host) == ["drift", "corrected"]
    (incident,) = summary(host, made)["incidents"]
    assert (incident["rules"], incident["users"]) == (["watch/ssh"], ["1004"])
    assert incident["cause"] == (
        "sshd refuses some of the others: 67 connections have not logged in (MaxStartups 10-100); "
        "2 from this host by 1004"
    )


pytestmark = ROOT

RULES = ("apps/wechat", "dns/wechat")
# What an observation, its corrections and its notes do to a disk.
STEPS = ("write", "rename", "unlink", "fsync", "fdatasync", "fchmod", "ftruncate", "mkdir")


class Ban:
    """A ban on the disk, so that a killed process leaves it as it was then: each broken rule is a file. A correction
    has two steps. `seen` says what the second observation sees of a rule.
    """

    def __init__(self, directory: Path, seen: str = COMPLIANT) -> None:
        self.directory, self.seen, self.observations = directory, seen, 0
        directory.mkdir(exist_ok=True)

    def breaks(self, *rules: str) -> None:
        for rule in rules:
            (self.directory / rule.replace("/", " ")).touch()
            (self.directory / f"{rule.replace('/', ' ')} too").touch()

    def broken(self) -> set[str]:
        return {" ".join(path.name.split()[:2]).replace(" ", "/") for path in self.directory.iterdir()}

    def observe(self, host: Made, plan: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        self.observations += 1
        verdicts = []
        for rule in RULES:
            wrong = rule in self.broken()
            state = NONCOMPLIANT if wrong else COMPLIANT if self.observations == 1 else self.seen
            found = (Finding("package", "wechat"),) if wrong else ()
            verdicts.append(Verdict(rule, state, found, "" if state == COMPLIANT else "why", drifted=wrong))
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        record = host_record(
            plan_digest=plan["digest"], checked_at=now, platform={}, verdicts=verdicts, errors=[], duration_ms=1
        )
        return {**record, "logged_in": ["mara"]}, [one.rule.partition("/")[0] for one in verdicts if one.drifted]

    def change(self, _: Made, __: Mapping[str, Any], name: str, **___: Any) -> dict[str, Any]:
        for path in sorted(self.directory.glob(f"{name} *")):
            os.unlink(path)
        return {}


def observe(host: Made, ban: Ban) -> list[str]:
    """One whole observation; why it could not save all."""
    known = files.settings(host)
    assert known
    ban.observations = 0
    return observed(host, known, Operations(ban.observe, ban.change), lambda _: None, lambda *_: None)


def killed_after(step: int, work: Callable[[], object]) -> bool:
    """Whether a process that is to be killed after so many steps on the disk was; it has ended in any case."""
    pid = os.fork()
    if not pid:
        left = [step]

        def dying(real: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*words: Any, **options: Any) -> Any:
                try:
                    return real(*words, **options)
                finally:
                    left[0] -= 1
                    if not left[0]:
                        os.kill(os.getpid(), signal.SIGKILL)

            return wrapped

        for name in STEPS:
            setattr(os, name, dying(getattr(os, name)))
        try:
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def noted(host: Made) -> list[tuple[str, Any]]:
    lines, left_out = journal.read(host)
    assert left_out == 0
    return [(line["event"], line.get("rules", line.get("renewed"))) for line in lines]


def record(host: Made) -> dict[str, Any]:
    return dict(json.loads(host.text(files.RECORD) or "{}"))


Watched = tuple[Made, dict[str, Any]]


def drift(host: Made, ban: Ban) -> None:
    ban.breaks(*RULES)


def stale(host: Made, ban: Ban) -> None:
    host.write(files.RENEWED, "2026-01-01T00:00:00Z\n", 0o600)
    ban.breaks(*RULES)


def clock_back(host: Made, ban: Ban) -> None:
    host.write(files.CLOCK, stamp(time.time() + 3600) + "\n", 0o600)


@pytest.mark.parametrize("fault", [drift, stale, clock_back])
def test_what_a_killed_observation_has_not_done_the_next_one_does_and_nothing_stands_twice(watched, tmp_path, fault):
    host, mine = watched
    ban = Ban(tmp_path / "ban")
    killed = 0
    for step in range(1, 200):
        for path in (journal.JOURNAL, journal.OLDER_JOURNAL, files.STATE, files.RECORD, files.CLOCK):
            host.delete(path)
        observe(host, ban)  # a host in line
        host.delete(journal.JOURNAL)
        earlier = {**files.state(host), "last": stamp(time.time() - 300), "journal": []}
        host.write(files.STATE, json.dumps(earlier), 0o600)
        fault(host, ban)
        before = clock.effective(host)
        died = killed_after(step, lambda: observe(host, ban))
        if fault is clock_back:  # the next observation comes later
            host.write(files.CLOCK, stamp(time.time() + 3590) + "\n", 0o600)
            before = clock.effective(host)
        killed += died
        assert observe(host, ban) == []
        assert ban.broken() == set(), step
        assert files.settings(host) and clock.effective(host) >= before
        lines = [(event, str(what)) for event, what in noted(host)]
        assert len(set(lines)) == len(lines), (step, lines)
        events = [event for event, _ in lines]
        account = summary.summary(host, mine)
        assert all(one["times"] == 1 and one["corrected"] <= 1 for one in account["incidents"]), (step, account)
        if fault is not clock_back:
            assert {rule for one in account["incidents"] for rule in one["rules"]} == {*RULES}, step
        else:
            assert events == ["clock"], step
        assert record(host)["state"] in (COMPLIANT, REPAIRED)
        assert list(tmp_path.rglob(".*proscribe~")) == [], step
        again = noted(host)
        observe(host, ban)
        assert noted(host) == again and record(host)["state"] == COMPLIANT
        if not died:
            break
    assert not died and killed > 10


@pytest.mark.parametrize("error", [ControlError, Unseen])
def test_lines_that_the_journal_cannot_take_are_written_by_a_later_observation(watched, tmp_path, monkeypatch, error):
    host, _ = watched
    ban = Ban(tmp_path / "ban")
    ban.breaks("dns/wechat")

    def full(*_, **__):
        raise error("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(journal, "write_down", full)
        (why,) = observe(host, ban)
        assert why.startswith("2 lines cannot be written")
    assert ban.broken() == set() and noted(host) == []
    began = files.state(host)["last"]
    assert observe(host, ban) == []
    assert noted(host) == [("drift", ["dns/wechat"]), ("corrected", ["dns/wechat"])]
    assert all(line["at"] <= began for line in journal.read(host)[0]), "of when it was"
    assert "unwritten" not in files.state(host)


@pytest.mark.parametrize("error", [ControlError, Unseen])
def test_what_keeps_the_time_or_caches_may_fail(watched, tmp_path, monkeypatch, error):
    host, _ = watched
    ban, saved = Ban(tmp_path / "ban"), []

    def refuse(*given):
        saved.append(given)
        raise error("no")

    monkeypatch.setattr(clock, "advance", refuse)
    host.state_savers.append(refuse)
    assert observe(host, ban) == [] and noted(host) == []
    assert saved == [(host,), (False,)], "no run, which has all read anew"


@pytest.mark.parametrize(
    ("more", "remembers", "notified"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"answers": {"r1": {}}}, False, True),
        ({"waivers": {"w1": {}}}, False, True),
    ],
)
def test_users_are_notified_where_there_is_something_and_that_is_written_down(
    made, tmp_path, monkeypatch, more, remembers, notified
):
    mine = plan(**more)
    installing.change(made, mine, given(mine))
    if remembers:
        made.write(notifications.NOTIFIED, "{}", 0o600)
    fields = [{"user": user, "waiver": "w1", "about": "opened: Owl"} for user in ("ann", "bob")]
    messages = [(one["user"], "Owl is open.", one) for one in fields]
    queried = []
    shown = []
    monkeypatch.setattr(notifications, "due", lambda *what: queried.append(what) or messages)
    monkeypatch.setattr(notifications, "deliver", lambda *what: shown.append(what))
    observe(made, Ban(tmp_path / "ban"))
    lines = [{key: value for key, value in line.items() if key != "at"} for line in journal.read(made)[0]]
    assert shown == [(made, [one]) for one in messages] * notified
    assert lines == [{"event": "notified", **one} for one in fields] * notified
    assert [(host, plan_["digest"]) for host, plan_, _ in queried] == [(made, mine["digest"])] * notified
    assert all(abs(now - time.time()) < 60 for *_, now in queried)


@pytest.mark.parametrize(
    "lines", [[{}], [{"event": "drift", "at": "x", "rules": ["a/b"], "users": []}], [{"at": "2026-01-01T00:00:00Z"}]]
)
def test_what_is_no_line_in_a_state_costs_itself_only(watched, tmp_path, lines):
    host, _ = watched
    more = [{"event": "drift", "at": "2026-01-01T00:00:00Z", "rules": 5, "users": None, "cause": ""}]
    more += [{"event": "thawed", "at": "2026-01-01T00:00:00Z"}]
    host.write(files.STATE, json.dumps({"unwritten": lines + more}), 0o600)
    assert observe(host, Ban(tmp_path / "ban")) == [] and noted(host) == [("thawed", None)]


def test_an_observation_that_cannot_save_what_it_saw_says_so(watched, tmp_path, monkeypatch):
    host, _ = watched
    ban = Ban(tmp_path / "ban")
    observe(host, ban)
    before = record(host)
    ban.breaks("apps/wechat")

    def refused(path, *_, **__):
        raise (Unseen if path == files.STATE else ControlError)(f"cannot write {path}: Read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr(host, "write", refused)
        wrong = observe(host, ban)
    assert [files.STATE in wrong[0], files.RECORD in wrong[1]] == [True, True]
    assert ban.broken() == set() and record(host) == before
    assert observation.Observation(host, files.settings(host), Operations(ban.observe, ban.change)).before


@pytest.mark.parametrize(
    ("answer", "seen", "confirmed"),
    [
        ({"changed": True}, "", False),
        ({"changed": True, "pending": "another run's"}, "", False),
        ({"pending": {"token": "t1", "within": 60}}, "loaded-t1", True),
        ({"pending": {"token": "t1", "within": 60}}, "failed-t1", True),
        ({"pending": {"token": "t1", "within": 60}}, "", True),
    ],
)
def test_it_is_corrected_as_by_a_run(made, monkeypatch, answer, seen, confirmed):
    apart = []
    clock_ = [100.0]
    waited = []

    def wait(seconds):
        waited.append(seconds)
        clock_[0] += seconds
        if seen and len(waited) == 3:
            made.write(f"{program.RUN}/{seen}", "")

    def change(*given_, doing):
        return {**answer, "by": (*given_, doing)}

    monkeypatch.setattr(forked, "run_apart", lambda work, limits: apart.append(limits) or work())
    monkeypatch.setattr(confirm, "in_turn", lambda host, work: {**work(), "in turn of": host})
    monkeypatch.setattr(confirm, "trying", lambda *given_: ("tried", *given_))
    monkeypatch.setattr(confirm, "keep", lambda *given_: {"confirmed": given_})
    monkeypatch.setattr(correcting.time, "monotonic", lambda: clock_[0])
    monkeypatch.setattr(correcting.time, "sleep", wait)
    mine = plan()
    done = correcting.correct_control(made, mine, "firewall", change, correcting.LimitedChanges())
    if confirmed:
        assert done == {"confirmed": (made, "t1")}
    else:
        by = (made, mine, "firewall", ("tried", made, mine))
        assert done == {"changed": True, "by": by, "in turn of": made}
    assert sum(waited) == pytest.approx(0.0 if not confirmed else 0.6 if seen else 20.0, abs=0.3)
    [limits] = apart
    assert limits.seconds >= 60 and limits.memory == 0, "nft takes what it needs"
