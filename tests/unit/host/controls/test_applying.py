"""Carrying changes out: the order, what fails, and what is changed on behalf of users."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.host.controls import applying
from proscribe.host.controls.applying import PATIENCE, ChangesFailed, carry_out
from proscribe.host.controls.base import Action, Changes
from proscribe.host.system import ControlError, Unseen


def nothing() -> None:
    pass


def failing(error: Exception) -> Callable[[], None]:
    def fails() -> None:
        raise error

    return fails


def write(name: str, apply: Callable[[], Any] = nothing, user: str = "") -> Action:
    return Action("write", f"/{name}", apply, user=user)


DENIED = write("b", failing(ControlError("denied")))
UNSEEN = write("c", failing(Unseen("out of reach")))


def test_how_an_action_ended_is_logged_after_it() -> None:
    actions = [write("a", lambda: "again"), write("b", lambda: ""), write("c", lambda: 3), write("d")]
    assert carry_out(Changes(actions)) == {"done": ["write /a again", "write /b", "write /c", "write /d"], "left": []}


@pytest.mark.parametrize(
    ("independent", "said", "done"),
    [
        (False, "write /b: denied", ["write /a"]),
        (True, "write /b: denied; write /c: out of reach", ["write /a", "write /d"]),
    ],
)
def test_what_fails_ends_the_rest_unless_they_are_independent(independent: bool, said: str, done: list[str]) -> None:
    with pytest.raises(ControlError) as failed:
        carry_out(Changes([write("a"), DENIED, UNSEEN, write("d")], independent=independent))
    assert (str(failed.value), list(failed.value.done)) == (said, done)


@pytest.mark.parametrize("error", [ControlError("no room"), Unseen("no room")])
def test_what_cannot_be_saved_before_keeps_no_action_back(error: Exception) -> None:
    assert carry_out(Changes([write("a")], beforehand=failing(error)))["done"] == ["write /a"]


def test_what_is_saved_before_is_saved_before() -> None:
    order: list[str] = []
    carry_out(Changes([write("a", lambda: order.append("action"))], beforehand=lambda: order.append("beforehand")))
    assert order == ["beforehand", "action"]


def test_what_cannot_be_changed_of_a_users_is_left_to_him() -> None:
    hers = write("b", failing(ControlError("denied")), user="alice")
    large = write("d", lambda: f"{len(bytes(256 << 20)) >> 20} MB", user="alice")  # no limit of memory
    assert carry_out(Changes([write("a"), hers, write("c"), large])) == {
        "done": ["write /a", "write /c", "write /d 256 MB"],
        "left": [(hers, "denied")],
    }


def test_all_users_together_have_some_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other runs wait for the host meanwhile."""
    moments = iter(range(0, 10_000, 50))
    monkeypatch.setattr(applying, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    carried = carry_out(Changes([write(name, user=name) for name in "abcdef"]))
    assert carried["done"] == ["write /a", "write /b", "write /c", "write /d"]
    reason = "over budget: what was changed before of users' took 200 s"
    assert [(str(action), why) for action, why in carried["left"]] == [("write /e", reason), ("write /f", reason)]


def test_what_runs_a_users_tool_is_left_for_later_also_where_the_hosts_own_fails() -> None:
    hers = write("b", user="alice")._replace(has_users_tool=True)
    assert carry_out(Changes([hers, write("a")])) == {"done": ["write /a"], "left": [], "later": [hers]}
    with pytest.raises(ChangesFailed) as failed:
        carry_out(Changes([hers, write("a"), DENIED]))
    assert failed.value.carried == {"done": ["write /a"], "left": [], "later": [hers]}


def test_each_user_has_some_time_for_all_that_is_changed_of_his(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0, PATIENCE, 1000, 1000, 1010, 1020, 1030])  # before and after each, but for what is refused
    monkeypatch.setattr(applying, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    names = [("a", "alice"), ("b", "bob"), ("c", "alice"), ("d", "bob")]
    carried = carry_out(Changes([write(name, user=user) for name, user in names]))
    assert carried["done"] == ["write /a", "write /b", "write /d"]
    reason = f"over budget: what was changed before of alice's took {PATIENCE:g} s"
    assert [(str(action), why) for action, why in carried["left"]] == [("write /c", reason)]
