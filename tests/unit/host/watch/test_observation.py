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
from proscribe.host.watch.state import clock, files, journal, pause
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
