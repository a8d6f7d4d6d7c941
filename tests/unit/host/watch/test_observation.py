"""An own observation: what it corrects, what it leaves, and that nothing happens twice in the journal or unseen."""

from __future__ import annotations

import calendar
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from proscribe.base.moments import stamp
from proscribe.host import run
from proscribe.host.audit_program import installable
from proscribe.host.system import ControlError, Unseen
from proscribe.host.watch import installed, installing, restoring, units
from proscribe.host.watch.observation import Operations, observed
from proscribe.host.watch.state import clock, effective, files, journal, pause
from proscribe.host.watch.state.summary import summary
from proscribe.model.finding import worst
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


def test_a_host_in_line_writes_its_record_and_nothing_in_the_journal(watched: Watched) -> None:
    host, _ = watched
    assert observe_once(host, Ban())["state"] == "compliant"
    assert events(host) == []
    assert files.state(host)["last"] <= stamp(time.time())


def test_what_drifted_is_corrected_and_written_down_with_who_was_there(watched: Watched) -> None:
    host, _ = watched
    ban = Ban("dns/wechat", "apps/wechat")
    record = observe_once(host, ban)
    assert ban.changed == ["apps", "dns"]
    assert (record["state"], [rule["state"] for rule in record["rules"]]) == ("repaired", ["repaired", "repaired"])
    *drifts, corrected = journal.read(host)[0]
    drifted = [(drift["rules"], drift["users"], drift["cause"]) for drift in drifts]
    assert drifted == [(["apps/wechat"], ["mara"], "x x"), (["dns/wechat"], ["mara"], "x x")]
    assert corrected["rules"] == ["apps/wechat", "dns/wechat"]


def test_what_cannot_be_corrected_is_tried_each_time_and_told_once(watched: Watched) -> None:
    host, _ = watched
    ban = Ban("dns/wechat", "apps/wechat")
    ban.refuses["dns"] = "the disk is full"
    for _ in range(3):
        record = observe_once(host, ban)
    assert ban.changed == ["apps", "dns", "dns", "dns"]
    assert record["state"] == "noncompliant"
    assert events(host) == ["drift", "drift", "failed", "corrected"]
    del ban.refuses["dns"]
    observe_once(host, ban)
    assert events(host) == ["drift", "drift", "failed", "corrected", "corrected"]
    ban.broken = {"dns/wechat"}
    observe_once(host, ban)
    assert events(host)[-2:] == ["drift", "corrected"], "it drifted anew"


class TestWatcher:
    """What a host restores of its own watcher; on whole hosts in integration/test_watch_tampered.py."""

    TEXT = "# the program"

    @pytest.fixture
    def host(self, made: Made, monkeypatch: pytest.MonkeyPatch) -> Made:
        """A host whose ban is in line, and that has its program's text a second time."""
        mine = plan()
        monkeypatch.setattr(restoring, "WATCH_TEXT", self.TEXT)
        installing.change(made, mine, {**given(mine), "program": installable(self.TEXT)})
        made.started_by = units.TIMER
        observe_once(made, WatchedBan())
        return made

    @pytest.mark.parametrize(
        "done",
        [
            pytest.param(lambda host: host.stopped.add(units.LAUNCHES), id="the daemon is stopped"),
            pytest.param(lambda host: setattr(host, "daemon", None), id="the daemon is deaf"),
            pytest.param(lambda host: host.write(files.PROGRAM, "#!/bin/true\n", 0o755), id="the program is another"),
            pytest.param(lambda host: host.delete(files.COMMAND), id="the link is gone"),
            pytest.param(lambda host: host.delete(f"{units.FOLDER}/{units.TIMER}"), id="a unit is gone"),
            pytest.param(
                lambda host: host.write(f"/run/systemd/system.control/{units.LAUNCHES}.d/x.conf", ""),
                id="a unit is overridden",
            ),
        ],
    )
    def test_what_is_made_of_the_code_is_restored_named_and_counted(self, host: Made, done: Any) -> None:
        done(host)
        record = observe_once(host, WatchedBan())
        assert record["state"] == "repaired"
        assert events(host) == ["drift", "corrected"]
        (incident,) = summary(host, plan())["incidents"]
        assert (incident["control"], incident["times"], incident["corrected"]) == ("watch", 1, 1)
        assert observe_once(host, WatchedBan())["state"] == "compliant" and len(events(host)) == 2

    def test_what_is_not_there_a_second_time_is_written_down_once(self, host: Made) -> None:
        host.write(files.CODE, "another", 0o600)
        for _ in range(2):
            assert observe_once(host, WatchedBan())["state"] == "noncompliant"
        assert events(host) == ["drift", "damaged"]

    def test_a_pause_leaves_the_watcher_too(self, host: Made) -> None:
        pause.freeze(host, "2h", "x", "root")
        host.stopped.add(units.LAUNCHES)
        assert observe_once(host, WatchedBan())["state"] == "noncompliant"
        assert units.LAUNCHES in host.stopped

    @pytest.mark.parametrize("done", [b"", None], ids=["emptied", "deleted"])
    def test_lines_that_are_gone_are_named_and_counted(self, host: Made, done: bytes | None) -> None:
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


def test_while_frozen_drift_is_written_down_and_left(watched: Watched) -> None:
    host, _ = watched
    pause.freeze(host, "2h", "a printer", "root")
    ban = Ban("dns/wechat")
    observe_once(host, ban)
    assert ban.changed == [] and events(host) == ["frozen", "drift"]
    pause.thaw(host)
    observe_once(host, ban)
    assert ban.changed == ["dns"] and events(host) == ["frozen", "drift", "thawed", "corrected"]


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, '{"drifted": 5, "reported": [1], "last": "x", "plan": {}}'])
def test_a_broken_state_of_the_last_time_is_as_none(watched: Watched, text: str) -> None:
    host, _ = watched
    host.write(files.STATE, text)
    assert files.state(host) == {}
    observe_once(host, Ban("dns/wechat"))
    assert events(host) == ["drift", "corrected"]


class TestTime:
    FUTURE, PAST = "2099-01-01T00:00:00Z", "2026-01-01T00:00:00Z"

    @pytest.fixture
    def plans(self, made: Made) -> list[dict[str, Any]]:
        """The plan of now, and one that takes effect in a minute."""
        later = plan(number=1)
        now = plan(later={"at": stamp(time.time() + 60), "plan": later["digest"]})
        installing.change(made, now, {**given(now, later), "now": stamp(time.time())})
        return [now, later]

    def at(self, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
        now = time.time() + seconds
        monkeypatch.setattr(clock.time, "time", lambda: now)

    def test_a_plan_takes_effect_at_its_moment(
        self, made: Made, plans: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ban = Ban()
        observe_once(made, ban)
        with monkeypatch.context() as patched:
            self.at(patched, 61)
            observe_once(made, ban)
            observe_once(made, ban)
        assert ban.plans == [plans[0]["digest"], plans[1]["digest"], plans[1]["digest"]]
        assert [(line["event"], line["plan"]) for line in journal.read(made)[0]] == [("plan", plans[1]["digest"])]

    @pytest.mark.parametrize("refused", [False, True])
    @pytest.mark.parametrize("run_since", [False, True])
    def test_what_only_a_later_plan_forbids_has_not_drifted(
        self, made: Made, plans: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, refused: bool, run_since: bool
    ) -> None:
        ban = Ban()
        observe_once(made, ban)
        if run_since:  # the last own observation was by a plan that is here no more
            state = json.loads(made.text(files.STATE) or "")
            made.write(files.STATE, json.dumps({**state, "plan": "sha256:another"}), 0o600)
        by_plan = {plans[0]["digest"]: {"apps/wechat"}, plans[1]["digest"]: {"apps/wechat", "dns/line"}}
        closed: set[str] = set()
        monkeypatch.setattr(ban, "change", ban_of(ban, "dns" if refused else "", closed))

        def seen(host: Made, plan_: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
            ban.broken = {rule for rule in by_plan[plan_["digest"]] if rule.partition("/")[0] not in closed}
            return Ban.observe(ban, host, plan_)

        monkeypatch.setattr(ban, "observe", seen)
        with monkeypatch.context() as patched:
            self.at(patched, 61)
            observe_once(made, ban)
        found = [(line["event"], line["rules"]) for line in journal.read(made)[0] if "rules" in line]
        expected = [("drift", ["apps/wechat"]), ("corrected", ["apps/wechat"])]
        assert found == ([*expected, ("drift", ["dns/line"])] if refused else expected)

    @pytest.mark.parametrize("error", [ControlError, Unseen, ValueError])
    def test_what_nobody_can_see_by_the_earlier_plan_has_drifted(
        self, made: Made, plans: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, error: type[Exception]
    ) -> None:
        ban = Ban()
        observe_once(made, ban)
        ban.broken = {"dns/line"}

        def seen(host: Made, plan_: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
            if plan_["digest"] == plans[0]["digest"]:
                raise error("by this plan nothing can be seen")
            return Ban.observe(ban, host, plan_)

        monkeypatch.setattr(ban, "observe", seen)
        self.at(monkeypatch, 61)
        observe_once(made, ban)
        assert [line["rules"] for line in journal.read(made)[0] if "rules" in line] == [["dns/line"], ["dns/line"]]

    def test_a_clock_that_goes_back_does_not_bring_the_earlier_plan_again(
        self, made: Made, plans: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ban = Ban()
        for seconds in (3600, -3600, -7200):
            with monkeypatch.context() as patched:
                self.at(patched, seconds)
                observe_once(made, ban)
        assert ban.plans == [plans[1]["digest"]] * 3
        clocks = [line for line in journal.read(made)[0] if line["event"] == "clock"]
        assert [round(line["back"], -2) for line in clocks] == [7200], "once, and as far as it was"

    def test_hours_that_begin_and_end_are_a_change_of_the_plan_and_no_drift(
        self, made: Made, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What somebody did meanwhile is drift all the same."""
        monkeypatch.setenv("TZ", "UTC0")
        begin = calendar.timegm((2027, 1, 4, 8, 55, 0))  # a Monday
        waived = {"name": "A", "mode": "waived", "waiver": "w1", "hours": [[0, 540, 1080]], "otherwise": "enforce"}
        section = {"mode": "enforce", "services": {"a": waived}, "settings": {}}
        mine = plan(controls={"browser": section})
        installing.change(made, mine, given(mine))
        ban, in_place = Ban(), {"mode": "enforce"}

        def mode(host: Made, plan_: Mapping[str, Any]) -> str:
            return str(run.resolved_here(host, plan_)[0]["controls"]["browser"]["services"]["a"]["mode"])

        def seen(host: Made, plan_: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
            policy = {"browser/policy-file"} if mode(host, plan_) != in_place["mode"] else set()
            ban.broken = ({"dns/x"} & ban.broken) | policy
            return Ban.observe(ban, host, plan_)

        def change(host: Made, plan_: Mapping[str, Any], name: str, **more: Any) -> dict[str, Any]:
            in_place["mode"] = mode(host, plan_)
            return Ban.change(ban, host, plan_, name, **more)

        monkeypatch.setattr(ban, "observe", seen)
        monkeypatch.setattr(ban, "change", change)
        states = []
        for moment, tampered in ((0, False), (600, False), (900, True), (10 * 3600, False), (11 * 3600, False)):
            ban.broken = {"dns/x"} if tampered else set()
            with monkeypatch.context() as patched:
                patched.setattr(clock.time, "time", lambda now=begin + moment: now)
                states.append(observe_once(made, ban)["state"])
        assert states == ["compliant", "compliant", "repaired", "compliant", "compliant"]
        fields = ("event", "rules", "opened", "closed")
        written = [line for line in journal.read(made)[0] if line["event"] != "stale"]  # the moments are years later
        lines = [{name: line.get(name) for name in fields} for line in written]
        assert [tuple(filter(None, line.values())) for line in lines] == [
            ("hours", ["browser/a"]),
            ("drift", ["dns/x"]),
            ("corrected", ["dns/x"]),
            ("hours", ["browser/a"]),
        ]
        assert lines[0]["opened"] and lines[-1]["closed"]
        assert [one["rules"] for one in summary(made, mine)["incidents"]] == [["dns/x"]]

    def test_a_clock_that_goes_back_does_not_bring_hours_again(
        self, made: Made, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TZ", "UTC0")
        evening = calendar.timegm((2027, 1, 4, 20, 0, 0))  # a Monday
        waived = {"name": "A", "mode": "waived", "waiver": "w1", "hours": [[0, 540, 1080]], "otherwise": "enforce"}
        section = {"mode": "enforce", "services": {"a": waived}, "settings": {}}
        mine = plan(controls={"browser": section})
        installing.change(made, mine, given(mine))
        ban, modes = Ban(), []

        def seen(host: Made, plan_: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
            resolved, _ = run.resolved_here(host, plan_)
            modes.append(resolved["controls"]["browser"]["services"]["a"]["mode"])
            return Ban.observe(ban, host, plan_)

        monkeypatch.setattr(ban, "observe", seen)
        for moment in (evening - 3 * 3600, evening, evening - 3 * 3600):
            with monkeypatch.context() as patched:
                patched.setattr(clock.time, "time", lambda now=moment: now)
                observe_once(made, ban)
        assert modes == ["waived", "enforce", "enforce"]

    def test_a_successor_that_is_not_what_was_installed_is_not_enforced(
        self, made: Made, plans: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made.write(files.plan_file(plans[1]["digest"]), json.dumps(plans[1] | {"controls": {"x": 1}}), 0o600)
        self.at(monkeypatch, 61)
        with pytest.raises(files.Damaged):
            observe_once(made, Ban())

    def test_a_plan_that_nobody_renews_is_enforced_still_and_told(self, watched: Watched) -> None:
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

    def test_a_run_brings_the_true_time_to_a_host_that_saw_the_future(self, watched: Watched) -> None:
        host, mine = watched
        host.write(files.CLOCK, f"{self.FUTURE}\n", 0o600)
        assert stamp(clock.effective(host)) == self.FUTURE
        installed.renew(host, mine, {"now": stamp(time.time())})
        assert abs(clock.effective(host) - time.time()) < 60

    @pytest.mark.parametrize("text", ["", "tomorrow", "\0" * 20, "9" * 64])
    def test_a_broken_mark_of_the_clock_is_none(self, watched: Watched, text: str) -> None:
        host, _ = watched
        host.write(files.CLOCK, text)
        assert abs(clock.effective(host) - time.time()) < 60


class TestPause:
    def test_it_has_a_reason_and_an_end(self, watched: Watched) -> None:
        host, _ = watched
        until = pause.freeze(host, "2h", "a printer\n\x1b[2J", "mara")
        assert pause.active(host) == {"until": until, "reason": "a printer [2J", "by": "mara"}
        assert host.stat(files.FROZEN).st_mode & 0o777 == 0o600  # type: ignore[union-attr]

    @pytest.mark.parametrize("duration", ["8d", "2", "h", "-1h", "0h", "2x", "\x1b[2J", "9999999999h", "2h2h", ""])
    def test_no_pause_is_without_bounds(self, watched: Watched, duration: str) -> None:
        with pytest.raises(ValueError):
            pause.freeze(watched[0], duration, "x", "root")
        assert pause.active(watched[0]) is None

    @pytest.mark.parametrize("reason", ["", " ", "\n", "x" * 301])
    def test_no_pause_is_without_a_reason(self, watched: Watched, reason: str) -> None:
        with pytest.raises(ValueError, match="reason"):
            pause.freeze(watched[0], "2h", reason, "root")

    @pytest.mark.parametrize(
        "given_",
        [
            {"until": "2099-01-01T00:00:00Z", "reason": "x", "by": "x"},
            {"until": "2020-01-01T00:00:00Z", "reason": "x", "by": "x"},
            {"until": "soon", "reason": "x", "by": "x"},
            {"until": stamp(time.time() + 3600), "by": "x"},
            [],
        ],
    )
    def test_what_is_no_pause_freezes_nothing(self, watched: Watched, given_: Any) -> None:
        watched[0].write(files.FROZEN, json.dumps(given_), 0o600)
        assert pause.active(watched[0]) is None

    def test_a_pause_that_others_could_have_written_is_none(self, watched: Watched) -> None:
        pause.freeze(watched[0], "2h", "x", "root")
        watched[0].write(files.FROZEN, watched[0].read(files.FROZEN) or b"", 0o666)
        assert pause.active(watched[0]) is None

    def test_a_clock_that_is_set_back_does_not_make_it_longer(
        self, watched: Watched, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        host, _ = watched
        host.write(clock.BOOT, "an id\n")
        pause.freeze(host, "1h", "x", "root")
        assert pause.active(host)
        uptime = clock._uptime()
        monkeypatch.setattr(clock, "_uptime", lambda: uptime + 3600)
        assert pause.active(host) is None


def test_the_plan_in_effect_is_one_that_is_stored(watched: Watched) -> None:
    host, mine = watched
    known = files.settings(host)
    assert known and effective.plan_in_effect(host, known) == mine
    host.delete(files.plan_file(mine["digest"]))
    with pytest.raises(files.Damaged, match="missing"):
        effective.plan_in_effect(host, known)


def test_a_plan_is_cached_with_what_follows_from_it_and_once_more_for_more_of_that(watched: Watched) -> None:
    host, mine = watched
    known, cached = files.settings(host), []
    assert known
    for _ in range(4):
        held = (cached[-1][0], dict(cached[-1][1])) if cached else None
        observed(host, known, Ban().operations(), lambda _, held=held: held, lambda _, one: cached.append(one))
    assert [dict(plan_) for plan_, _ in cached] == [mine, mine]
    assert [sorted(follows) for _, follows in cached] == [[], ["has hours or groups"]]


def test_nobody_but_root_can_read_it(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    def unseen(*_: Any) -> None:
        raise Unseen("only root can")

    monkeypatch.setattr(Made, "read", unseen)
    assert pause.active(watched[0]) is None and files.renewed(watched[0]) is None and files.state(watched[0]) == {}


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


def test_an_sshd_that_refuses_connections_is_written_down_once_with_whose_they_are(watched: Watched) -> None:
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
