"""The runs over a host: an observation, the state of compliance, and the change of a control."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from patience import LONGEST
from proscribe.host import audit_program, host_operations
from proscribe.host.controls import base, change_execution
from proscribe.host.controls.base import ChangeRefusal, Changes, ControlAction
from proscribe.host.controls.browser import browser_probe
from proscribe.host.macos import mac_record
from proscribe.host.system import ControlError, Host, ObservationError, sessions
from proscribe.host.watch import heartbeat, watch_observation
from proscribe.host.watch.state import summary
from proscribe.model import plan as plans
from proscribe.model.finding import COMPLIANT, ERROR, NONCOMPLIANT, Finding, RuleVerdict, make_host_record
from proscribe.model.removal_record import RemovedPackage
from refusals import make_refusal

FOUND = Finding("package", "wechat")
SECTION = {"mode": "enforce", "services": {"wechat": {"name": "WeChat", "mode": "enforce"}}, "settings": {}}
PLATFORM = {"os": "debian"}
OWL = RemovedPackage("dpkg", "owl", "1", "system", "owl")


def make_plan(*controls: str, **more: Any) -> Any:
    sections = {name: {**SECTION, "nothing_known": ["a", "b"]} for name in controls}
    return plans.add_digest({"schema": plans.PLAN_SCHEMA, "contact": "x", "controls": sections, **more})


class Scripted:
    """All controls; they observe and would change what the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, host: Host) -> None:
        self.host, self.called = host, []
        self.seen: dict[str, Any] = {}  # by control: verdicts, or an error
        self.changes = Changes()
        monkeypatch.setattr(host_operations, "control", self.control)

    def control(self, name: str) -> Any:
        def observe(host: Host, plan: Any) -> list[RuleVerdict]:
            self.called.append(name)
            seen: Any = self.seen.get(name, [RuleVerdict(f"{name}/wechat", COMPLIANT)])
            if isinstance(seen, Exception):
                raise seen
            return list(seen)

        def change(host: Host, plan: Any) -> Changes:
            return self.changes

        return SimpleNamespace(observe=observe, enforce=change, lift=change)


@pytest.fixture
def host(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(Host, "privileged", True)
    monkeypatch.setattr(Host, "kernel_name", "Linux")
    monkeypatch.setattr(Host, "describe_platform", lambda self: PLATFORM)
    now = time.struct_time((2026, 11, 27, 8, 0, 0, 4, 331, 0))
    clock = SimpleNamespace(gmtime=lambda: now, monotonic=iter(range(1000)).__next__, strftime=time.strftime)
    monkeypatch.setattr(host_operations, "time", clock)
    return Host(str(tmp_path))


@pytest.fixture
def scripted(host, monkeypatch):
    return Scripted(monkeypatch, host)


def make_record(compiled: Any, verdicts: Sequence[RuleVerdict], controls: Sequence[str], **more: Any) -> dict[str, Any]:
    fields = {"plan_digest": compiled["digest"], "checked_at": "2026-11-27T08:00:00Z", "platform": PLATFORM}
    fields |= {"errors": more.pop("errors", []), "duration_ms": 1000, "nothing_known": dict.fromkeys(controls, 2)}
    return {**make_host_record(verdicts=verdicts, **fields), **more}


def test_observation_has_the_verdicts_and_errors_of_all_controls(scripted, monkeypatch):
    monkeypatch.setattr(sessions, "list_logged_in_users", lambda host: ["alice"])
    compiled = make_plan("dns", "apps", "firewall", catalog={"date": "2026-11-01"})
    wrong = RuleVerdict("apps/wechat", NONCOMPLIANT, (FOUND,), drifted=True)
    scripted.seen = {"apps": [wrong], "dns": ControlError("broken"), "firewall": ObservationError("hidden")}
    scripted.host.record_fields["full_scan"] = {"at": "now"}
    record, drifted = host_operations.observe(scripted.host, compiled)
    hidden = RuleVerdict("firewall/wechat", "unknown", reason="hidden")
    broken = RuleVerdict("dns/wechat", ERROR, reason="broken")
    more = {"full_scan": {"at": "now"}, "catalog": {"date": "2026-11-01"}, "logged_in": ["alice"]}
    errors = [{"control": "dns", "message": "broken"}]
    expected = make_record(compiled, [wrong, hidden, broken], ["apps", "firewall", "dns"], errors=errors, **more)
    assert record == expected and (record["state"], record["rules_evaluated"]) == ("error", 9)
    assert (drifted, scripted.called) == (["apps"], ["apps", "firewall", "dns"])


def test_unsupported_system_is_unknown_and_not_changed(scripted, monkeypatch):
    monkeypatch.setattr(Host, "kernel_name", "Darwin")
    record, drifted = host_operations.observe(scripted.host, make_plan("apps"))
    assert (record["state"], record["rules"][0]["reason"], drifted) == ("unknown", "Darwin is not supported yet", [])


@pytest.mark.parametrize(
    ("remember", "will_correct", "privileged", "remembered"),
    [(True, True, True, [True]), (True, False, True, [False]), (False, True, True, []), (True, True, False, [])],
)
def test_observation_stores_its_state_only_where_it_may(
    scripted, monkeypatch, remember, will_correct, privileged, remembered
):
    log = []
    monkeypatch.setattr(Host, "privileged", privileged)
    scripted.host.record_fields["full_scan"] = {"at": "2026-11-25T08:00:00Z", "runs": 1}
    scripted.host.state_savers += [log.append, make_refusal(ControlError("the file system is read-only"))]
    result = host_operations.compliance_state(
        scripted.host, make_plan("apps"), [], "never", will_correct, remember=remember
    )
    assert (log, result["record"]["full_scan"]["runs"]) == (remembered, 1)


def test_program_that_cannot_be_installed_is_reported_with_a_whole_answer(scripted, tmp_path, monkeypatch):
    (tmp_path / "usr").write_text("no directory")
    monkeypatch.setattr(audit_program, "find_interpreter", lambda: "/usr/bin/python3")
    options = {"remember": True, "program": "text"}
    result = host_operations.compliance_state(scripted.host, make_plan("apps"), [], "never", False, **options)
    assert result["record"]["state"] == "compliant" and "/usr" in result["not_installed"]


@pytest.mark.parametrize(("only", "probed"), [([], True), (["browser"], True), (["dns"], False)])
def test_browsers_are_started_on_request_only(scripted, monkeypatch, only, probed):
    verdict = RuleVerdict("browser/probe", NONCOMPLIANT, (FOUND,))
    monkeypatch.setattr(browser_probe, "probe_browsers", lambda host, plan: verdict)
    for asks in (True, False):
        record, _ = host_operations.observe(scripted.host, make_plan("browser", "dns"), only, probe=asks)
        assert ("browser/probe" in [rule["rule"] for rule in record["rules"]]) is (probed and asks)


def test_watch_that_cannot_be_seen_is_none_unless_the_plan_has_it(host, monkeypatch):
    monkeypatch.setattr(Host, "find_entry", make_refusal(ObservationError("closed")))
    assert not host_operations.has_watch(host, make_plan("apps"), [])
    assert host_operations.has_watch(host, make_plan("apps", watch={}), [])


@pytest.mark.parametrize(("names", "rules"), [(["A", "B c"], ["group_policy/a", "group_policy/b-c"]), (None, [])])
def test_objects_of_group_policy_are_rules_of_their_own(scripted, names, rules):
    place = Path(scripted.host.root) / "var/lib/proscribe/group_policy"
    place.mkdir(parents=True)
    (place / "state.json").touch()
    more = {} if names is None else {"group_policy": {"objects": [{"name": name} for name in names]}}
    scripted.seen = {"group_policy": ObservationError("hidden")}
    record, _ = host_operations.observe(scripted.host, make_plan("apps", **more))
    assert [rule["rule"] for rule in record["rules"]] == rules
    scripted.seen = {"group_policy": [RuleVerdict("group_policy/a", NONCOMPLIANT, (FOUND,), drifted=True)]}
    assert host_operations.observe(scripted.host, make_plan("apps", **more))[1] == ["group_policy"]


def test_state_of_compliance_passes_or_fails_the_gate(scripted):
    compiled = make_plan("apps")
    answer = host_operations.compliance_state(scripted.host, compiled, [], "incomplete", False)
    record = make_record(compiled, [RuleVerdict("apps/wechat", COMPLIANT)], ["apps"])
    assert answer == {"changed": False, "record": record, "drifted": [], "privileged": True}
    assert scripted.host.saves_state is False
    scripted.seen = {"apps": [RuleVerdict("apps/wechat", NONCOMPLIANT, (FOUND,))]}
    answer = host_operations.compliance_state(scripted.host, compiled, [], "noncompliant", True, remember=True)
    assert (answer["failed"], answer["changed"], answer["drifted"]) == (True, False, [])
    assert "noncompliant" in answer["msg"] and scripted.host.saves_state is True
    answer = host_operations.compliance_state(scripted.host, {**compiled, "contact": "y"}, [], "never", False)
    assert answer["changed"] is False and answer["failed"] is True and "digest" in answer["msg"]
    assert answer.keys() == {"changed", "failed", "msg"}


@pytest.mark.parametrize("error", [None, ControlError("no"), ObservationError("no")])
@pytest.mark.parametrize("remember", [True, False])
def test_run_that_remembers_renews_the_plan_of_the_watch(scripted, monkeypatch, error, remember):
    def renew(*words):
        called.append(words)
        if error:
            raise error

    called = []
    monkeypatch.setattr(watch_observation, "confirm_plan", renew)
    monkeypatch.setattr(watch_observation, "observe_watch", lambda *words: [])
    monkeypatch.setattr(heartbeat, "Heartbeat", lambda host: None)
    monkeypatch.setattr(summary, "summarise_watch", lambda host, plan: {})
    compiled = make_plan("apps", watch={})
    answer = host_operations.compliance_state(
        scripted.host, compiled, [], "never", False, remember=remember, watch={"a": 1}
    )
    assert called == [(scripted.host, compiled, {"a": 1})] * remember and answer["record"]["state"] == COMPLIANT


@pytest.mark.parametrize("fits", [True, False])
def test_mac_answers_with_code_of_its_own(scripted, monkeypatch, fits):
    def record_of(host, plan, only):
        return {"state": ERROR, "of": [plan["digest"], only]}

    monkeypatch.setattr(Host, "kernel_name", "Darwin")
    monkeypatch.setattr(mac_record, "make_mac_record", record_of if fits else make_refusal(ValueError("another plan")))
    compiled = make_plan("apps")
    words = (scripted.host, compiled, ["apps"], "noncompliant", True)
    assert host_operations.compliance_state(*words) == {"lacking": True, "system": "Darwin"}
    answer = host_operations.compliance_state(*words, macos=True)
    if fits:
        record = {"state": ERROR, "of": [compiled["digest"], ["apps"]]}
        assert "this host is error" in answer.pop("msg")
        assert answer == {"changed": False, "record": record, "drifted": [], "privileged": True, "failed": True}
    else:
        assert answer == {"changed": False, "failed": True, "msg": "another plan"}
    nothing = {"changed": False, "actions": [], "diff": [], "refused": [], "findings": []}
    assert host_operations.change(scripted.host, compiled, "apps", lift=True) == nothing
    with pytest.raises(ControlError, match="Darwin cannot be enforced yet"):
        host_operations.change(scripted.host, compiled, "apps")


def test_change_reports_actions_refusals_findings_and_notes(scripted):
    def doing(changes):
        changes.actions[0].apply()
        return {"left": [(left, "it is busy")], "pending": {"by": 5}}

    after = []
    done = ControlAction("remove", "owl", lambda: after.append("removed"), "owl 1\n")
    left = ControlAction("remove", "elk", lambda: None, "elk 1\n", user="ann", rules=["apps/a", "apps/b"])
    scripted.seen = {"apps": [RuleVerdict("apps/a", NONCOMPLIANT, (FOUND,) * 4001), RuleVerdict("apps/b", ERROR)]}
    more = {"notes": ["a note"], "save_after": lambda: after.append("saved"), "removed_packages": [OWL]}
    scripted.changes = Changes([done, left], [ChangeRefusal("apps/a", "yak", "on hold")], **more)
    busy = {"subject": "elk", "reason": "ann's, could not be changed: it is busy"}
    header = dict.fromkeys(("before_header", "after_header"), "remove owl")
    refused = [{"rule": "apps/a", "subject": "yak", "reason": "on hold"}]
    compiled = make_plan("apps")
    assert host_operations.change(scripted.host, compiled, "apps", doing=doing) == {
        "changed": True,
        "actions": ["remove owl"],
        "diff": [{**header, "before": "owl 1\n", "after": ""}],
        "refused": [*refused, {"rule": "apps/a", **busy}, {"rule": "apps/b", **busy}],
        "findings": [FOUND.convert_to_dict()] * 4000,
        "pending": {"by": 5},
        "notes": ["a note"],
        "removed": [OWL._asdict()],
    }
    assert after == ["removed", "saved"]
    dry = host_operations.change(scripted.host, compiled, "apps", doing=doing, dry_run=True)
    assert dry["actions"] == ["remove owl", "remove elk"] and "pending" not in dry
    assert after == ["removed", "saved"]
    scripted.changes = Changes(notes=["a note"])
    assert "notes" not in host_operations.change(scripted.host, compiled, "apps")


@pytest.mark.parametrize(("independent", "done"), [(False, ["a"]), (True, ["a", "c"])])
def test_failed_action_ends_the_change_unless_the_actions_are_independent(scripted, independent, done):
    log = []
    works = {"a": lambda: log.append("a"), "b": make_refusal(ControlError("no")), "c": lambda: log.append("c")}
    actions = [ControlAction("remove", name, work, before=name) for name, work in works.items()]
    scripted.changes = Changes(actions, is_independent=independent)
    with pytest.raises(ControlError, match="^remove b: no$") as raised:
        host_operations.change(scripted.host, make_plan("apps"), "apps")
    assert (log, raised.value.done) == (done, [f"remove {name}" for name in done])


def test_change_without_a_section_is_made_for_group_policy_and_a_lift(scripted):
    scripted.seen = {"group_policy": []}
    scripted.changes = Changes([ControlAction("write", "a", lambda: None)])
    assert host_operations.change(scripted.host, make_plan("apps"), "group_policy")["actions"] == ["write a"]
    assert host_operations.change(scripted.host, make_plan("apps"), "dns")["actions"] == []
    assert host_operations.change(scripted.host, make_plan("apps"), "dns", lift=True)["actions"] == ["write a"]
    assert scripted.called == ["group_policy"]


def test_ordinary_user_changes_nothing(scripted, monkeypatch):
    monkeypatch.setattr(Host, "privileged", False)
    with pytest.raises(ControlError, match="needs root"):
        host_operations.change(scripted.host, make_plan("apps"), "apps")


@pytest.mark.parametrize(("lift", "dry_run"), [(False, False), (False, True), (True, False), (True, True)])
def test_change_applies_its_actions_unless_it_is_a_dry_run(scripted, lift, dry_run):
    log = []
    scripted.changes = Changes(
        [ControlAction("remove", name, lambda name=name: log.append(name), name) for name in "ab"]
    )
    result = host_operations.change(scripted.host, make_plan("apps"), "apps", lift=lift, dry_run=dry_run)
    assert (log, result["actions"]) == ([] if dry_run else ["a", "b"], ["remove a", "remove b"]) and result["changed"]
    assert [difference["before"] for difference in result["diff"]] == ["a", "b"]


def test_audited_control_is_not_changed(scripted):
    scripted.changes = Changes([ControlAction("remove", "a", lambda: pytest.fail("it is audited"))])
    scripted.seen = {"apps": [RuleVerdict("apps/wechat", NONCOMPLIANT, (FOUND,))]}
    body = {key: value for key, value in make_plan("apps").items() if key != "digest"}
    audited = plans.add_digest({**body, "controls": {"apps": {**SECTION, "mode": "audit"}}})
    result = host_operations.change(scripted.host, audited, "apps")
    assert (result["actions"], result["changed"], len(result["findings"])) == ([], False, 1)


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["refuses", "hangs", "dies", "blunders"])
def test_trouble_of_a_users_action_is_a_refusal_and_keeps_no_other_action(scripted, monkeypatch, tmp_path, trouble):
    """A user's own thing that cannot be removed must not fail the control, nor take longer than one patience."""
    refuse = make_refusal(ControlError("no"))
    works = {"refuses": refuse, "dies": lambda: os._exit(1), "blunders": lambda: {}["x"]}
    # only a work that hangs may use up the time: the others end on a busy machine, too
    monkeypatch.setattr(change_execution, "USER_TIMEOUT_SECONDS", 1.0 if trouble == "hangs" else LONGEST)
    work = works.get(trouble, lambda: time.sleep(LONGEST))
    own = [ControlAction("remove", f"x{n}", work, user="mallory", rules=["apps/telegram"]) for n in range(20)]
    (tmp_path / "mark").touch()
    scripted.changes = Changes([*own, ControlAction("remove", "wechat", (tmp_path / "mark").unlink)])
    result = host_operations.change(scripted.host, make_plan("apps"), "apps")
    assert result["actions"] == ["remove wechat"] and not (tmp_path / "mark").exists()
    reasons = [refusal["reason"] for refusal in result["refused"]]
    assert len(reasons) == 20 and all(reason.startswith("mallory's, could not be changed") for reason in reasons)
    assert sum("earlier changes of" in reason for reason in reasons) == (19 if trouble == "hangs" else 0)
    scripted.changes = Changes(own[:1])
    result = host_operations.change(scripted.host, make_plan("apps"), "apps")
    assert (result["changed"], result["actions"], result["diff"]) == (False, [], [])


def test_differences_are_bounded(monkeypatch):
    monkeypatch.setattr(base, "MAX_DIFFERENCE_CHARACTERS", 10)
    actions = [ControlAction("write", path, lambda: None, "1234", "567") for path in ("/a", "/b", "/c")]
    shown = [(entry["before"], entry["after"]) for entry in base.make_diffs(actions)]
    assert shown == [("1234", "567"), ("123", ""), ("", "")]
