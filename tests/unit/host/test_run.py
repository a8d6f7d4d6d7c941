"""The two runs over a host: looking, and changing one control."""

from __future__ import annotations

import os
import time

import pytest
from patience import LONGEST
from proscribe.host import audit_program, cache, run
from proscribe.host.controls import applying, base
from proscribe.host.controls.base import Action, Changes, Refusal
from proscribe.host.system import ControlError, Host
from proscribe.model import plan as plans
from proscribe.model.finding import Finding, judge

FOUND = Finding("package", "wechat")


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


def test_an_observation_covers_the_plan_and_names_what_enforcing_would_correct(host, monkeypatch):
    with_controls(monkeypatch, Scripted("apps", [FOUND]), Scripted("dns"))
    record, drifted = run.observe(host, plan(apps=SECTION, dns=SECTION))
    assert (record["state"], record["rules_evaluated"], drifted) == ("noncompliant", 2, ["apps"])


@pytest.mark.parametrize(
    ("gate", "found", "failed"),
    [
        ("never", [FOUND], False),
        ("noncompliant", [FOUND], True),
        ("incomplete", [FOUND], True),
        ("incomplete", [], False),
    ],
)
def test_the_gate_decides_whether_what_was_observed_makes_the_host_fail(host, monkeypatch, gate, found, failed):
    with_controls(monkeypatch, Scripted("apps", found))
    answer = run.compliance_state(host, plan(apps=SECTION), ["apps"], gate, will_correct=False)
    assert answer.get("failed", False) is failed and ("noncompliant" in answer.get("msg", "")) is failed
    assert answer["record"]["state"] == ("noncompliant" if found else "compliant")
    # what this run corrects is judged afterwards
    assert "failed" not in run.compliance_state(host, plan(apps=SECTION), ["apps"], gate, will_correct=True)


def test_an_observation_can_be_limited_to_some_controls(host, monkeypatch):
    with_controls(monkeypatch, Scripted("apps", [FOUND]), Scripted("dns"))
    record, drifted = run.observe(host, plan(apps=SECTION, dns=SECTION), ["dns"])
    assert (record["state"], record["rules_evaluated"], drifted) == ("compliant", 1, [])


def test_a_control_that_cannot_observe_is_an_error_and_the_others_are_reported(host, monkeypatch):
    with_controls(monkeypatch, Scripted("apps", error=ControlError("dpkg is broken")), Scripted("dns"))
    record, _ = run.observe(host, plan(apps=SECTION, dns=SECTION))
    assert record["state"] == "error"
    assert record["errors"] == [{"control": "apps", "message": "dpkg is broken"}]
    assert record["rules_evaluated"] == 2


def test_nothing_to_evaluate_is_unknown(host, monkeypatch):
    with_controls(monkeypatch)
    assert run.observe(host, plan())[0]["state"] == "unknown"


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


@pytest.mark.parametrize(
    ("lift", "dry_run", "done", "planned"),
    [
        (False, False, ["a", "b"], ["remove a", "remove b"]),
        (False, True, [], ["remove a", "remove b"]),
        (True, False, ["a"], ["remove a"]),
    ],
)
def test_a_change_is_its_list_of_actions(host, monkeypatch, lift, dry_run, done, planned):
    log = []
    with_controls(monkeypatch, Scripted("apps", [FOUND], actions(log, "a", "b")))
    result = run.change(host, plan(apps=SECTION), "apps", lift=lift, dry_run=dry_run)
    assert (log, result["actions"], result["changed"]) == (done, planned, True)
    assert [difference["before"] for difference in result["diff"]] == [text.split()[1] for text in planned]


@pytest.mark.parametrize(("controls", "found"), [({"apps": {**SECTION, "mode": "audit"}}, 1), ({}, 0)])
def test_a_control_that_is_audited_or_off_is_not_changed(host, monkeypatch, controls, found):
    log = []
    with_controls(monkeypatch, Scripted("apps", [FOUND], actions(log, "a")))
    result = run.change(host, plan(**controls), "apps")
    assert (log, result["changed"], len(result["findings"])) == ([], False, found)


def test_no_action_is_no_change_and_refusals_are_reported(host, monkeypatch):
    with_controls(monkeypatch, Scripted("apps"))
    result = run.change(host, plan(apps=SECTION), "apps")
    assert result["changed"] is False
    assert result["refused"] == [{"rule": "apps/wechat", "subject": "wechat", "reason": "would also remove x"}]


def test_an_action_that_fails_reports_what_was_done_before_it(host, monkeypatch):
    log = []
    with_controls(monkeypatch, Scripted("apps", [], actions(log, "a", "b", "c", failing="b")))
    with pytest.raises(ControlError, match="^remove b: b failed$") as raised:
        run.change(host, plan(apps=SECTION), "apps")
    assert (log, raised.value.done) == (["a"], ["remove a"])


def test_independent_actions_are_all_tried_and_what_failed_is_reported_at_the_end(host, monkeypatch):
    log = []
    control = Scripted("apps", [], actions(log, "a", "b", "c", failing="b"))
    monkeypatch.setattr(control, "enforce", lambda host, plan: Changes(control.actions, independent=True))
    with_controls(monkeypatch, control)
    with pytest.raises(ControlError, match="^remove b: b failed$") as raised:
        run.change(host, plan(apps=SECTION), "apps")
    assert (log, raised.value.done) == (["a", "c"], ["remove a", "remove c"])


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


@pytest.mark.parametrize(("remember", "privileged"), [(True, True), (False, True), (True, False)])
def test_the_program_for_audits_without_root_comes_and_goes_with_an_enforcing_run(
    host, tmp_path, monkeypatch, remember, privileged
):
    (tmp_path / "usr/libexec").mkdir(parents=True)
    (tmp_path / "var/lib").mkdir(parents=True)
    monkeypatch.setattr(Host, "privileged", privileged)
    monkeypatch.setattr(audit_program, "interpreter", lambda: "/usr/bin/python3")
    with_controls(monkeypatch, Scripted("apps"))
    for text, there in (("text", True), (None, True), ("", False), ("text", True)):
        result = run.compliance_state(host, plan(apps=SECTION), [], "never", False, remember=remember, program=text)
        assert (bool(host.text(audit_program.PROGRAM)), "not_installed" in result) == (
            there and remember and privileged,
            False,
        )
    monkeypatch.setattr(Host, "privileged", True)
    run.change(host, plan(apps=SECTION), "apps", lift=True, dry_run=True)
    assert bool(host.text(audit_program.PROGRAM)) is (remember and privileged)
    run.change(host, plan(apps=SECTION), "apps", lift=True)
    assert host.list("/usr/libexec") == host.list("/var/lib") == []


def test_where_the_program_cannot_be_installed_the_answer_says_why_and_is_whole(host, tmp_path, monkeypatch):
    (tmp_path / "usr").write_text("no directory")
    monkeypatch.setattr(audit_program, "interpreter", lambda: "/usr/bin/python3")
    with_controls(monkeypatch, Scripted("apps"))
    result = run.compliance_state(host, plan(apps=SECTION), [], "never", False, remember=True, program="text")
    assert result["record"]["state"] == "compliant" and "/usr" in result["not_installed"]


def test_lifting_takes_away_what_a_host_keeps(host, tmp_path, monkeypatch):
    (tmp_path / "var/lib").mkdir(parents=True)
    with_controls(monkeypatch, Scripted("apps"))
    code, plan_ = "a" * 64, f"{'a' * 64}-{'b' * 64}"
    path = f"{cache.PLACE}/{code}"
    assert cache.keep(host, {"old": b"old"}) and cache.keep(host, {code: b"code", plan_: b"plan"})
    assert cache.keep(host, {code: None, plan_: b"more"})
    assert host.list(cache.PLACE) == [code, plan_] and host.read(f"{cache.PLACE}/{plan_}") == b"more"
    assert host.stat(path).st_mode & 0o777 == 0o600
    run.change(host, plan(apps=SECTION), "apps", lift=True, dry_run=True)
    assert host.read(path) == b"code"
    run.change(host, plan(apps=SECTION), "apps", lift=True)
    assert host.list("/var/lib") == []


def test_a_host_where_nothing_can_be_kept_only_loses_time(host, monkeypatch):
    monkeypatch.setattr(Host, "privileged", False)
    assert cache.keep(host, {"x": b"code"}) is False
    (host_var := host.root + "/var")
    with open(host_var, "w") as file:
        file.write("no directory")
    monkeypatch.setattr(Host, "privileged", True)
    assert cache.keep(host, {"x": b"code"}) is False


def test_an_ordinary_user_changes_nothing(host, monkeypatch):
    monkeypatch.setattr(Host, "privileged", False)
    with pytest.raises(ControlError, match="needs root"):
        run.change(host, plan(apps=SECTION), "apps")


def test_a_plan_that_was_altered_on_the_way_is_refused(host):
    with pytest.raises(ValueError, match="digest"):
        run.observe(host, {**plan(), "contact": "y"})


def refuse():
    raise ControlError("his pip says no")


def test_what_fails_of_a_users_is_his_finding_and_no_failure_of_the_control(host, monkeypatch, tmp_path):
    """A user's own thing that cannot be removed failed the control, and with it the canary: the fleet stayed open."""
    (tmp_path / "mark").touch()
    actions = [
        Action("remove", "telethon (user:mallory)", refuse, "telethon 1\n", user="mallory", rules=["apps/telegram"]),
        Action("remove", "wechat", (tmp_path / "mark").unlink, "wechat 1\n"),
    ]
    with_controls(monkeypatch, Scripted("apps", [FOUND], actions))
    result = run.change(host, plan(apps=SECTION), "apps")
    assert (result["changed"], result["actions"]) == (True, ["remove wechat"])
    assert result["refused"][1:] == [
        {
            "rule": "apps/telegram",
            "subject": "telethon (user:mallory)",
            "reason": "mallory's, could not be changed: his pip says no",
        }
    ]
    assert [diff["before"] for diff in result["diff"]] == ["wechat 1\n"]
    assert not (tmp_path / "mark").exists()


def test_where_only_a_users_thing_was_tried_nothing_has_changed(host, monkeypatch):
    action = Action("remove", "telethon", refuse, user="mallory", rules=["apps/telegram"])
    with_controls(monkeypatch, Scripted("apps", [FOUND], [action]))
    result = run.change(host, plan(apps=SECTION), "apps")
    assert (result["changed"], result["actions"], result["diff"]) == (False, [], [])


def hang():
    time.sleep(LONGEST)


@pytest.mark.parametrize("trouble", [hang, lambda: os._exit(1), lambda: {}["x"]])
def test_a_users_action_that_never_ends_or_dies_keeps_nobody_from_their_turn(host, monkeypatch, tmp_path, trouble):
    monkeypatch.setattr(applying, "PATIENCE", 1.0)
    own = [Action("remove", str(n), trouble, user="mallory", rules=["apps/telegram"]) for n in range(20)]
    mark = tmp_path / "mark"
    mark.touch()
    with_controls(monkeypatch, Scripted("apps", [FOUND], [*own, Action("remove", "wechat", mark.unlink)]))
    result = run.change(host, plan(apps=SECTION), "apps")
    assert result["actions"] == ["remove wechat"] and len(result["refused"]) == 21 and not mark.exists()
    if trouble is hang:  # not once for each: what is changed of one user's has one patience
        assert len([one for one in result["refused"] if "what was changed before" in one["reason"]]) == 19


def test_differences_are_as_long_as_an_answer_may_have_them(monkeypatch):
    monkeypatch.setattr(base, "LARGEST_DIFFERENCES", 10)
    actions = [Action("write", path, lambda: None, "1234", "567") for path in ("/a", "/b", "/c")]
    shown = [(one["before_header"], one["before"], one["after"]) for one in base.differences(actions)]
    assert shown == [("write /a", "1234", "567"), ("write /b", "123", ""), ("write /c", "", "")]
