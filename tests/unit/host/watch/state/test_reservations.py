"""A run and the watch on the same host: neither undoes the other."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from proscribe.host import host_operations, watch_commands
from proscribe.host.watch import installation, watch_observation
from proscribe.host.watch.own_observation import HostOperations, observe_host
from proscribe.host.watch.state import clock, journal, reservations, watch_files
from watch_host import AT, ROOT, Made, given, plan

pytestmark = ROOT

OLD, NEW = plan(number=1), plan(number=2)
CONTROLLER: Any = {"release": watch_observation.make_release_name(b" -ISXutf8\n# x\n", b"code"), "now": AT}


class Fleet:
    """A host with a watch and a controller. A control is in line with one plan, by its number, or with none."""

    def __init__(self, host: Made) -> None:
        self.host = host
        self.state = {"browser": 1, "dns": 1}
        self.broken: set[str] = set()
        self.during: Callable[[], None] | None = None  # what happens once, within the next observation of the host
        self.by_watch: list[str] = []  # what the watch has corrected
        installation.change(host, OLD, given(OLD))

    def seen(self, plan_: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Return the record of the host by a plan, and the controls that drifted."""
        wrong = [name for name, by in self.state.items() if by != plan_["number"] or name in self.broken]
        evidence = {"kind": "x", "id": "x", "path": None}
        rules = [
            {"rule": f"{name}/wechat", "state": "noncompliant", "waiver": None, "reason": None, "findings": [evidence]}
            for name in wrong
        ]
        record = {"state": "noncompliant" if wrong else "compliant", "plan": plan_["digest"], "rules": rules}
        return {**record, "checked_at": "2026-11-27T03:00:00Z", "logged_in": []}, wrong

    def _observe(self, _: Made, plan_: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        answer = self.seen(plan_)
        happens, self.during = self.during, None
        if happens:
            happens()
        return answer

    def _correct(self, host: Made, plan_: Mapping[str, Any], name: str, begin: Callable[[], None], **_: Any) -> Any:
        with host.lock_host():
            begin()
            if name not in self.broken:
                self.state[name] = plan_["number"]
            self.by_watch.append(name)
        return {}

    def watch(self) -> dict[str, Any]:
        known = watch_files.read_settings(self.host)
        assert known
        try:
            observe_host(
                self.host, known, HostOperations(self._observe, self._correct), lambda _: None, lambda *_: None
            )
        except reservations.SupersededError:
            return {}
        return dict(json.loads(self.host.read_text(watch_files.RECORD_PATH) or "{}"))

    def change(self, name: str, plan_: Mapping[str, Any] = NEW, lift: bool = False) -> None:
        self.host.changed_by = "run 1 of ann on ctl1"
        with self.host.lock_host():
            reservations.reserve_control(self.host, name, reservations.LIFTED_DIGEST if lift else plan_["digest"])
            self.state[name] = 0 if lift else plan_["number"]

    def deliver(self, plan_: dict[str, Any] = NEW) -> None:
        installation.change(self.host, plan_, given(plan_))

    def end(self, plan_: Mapping[str, Any] = NEW, controls: tuple[str, ...] = ("browser", "dns", "watch")) -> None:
        reservations.note_observation(self.host, controls, *self.seen(plan_), is_last=True)

    def incidents(self) -> list[str]:
        return [rule for line in journal.read_journal(self.host)[0] for rule in line.get("rules", ())]


@pytest.fixture
def fleet(made):
    return Fleet(made)


def test_watch_within_a_run_leaves_changed_controls(fleet):
    fleet.change("browser")
    record = fleet.watch()
    assert fleet.state == {"browser": 2, "dns": 1}
    assert [(rule["rule"], rule["state"]) for rule in record["rules"]] == [("browser/wechat", "unknown")]
    assert record["state"] == "unknown" and "run 1 of ann on ctl1 is changing browser" in record["rules"][0]["reason"]
    fleet.change("dns")
    fleet.deliver()
    fleet.end()
    assert fleet.watch()["state"] == "compliant" and fleet.incidents() == [] and fleet.by_watch == []
    assert fleet.host.find_entry(watch_files.RESERVATIONS_PATH) is None


def test_run_that_comes_before_a_correction_is_not_undone(fleet, monkeypatch):
    def correct(host, plan_, name, begin, **more):
        fleet.change("browser")
        return Fleet._correct(fleet, host, plan_, name, begin, **more)

    fleet.state["browser"] = 7
    monkeypatch.setattr(fleet, "_correct", correct)
    fleet.watch()
    assert fleet.state["browser"] == 2
    assert fleet.incidents() == ["browser/wechat"], "it had drifted"


@pytest.mark.parametrize(("lift", "verb"), [(False, "has changed browser by another"), (True, "has lifted browser")])
def test_reserved_control_is_a_finding_until_a_run_brings_a_plan(made, lift, verb):
    def findings(plan_, controller):
        verdicts = {verdict.rule: verdict for verdict in watch_observation.observe_watch(made, plan_, controller)}
        assert verdicts["watch/watcher"].drifted == bool(verdicts["watch/watcher"].findings)
        return [str(finding.detail) for finding in verdicts["watch/watcher"].findings]

    section = {"mode": "enforce", "services": {}, "settings": {}}
    old, new = (plan(number=number, controls={"browser": section}) for number in (1, 2))
    installation.change(made, old, given(old))
    made.changed_by = "run 1 of ann on ctl1"
    reservations.reserve_control(made, "browser", reservations.LIFTED_DIGEST if lift else new["digest"])
    if not lift:
        assert findings(new, CONTROLLER) == [], "the run goes on"
        record = {"plan": new["digest"], "rules": []}
        assert reservations.note_observation(made, ("browser",), record, (), is_last=True) == ["browser"]
    for plan_ in (old, new):
        (detail,) = findings(plan_, CONTROLLER)
        assert detail.startswith(f"run 1 of ann on ctl1 {verb}") and "the watch leaves it alone" in detail
        assert findings(plan(number=3), CONTROLLER) == [], "that plan has no such control"
        assert findings(plan_, None) == [], "the watch itself cannot correct that"
    installation.change(made, new, given(new))
    assert findings(new, CONTROLLER) == []


def test_whole_run_in_line_ends_the_reservation_of_another_run(fleet):
    fleet.change("browser")
    fleet.end(controls=("browser",))
    fleet.state["browser"] = 1
    reservations.note_observation(fleet.host, ("browser", "dns"), *fleet.seen(OLD), is_last=False)
    fleet.state["browser"] = 7
    fleet.watch()
    assert fleet.state["browser"] == 1


def test_killed_run_reserves_a_control_for_two_hours(fleet, monkeypatch):
    fleet.change("browser")
    begin = time.time()
    for after, number in ((7100, 2), (7300, 1)):
        monkeypatch.setattr(clock.time, "time", lambda now=begin + after: now)
        fleet.watch()
        assert fleet.state["browser"] == number
    assert fleet.incidents() == [], "what the run had changed is no drift"
    assert fleet.host.find_entry(watch_files.RESERVATIONS_PATH) is None
    fleet.state["browser"] = 7
    fleet.watch()
    assert fleet.incidents() == ["browser/wechat"] * 2


def test_end_of_a_run_leaves_the_reservation_of_another_run(fleet):
    third = plan(number=3)
    fleet.change("browser")
    fleet.change("dns", third)
    fleet.deliver()
    fleet.end()
    fleet.watch()
    assert fleet.state == {"browser": 2, "dns": 3}


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("", 0o600),
        ('{"controls": 5, "unmet": {}}', 0o600),
        ('{"controls": {"browser": {"by": 1}}}', 0o600),
        (None, 0o666),
    ],
)
def test_file_of_reservations_that_is_broken_or_that_a_user_can_write_does_not_count(fleet, text, mode):
    fleet.change("browser")
    fleet.host.write_file(
        watch_files.RESERVATIONS_PATH,
        fleet.host.read_text(watch_files.RESERVATIONS_PATH) if text is None else text,
        mode,
    )
    fleet.state["browser"] = 7
    fleet.watch()
    assert fleet.state["browser"] == 1


def test_damaged_file_that_a_run_is_replacing_is_no_incident(fleet, monkeypatch):
    monkeypatch.setattr(watch_commands, "Host", lambda: fleet.host)
    fleet.host.delete_file(watch_files.make_plan_path(OLD["digest"]))
    reservations.reserve_control(fleet.host, "watch", NEW["digest"])
    assert watch_commands.main(["observe"], "root", "", lambda: None) == 0 and journal.read_journal(fleet.host)[0] == []
    reservations.note_received_plans(fleet.host, [NEW["digest"]])
    assert watch_commands.main(["observe"], "root", "", lambda: None) == 1
    assert [line["event"] for line in journal.read_journal(fleet.host)[0]] == ["damaged"]


@pytest.mark.parametrize(
    "steps",
    [
        lambda fleet: fleet.change("browser"),
        lambda fleet: (fleet.change("browser"), fleet.change("dns"), fleet.deliver()),
        lambda fleet: (fleet.change("browser", OLD), fleet.end(OLD)),  # a run by the same plan
        lambda fleet: (fleet.change("browser"), fleet.end(controls=("browser",))),
        lambda fleet: fleet.change("browser", lift=True),
        lambda fleet: installation.change(fleet.host, OLD, None, lift_it=True),
    ],
)
def test_observation_that_a_run_comes_into_changes_and_reports_nothing(fleet, steps):
    fleet.state["dns"] = 7
    fleet.during = lambda: steps(fleet)
    fleet.watch()
    after = dict(fleet.state)
    assert fleet.by_watch == [] and fleet.incidents() == []
    if fleet.host.find_entry(watch_files.SETTINGS_PATH):
        fleet.watch()
        assert fleet.state["browser"] == after["browser"]


@pytest.mark.parametrize("lift", [False, True])
def test_run_of_one_control_is_not_undone_until_a_run_of_all_brings_a_plan(fleet, monkeypatch, lift):
    fleet.change("browser", lift=lift)
    if not lift:
        fleet.end(controls=("browser",))
    now = time.time() + 30 * 86400
    monkeypatch.setattr(clock.time, "time", lambda: now)
    fleet.state["dns"] = 7
    rules = fleet.watch()["rules"]
    assert fleet.state == {"browser": 0 if lift else 2, "dns": 1}, "the other control is corrected"
    assert {rule["rule"]: rule["state"] for rule in rules} == {"browser/wechat": "unknown", "dns/wechat": "repaired"}
    fleet.change("browser", OLD)
    fleet.end(OLD)
    fleet.state["browser"] = 7
    fleet.watch()
    assert fleet.state["browser"] == 1 and fleet.incidents() == ["dns/wechat"] * 2 + ["browser/wechat"] * 2


def test_control_that_a_run_could_not_correct_has_not_drifted(fleet):
    fleet.broken = {"dns"}
    for control in ("browser", "dns"):
        fleet.change(control)
    fleet.deliver()
    fleet.end()
    assert [fleet.watch()["state"] for _ in range(2)] == ["noncompliant"] * 2
    fleet.broken = set()
    for incidents in ([], ["dns/wechat"] * 2):
        fleet.state["dns"] = 7
        fleet.watch()
        assert fleet.state["dns"] == 2 and fleet.incidents() == incidents


def test_dry_run_reserves_nothing(fleet):
    for dry_run in (True, False):
        host_operations.change(fleet.host, OLD, "dns", dry_run=dry_run)
        assert ("dns" in reservations.read_reservations(fleet.host).controls) == (not dry_run)
