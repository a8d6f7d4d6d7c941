"""The work that controls share: changes, differences, tables, and the record of a host that is only observed."""

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.host.controls import change_execution
from proscribe.host.controls.base import Changes, ControlAction
from proscribe.host.controls.change_execution import ChangesFailedError, apply_changes
from proscribe.host.controls.observe_only_record import choose_controls, make_observed_record
from proscribe.host.controls.policy_values import find_missing_entries, is_same_json, make_distinct_entries
from proscribe.host.system import ControlError
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, RECORD_SCHEMA, Finding, RuleVerdict


def fail() -> None:
    raise ControlError("denied")


def write(name: str, apply: Callable[[], Any] = lambda: None, user: str = "") -> ControlAction:
    return ControlAction("write", f"/{name}", apply, user=user)


DENIED = write("b", fail)


def test_failing_preparation_does_not_stop_actions():
    assert apply_changes(Changes([write("a")], save_before=fail))["done"] == ["write /a"]


def test_all_users_together_have_some_time(monkeypatch):
    """Other runs wait for the host meanwhile."""
    moments = iter(range(0, 10_000, 50))
    monkeypatch.setattr(change_execution, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    carried = apply_changes(Changes([write(name, user=name) for name in "abcdef"]))
    assert carried["done"] == ["write /a", "write /b", "write /c", "write /d"]
    reason = "over budget: earlier changes of users' files took 200 s"
    assert [(str(action), why) for action, why in carried["left"]] == [("write /e", reason), ("write /f", reason)]


def test_action_with_a_users_tool_waits_even_after_a_failure():
    hers = write("b", user="alice")._replace(has_users_tool=True)
    assert apply_changes(Changes([hers, write("a")])) == {"done": ["write /a"], "left": [], "later": [hers]}
    with pytest.raises(ChangesFailedError) as failed:
        apply_changes(Changes([hers, write("a"), DENIED]))
    assert failed.value.result == {"done": ["write /a"], "left": [], "later": [hers]}


def test_users_actions_beyond_the_budget_are_left(monkeypatch):
    moments = iter([0, 60.0, 1000, 1000, 1010, 1020, 1030])  # before and after each, but for what is refused
    monkeypatch.setattr(change_execution, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    names = [("a", "alice"), ("b", "bob"), ("c", "alice"), ("d", "bob")]
    carried = apply_changes(Changes([write(name, user=user) for name, user in names]))
    assert carried["done"] == ["write /a", "write /b", "write /d"]
    reason = "over budget: earlier changes of alice's files took 60 s"
    assert [(str(action), why) for action, why in carried["left"]] == [("write /c", reason)]


def test_failed_action_of_a_user_is_left_and_his_actions_have_no_memory_limit():
    hers = write("b", fail, user="alice")
    large = write("d", lambda: f"{len(bytes(256 << 20)) >> 20} MB", user="alice")
    done = ["write /a", "write /c", "write /d 256 MB"]
    assert apply_changes(Changes([write("a"), hers, write("c"), large])) == {"done": done, "left": [(hers, "denied")]}


PLATFORM = {"os": "macos", "release": "15"}
SECTION = {"services": {"mail": {"mode": "enforce"}, "chat": {"mode": "audit"}}}
PLAN: dict[str, Any] = {
    "digest": "sha256:1",
    "controls": {"apps": {**SECTION, "nothing_known": ["x", "y"]}, "dns": SECTION, "browser": SECTION},
}


@pytest.mark.parametrize(("only", "names"), [([], ["apps", "browser", "dns"]), (["firewall"], [])])
def test_observed_controls_follow_plan_and_choice(only, names):
    assert sorted(choose_controls(PLAN, only)) == names


def test_record_has_observed_failed_and_unobserved_controls(monkeypatch):
    def fail() -> list[RuleVerdict]:
        raise ControlError("out of reach")

    chat = RuleVerdict("apps/chat", NONCOMPLIANT, (Finding("process", "chat"),))
    monkeypatch.setattr(time, "monotonic", lambda: 12.3456)
    observers = {"apps": lambda: [chat, RuleVerdict("apps/mail", COMPLIANT)], "dns": fail}
    record = make_observed_record(PLAN, ["apps", "dns", "browser"], observers, PLATFORM, "2026-11-30T06:00:00Z", 10.0)
    nowhere = "not observable here: browser is not observed on macOS"
    rules = [(item["rule"], item["state"], item["reason"], len(item["findings"])) for item in record.pop("rules")]
    expected = [("apps/chat", "noncompliant", None, 1)]
    expected += [(f"browser/{service}", "not_applicable", nowhere, 0) for service in ("chat", "mail")]
    expected += [(f"dns/{service}", "error", "out of reach", 0) for service in ("chat", "mail")]
    assert rules == expected
    counted = {name: (count["evaluated"], count["not_applicable"]) for name, count in record.pop("controls").items()}
    assert counted == {"apps": (4, 2), "browser": (2, 2), "dns": (2, 0)}
    assert record == {
        "schema": RECORD_SCHEMA,
        "state": "error",
        "plan": "sha256:1",
        "checked_at": "2026-11-30T06:00:00Z",
        "platform": PLATFORM,
        "rules_evaluated": 8,
        "rules_not_applicable": 4,
        "attempts": {},
        "errors": [{"control": "dns", "message": "out of reach"}],
        "duration_ms": 2346,
    }


def test_the_catalogue_is_named_where_the_plan_names_it():
    plan = {**PLAN, "catalog": {"digest": "sha256:2"}}
    record = make_observed_record(plan, ["apps", "dns"], {"apps": list}, {"os": "windows"}, "", time.monotonic())
    assert record["catalog"] == {"digest": "sha256:2"}
    assert [rule["reason"] for rule in record["rules"]] == ["not observable here: dns is not observed on Windows"] * 2


def test_number_and_boolean_of_json_are_different_entries():
    assert not is_same_json({"a": 1}, {"a": True}) and is_same_json({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert make_distinct_entries([1, True, "x", 1, "x"]) == [1, True, "x"]
    assert find_missing_entries([True, "x"], [1, "x"]) == [True]
