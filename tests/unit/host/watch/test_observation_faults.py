"""An own observation that is killed after any step, or that cannot write: the next one completes it, and the journal,
the state and the record claim nothing twice, and nothing that was not seen.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from proscribe.base.moments import stamp
from proscribe.host.controls.apps.requests import notifications
from proscribe.host.controls.firewall import confirm, program
from proscribe.host.system import ControlError, Unseen, forked
from proscribe.host.watch import correcting, installing, observation
from proscribe.host.watch.observation import Operations, observed
from proscribe.host.watch.state import clock, files, journal, summary
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, REPAIRED, Finding, Verdict, host_record
from watch_host import ROOT, Made, given, plan

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
def test_what_a_killed_observation_has_not_done_the_next_one_does_and_nothing_stands_twice(
    watched: Watched, tmp_path: Path, fault: Callable[[Made, Ban], None]
) -> None:
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
def test_lines_that_the_journal_cannot_take_are_written_by_a_later_observation(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    host, _ = watched
    ban = Ban(tmp_path / "ban")
    ban.breaks("dns/wechat")

    def full(*_: Any, **__: Any) -> None:
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
def test_what_keeps_the_time_or_caches_may_fail(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    host, _ = watched
    ban, saved = Ban(tmp_path / "ban"), []

    def refuse(*given: Any) -> int:
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
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], remembers: bool, notified: bool
) -> None:
    mine = plan(**more)
    installing.change(made, mine, given(mine))
    if remembers:
        made.write(notifications.NOTIFIED, "{}", 0o600)
    fields = [{"user": user, "waiver": "w1", "about": "opened: Owl"} for user in ("ann", "bob")]
    messages = [(one["user"], "Owl is open.", one) for one in fields]
    queried: list[Any] = []
    shown: list[Any] = []
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
def test_what_is_no_line_in_a_state_costs_itself_only(watched: Watched, tmp_path: Path, lines: Any) -> None:
    host, _ = watched
    more = [{"event": "drift", "at": "2026-01-01T00:00:00Z", "rules": 5, "users": None, "cause": ""}]
    more += [{"event": "thawed", "at": "2026-01-01T00:00:00Z"}]
    host.write(files.STATE, json.dumps({"unwritten": lines + more}), 0o600)
    assert observe(host, Ban(tmp_path / "ban")) == [] and noted(host) == [("thawed", None)]


def test_an_observation_that_cannot_save_what_it_saw_says_so(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, _ = watched
    ban = Ban(tmp_path / "ban")
    observe(host, ban)
    before = record(host)
    ban.breaks("apps/wechat")

    def refused(path: str, *_: Any, **__: Any) -> None:
        raise (Unseen if path == files.STATE else ControlError)(f"cannot write {path}: Read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr(host, "write", refused)
        wrong = observe(host, ban)
    assert [files.STATE in wrong[0], files.RECORD in wrong[1]] == [True, True]
    assert ban.broken() == set() and record(host) == before
    assert observation.Observation(host, files.settings(host), Operations(ban.observe, ban.change)).before  # type: ignore[arg-type]


class TestFirewall:
    """A table that is new is tried out, and confirmed once it is loaded and the host still reaches what it did."""

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
    def test_it_is_corrected_as_by_a_run(
        self, made: Made, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], seen: str, confirmed: bool
    ) -> None:
        apart: list[forked.Limits] = []
        clock_ = [100.0]
        waited: list[float] = []

        def wait(seconds: float) -> None:
            waited.append(seconds)
            clock_[0] += seconds
            if seen and len(waited) == 3:
                made.write(f"{program.RUN}/{seen}", "")

        def change(*given_: Any, doing: Any) -> dict[str, Any]:
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
