"""The two runs over a host: looking, and changing one control."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.host import audit_program, run
from proscribe.host.controls.base import Action, Changes, Refusal
from proscribe.host.controls.browser import probe
from proscribe.host.controls.group_policy import identity
from proscribe.host.macos import observing
from proscribe.host.system import ControlError, Host, Unseen, sessions
from proscribe.host.watch import heartbeat, installed
from proscribe.host.watch.state import summary
from proscribe.model import plan as plans
from proscribe.model.finding import COMPLIANT, ERROR, MOST_FINDINGS, NONCOMPLIANT, Finding, Verdict, host_record, judge
from proscribe.model.removed import Removed


def plan(**controls):
    body = {"schema": plans.SCHEMA, "contact": "x", "controls": controls}
    return plans.sealed(body)


SECTION = {"mode": "enforce", "services": {"wechat": {"name": "WeChat", "mode": "enforce"}}, "settings": {}}


class Scripted:
    """A control that observes, and would do, what the test gives it."""

    def __init__(self, name, found=(), actions=(), error=None):
        self.name, self.found, self.actions, self.error = name, found, actions, error

    def observe(self, host, plan):
        if self.error:
            raise self.error
        entries = plan["controls"][self.name]["services"].items()
        return [judge(f"{self.name}/{id_}", entry, self.found) for id_, entry in entries]

    def enforce(self, host, plan):
        return Changes(self.actions, [Refusal("apps/wechat", "wechat", "would also remove x")])

    def lift(self, host, plan):
        return Changes(self.actions[:1])


@pytest.fixture
def host(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(Host, "privileged", True)
    monkeypatch.setattr(Host, "system", "Linux")
    return Host(str(tmp_path))


def with_controls(monkeypatch, *controls):
    made = {control.name: control for control in controls}
    monkeypatch.setattr(run, "CONTROLS", tuple(made))
    monkeypatch.setattr(run, "control", made.__getitem__)


def test_a_control_that_cannot_observe_is_an_error_and_the_others_are_reported(host, monkeypatch):
    with_controls(monkeypatch, Scripted("apps", error=ControlError("dpkg is broken")), Scripted("dns"))
    record, _ = run.observe(host, plan(apps=SECTION, dns=SECTION))
    assert record["state"] == "error"
    assert record["errors"] == [{"control": "apps", "message": "dpkg is broken"}]
    assert record["rules_evaluated"] == 2


def test_another_system_is_unknown_and_not_changed(host, monkeypatch):
    with_controls(monkeypatch, Scripted("apps"))
    monkeypatch.setattr(Host, "system", "Darwin")
    record, drifted = run.observe(host, plan(apps=SECTION))
    assert (record["state"], record["rules"][0]["reason"], drifted) == ("unknown", "Darwin is not supported yet", [])
    with pytest.raises(ControlError, match="Darwin"):
        run.change(host, plan(apps=SECTION), "apps")


def actions(log, *names, failing=""):
    def act(name):
        def apply():
            if name == failing:
                raise ControlError(f"{name} failed")
            log.append(name)

        return Action("remove", name, apply, before=name)

    return [act(name) for name in names]


def test_an_action_that_fails_reports_what_was_done_before_it(host, monkeypatch):
    log = []
    with_controls(monkeypatch, Scripted("apps", [], actions(log, "a", "b", "c", failing="b")))
    with pytest.raises(ControlError, match="^remove b: b failed$") as raised:
        run.change(host, plan(apps=SECTION), "apps")
    assert (log, raised.value.done) == (["a"], ["remove a"])


@pytest.mark.parametrize(
    ("remember", "will_correct", "privileged", "remembered"),
    [(True, True, True, [True]), (True, False, True, [False]), (False, True, True, []), (True, True, False, [])],
)
def test_an_observation_stores_something_for_the_next_one_only_where_it_may(
    host, monkeypatch, remember, will_correct, privileged, remembered
):
    class Keeping(Scripted):
        def observe(self, host, plan):
            host.record_fields["full_scan"] = {"at": "2026-11-25T08:00:00Z", "runs": 1}
            host.state_savers += [log.append, refuse]
            return super().observe(host, plan)

    def refuse(begins):
        raise ControlError("the file system is read-only")

    log = []
    monkeypatch.setattr(Host, "privileged", privileged)
    with_controls(monkeypatch, Keeping("apps"))
    result = run.compliance_state(host, plan(apps=SECTION), [], "never", will_correct, remember=remember)
    assert (log, result["record"]["full_scan"]["runs"]) == (remembered, 1)


def test_where_the_program_cannot_be_installed_the_answer_says_why_and_is_whole(host, tmp_path, monkeypatch):
    (tmp_path / "usr").write_text("no directory")
    monkeypatch.setattr(audit_program, "interpreter", lambda: "/usr/bin/python3")
    with_controls(monkeypatch, Scripted("apps"))
    result = run.compliance_state(host, plan(apps=SECTION), [], "never", False, remember=True, program="text")
    assert result["record"]["state"] == "compliant" and "/usr" in result["not_installed"]


def test_an_ordinary_user_changes_nothing(host, monkeypatch):
    monkeypatch.setattr(Host, "privileged", False)
    with pytest.raises(ControlError, match="needs root"):
        run.change(host, plan(apps=SECTION), "apps")


def refuse():
    raise ControlError("his pip says no")


FOUND = Finding("package", "wechat")
SECTION = {"mode": "enforce", "services": {"wechat": {"name": "WeChat", "mode": "enforce"}}, "settings": {}}
PLATFORM = {"os": "debian"}
OWL = Removed("dpkg", "owl", "1", "system", "owl")


def plan(*controls: str, **more: Any) -> Any:
    sections = {name: {**SECTION, "nothing_known": ["a", "b"]} for name in controls}
    return plans.sealed({"schema": plans.SCHEMA, "contact": "x", "controls": sections, **more})


class Scripted:
    """All controls, which say and would do what the test gives them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, host: Host) -> None:
        self.host = host
        self.called: list[Any] = []
        self.seen: dict[str, Any] = {}  # by control: verdicts, or an error
        self.changes = Changes()
        monkeypatch.setattr(run, "control", self.control)

    def control(self, name: str) -> Any:
        def observe(host: Host, plan: Any) -> list[Verdict]:
            self.called.append(name)
            seen: Any = self.seen.get(name, [Verdict(f"{name}/wechat", COMPLIANT)])
            if isinstance(seen, Exception):
                raise seen
            return list(seen)

        return SimpleNamespace(
            observe=observe, enforce=lambda host, plan: self.changes, lift=lambda host, plan: self.changes
        )


@pytest.fixture
def host(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(Host, "privileged", True)
    monkeypatch.setattr(Host, "system", "Linux")
    monkeypatch.setattr(Host, "platform", lambda self: PLATFORM)
    now = time.struct_time((2026, 11, 27, 8, 0, 0, 4, 331, 0))
    clock = SimpleNamespace(gmtime=lambda: now, monotonic=iter(range(1000)).__next__, strftime=time.strftime)
    monkeypatch.setattr(run, "time", clock)
    return Host(str(tmp_path))


@pytest.fixture
def made(host, monkeypatch):
    return Scripted(monkeypatch, host)


def record(compiled: Any, verdicts: Sequence[Verdict], controls: Sequence[str], **more: Any) -> dict[str, Any]:
    found = host_record(
        plan_digest=compiled["digest"],
        checked_at="2026-11-27T08:00:00Z",
        platform=PLATFORM,
        verdicts=verdicts,
        errors=more.pop("errors", []),
        duration_ms=1000,
        nothing_known=dict.fromkeys(controls, 2),
    )
    return {**found, **more}


@pytest.mark.parametrize("name", ["apps", "browser", "firewall", "dns", "group_policy"])
def test_each_control_is_its_own_code(name):
    module = run.control(name)
    assert module.__name__ == f"proscribe.host.controls.{name}"


def test_all_that_an_observation_says(made, monkeypatch):
    monkeypatch.setattr(sessions, "users", lambda host: ["alice"])
    compiled = plan("dns", "apps", "firewall", catalog={"date": "2026-11-01"})
    wrong = Verdict("apps/wechat", NONCOMPLIANT, (FOUND,), drifted=True)
    made.seen = {"apps": [wrong], "dns": ControlError("broken"), "firewall": Unseen("hidden")}
    made.host.record_fields["full_scan"] = {"at": "now"}
    said, drifted = run.observe(made.host, compiled)
    verdicts = [
        wrong,
        Verdict("firewall/wechat", "unknown", reason="hidden"),
        Verdict("dns/wechat", ERROR, reason="broken"),
    ]
    assert said == record(
        compiled,
        verdicts,
        ["apps", "firewall", "dns"],
        errors=[{"control": "dns", "message": "broken"}],
        full_scan={"at": "now"},
        catalog={"date": "2026-11-01"},
        logged_in=["alice"],
    )
    assert (drifted, made.called) == (["apps"], ["apps", "firewall", "dns"])


@pytest.mark.parametrize(("only", "probed"), [([], True), (["browser"], True), (["dns"], False)])
def test_browsers_are_started_on_request_alone(made, monkeypatch, only, probed):
    verdict = Verdict("browser/probe", NONCOMPLIANT, (FOUND,))
    monkeypatch.setattr(probe, "check_by_probe", lambda host, plan: verdict)
    said, _ = run.observe(made.host, plan("browser", "dns"), only, probe=True)
    assert ("browser/probe" in [rule["rule"] for rule in said["rules"]]) is probed
    assert "browser/probe" not in [rule["rule"] for rule in run.observe(made.host, plan("browser"), only)[0]["rules"]]


def test_what_cannot_be_seen_beside_them_is_none(host, monkeypatch):
    def unseen(*_):
        raise Unseen("closed")

    monkeypatch.setattr(Host, "stat", unseen)
    assert not run.has_watch(host, plan("apps"), []) and run.has_watch(host, plan("apps", watch={}), [])


@pytest.mark.parametrize("objects", [["A", "B c"], None])
def test_objects_of_group_policy_are_rules_of_their_own(made, objects):
    (Path(made.host.root) / "var/lib/proscribe/group_policy").mkdir(parents=True)
    (Path(made.host.root) / "var/lib/proscribe/group_policy/state.json").touch()
    beside = {} if objects is None else {"group_policy": {"objects": [{"name": name} for name in objects]}}
    made.seen = {"group_policy": Unseen("hidden")}
    said, _ = run.observe(made.host, plan("apps", **beside))
    found = [rule["rule"] for rule in said["rules"]]
    assert found == [f"group_policy/{identity.slug(name)}" for name in objects or ()]
    made.seen = {"group_policy": [Verdict("group_policy/a", NONCOMPLIANT, (FOUND,), drifted=True)]}
    assert run.observe(made.host, plan("apps", **beside))[1] == ["group_policy"]


def test_all_that_compliance_state_answers(made):
    compiled = plan("apps")
    answer = run.compliance_state(made.host, compiled, [], "incomplete", False)
    whole = record(compiled, [Verdict("apps/wechat", COMPLIANT)], ["apps"])
    assert answer == {"changed": False, "record": whole, "drifted": [], "privileged": True}
    assert made.host.learns is False
    made.seen = {"apps": [Verdict("apps/wechat", NONCOMPLIANT, (FOUND,))]}
    answer = run.compliance_state(made.host, compiled, [], "noncompliant", True, remember=True)
    assert {key: answer.get(key) for key in ("failed", "msg", "changed", "drifted")} == {
        "failed": True,
        "msg": "this host is noncompliant, which proscribe_compliance_gate does not allow",
        "changed": False,
        "drifted": [],
    }
    assert made.host.learns is True
    answer = run.compliance_state(made.host, {**compiled, "contact": "y"}, [], "never", False)
    assert answer["changed"] is False and answer["failed"] is True and "digest" in answer["msg"]
    assert answer.keys() == {"changed", "failed", "msg"}


@pytest.mark.parametrize("error", [None, ControlError("no"), Unseen("no")])
@pytest.mark.parametrize(("remember", "renewed"), [(True, True), (False, False)])
def test_a_run_that_remembers_renews_what_the_watch_holds(made, monkeypatch, error, remember, renewed):
    called = []

    def renew(*words):
        called.append(words)
        if error:
            raise error

    monkeypatch.setattr(installed, "renew", renew)
    monkeypatch.setattr(installed, "observe", lambda *words: [])
    monkeypatch.setattr(heartbeat, "Heartbeat", lambda host: None)
    monkeypatch.setattr(summary, "summary", lambda host, plan: {})
    compiled = plan("apps", watch={})
    answer = run.compliance_state(made.host, compiled, [], "never", False, remember=remember, watch={"a": 1})
    assert called == [(made.host, compiled, {"a": 1})] * renewed and answer["record"]["state"] == COMPLIANT


@pytest.mark.parametrize("fits", [True, False])
def test_a_mac_answers_with_code_of_its_own(made, monkeypatch, fits):
    def record_of(host, plan, only):
        if not fits:
            raise ValueError("another plan")
        return {"state": ERROR, "of": [plan["digest"], only]}

    monkeypatch.setattr(Host, "system", "Darwin")
    monkeypatch.setattr(observing, "record_of", record_of)
    compiled = plan("apps")
    assert run.compliance_state(made.host, compiled, ["apps"], "noncompliant", True) == {
        "lacking": True,
        "system": "Darwin",
    }
    answer = run.compliance_state(made.host, compiled, ["apps"], "noncompliant", True, macos=True)
    if fits:
        assert answer == {
            "changed": False,
            "record": {"state": ERROR, "of": [compiled["digest"], ["apps"]]},
            "drifted": [],
            "privileged": True,
            "failed": True,
            "msg": "this host is error, which proscribe_compliance_gate does not allow",
        }
    else:
        assert answer == {"changed": False, "failed": True, "msg": "another plan"}
    nothing = {"changed": False, "actions": [], "diff": [], "refused": [], "findings": []}
    assert run.change(made.host, compiled, "apps", lift=True) == nothing
    with pytest.raises(ControlError, match="Darwin cannot be enforced yet; see docs/coverage.md"):
        run.change(made.host, compiled, "apps")


def test_all_that_a_change_answers(made):
    after = []
    done = Action("remove", "owl", lambda: after.append("removed"), "owl 1\n")
    left = Action("remove", "elk", lambda: None, "elk 1\n", user="ann", rules=["apps/a", "apps/b"])
    made.seen = {"apps": [Verdict("apps/a", NONCOMPLIANT, (FOUND,) * (MOST_FINDINGS + 1)), Verdict("apps/b", ERROR)]}
    made.changes = Changes(
        [done, left],
        [Refusal("apps/a", "yak", "on hold")],
        notes=["a note"],
        afterwards=lambda: after.append("saved"),
        removed=[OWL],
    )

    def doing(changes):
        changes.actions[0].apply()
        return {"left": [(left, "it is busy")], "pending": {"by": 5}}

    compiled = plan("apps")
    answer = run.change(made.host, compiled, "apps", doing=doing)
    assert answer == {
        "changed": True,
        "actions": ["remove owl"],
        "diff": [{"before_header": "remove owl", "after_header": "remove owl", "before": "owl 1\n", "after": ""}],
        "refused": [
            {"rule": "apps/a", "subject": "yak", "reason": "on hold"},
            *(
                {"rule": f"apps/{one}", "subject": "elk", "reason": "ann's, could not be changed: it is busy"}
                for one in "ab"
            ),
        ],
        "findings": [FOUND.as_dict()] * MOST_FINDINGS,
        "pending": {"by": 5},
        "notes": ["a note"],
        "removed": [OWL._asdict()],
    }
    assert after == ["removed", "saved"]
    dry = run.change(made.host, compiled, "apps", doing=doing, dry_run=True)
    assert dry["actions"] == ["remove owl", "remove elk"] and "pending" not in dry
    assert after == ["removed", "saved"]
    made.changes = Changes(notes=["a note"])
    assert "notes" not in run.change(made.host, compiled, "apps")


def test_what_is_beside_the_controls_is_enforced_without_a_section_and_lifted(made):
    made.seen = {"group_policy": []}
    made.changes = Changes([Action("write", "a", lambda: None)])
    assert run.change(made.host, plan("apps"), "group_policy")["actions"] == ["write a"]
    assert run.change(made.host, plan("apps"), "dns")["actions"] == []
    assert run.change(made.host, plan("apps"), "dns", lift=True)["actions"] == ["write a"]
    assert made.called == ["group_policy"]
