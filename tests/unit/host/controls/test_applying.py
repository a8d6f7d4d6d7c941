"""Application of changes: order, failures and budgets of users."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.host.controls import applying
from proscribe.host.controls.applying import ChangesFailed, carry_out
from proscribe.host.controls.base import Action, Changes
from proscribe.host.system import ControlError


def nothing() -> None:
    pass


def fail() -> None:
    raise ControlError("denied")


def write(name: str, apply: Callable[[], Any] = nothing, user: str = "") -> Action:
    return Action("write", f"/{name}", apply, user=user)


DENIED = write("b", fail)


def test_failing_preparation_does_not_stop_actions():
    assert carry_out(Changes([write("a")], beforehand=fail))["done"] == ["write /a"]


def test_all_users_together_have_some_time(monkeypatch):
    """Other runs wait for the host meanwhile."""
    moments = iter(range(0, 10_000, 50))
    monkeypatch.setattr(applying, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    carried = carry_out(Changes([write(name, user=name) for name in "abcdef"]))
    assert carried["done"] == ["write /a", "write /b", "write /c", "write /d"]
    reason = "over budget: what was changed before of users' took 200 s"
    assert [(str(action), why) for action, why in carried["left"]] == [("write /e", reason), ("write /f", reason)]


def test_action_with_a_users_tool_waits_even_after_a_failure():
    hers = write("b", user="alice")._replace(has_users_tool=True)
    assert carry_out(Changes([hers, write("a")])) == {"done": ["write /a"], "left": [], "later": [hers]}
    with pytest.raises(ChangesFailed) as failed:
        carry_out(Changes([hers, write("a"), DENIED]))
    assert failed.value.carried == {"done": ["write /a"], "left": [], "later": [hers]}


def test_users_actions_beyond_the_budget_are_left(monkeypatch):
    moments = iter([0, 60.0, 1000, 1000, 1010, 1020, 1030])  # before and after each, but for what is refused
    monkeypatch.setattr(applying, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    names = [("a", "alice"), ("b", "bob"), ("c", "alice"), ("d", "bob")]
    carried = carry_out(Changes([write(name, user=user) for name, user in names]))
    assert carried["done"] == ["write /a", "write /b", "write /d"]
    reason = "over budget: what was changed before of alice's took 60 s"
    assert [(str(action), why) for action, why in carried["left"]] == [("write /c", reason)]


def test_failed_action_of_a_user_is_left_and_his_actions_have_no_memory_limit():
    hers = write("b", fail, user="alice")
    large = write("d", lambda: f"{len(bytes(256 << 20)) >> 20} MB", user="alice")
    done = ["write /a", "write /c", "write /d 256 MB"]
    assert carry_out(Changes([write("a"), hers, write("c"), large])) == {"done": done, "left": [(hers, "denied")]}
