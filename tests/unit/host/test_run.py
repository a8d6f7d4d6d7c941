"""The two runs over a host: looking, and changing one control."""

from __future__ import annotations

import pytest
from proscribe.host import audit_program, run
from proscribe.host.controls.base import Action, Changes, Refusal
from proscribe.host.system import ControlError, Host
from proscribe.model import plan as plans
from proscribe.model.finding import judge


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
