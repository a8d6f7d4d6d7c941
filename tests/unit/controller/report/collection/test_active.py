"""Whether a callback collects the report, and what it objects to, by the playbooks and plays that Ansible reports."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.controller.report.collection import active

COLLECTOR, OTHER = object(), object()


@pytest.fixture(autouse=True)
def nothing_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(active, "_watch", active._Watch())


def play(name: str, strategy: str = "linear", action: str = active.COMPILING) -> Any:
    task = SimpleNamespace(action=f"a.b.{action}")
    return SimpleNamespace(strategy=strategy, get_path=lambda: f"{name}.yml:1", get_tasks=lambda: [task], roles=[])


def suits(strategy: str) -> bool:
    return strategy == "linear"


def test_nobody_collects_until_a_playbook_begins() -> None:
    assert not active.collected()
    said = active.objection("/etc/ansible.cfg", "/srv/proscribe")
    assert "no host was touched" in said and "/etc/ansible.cfg: callbacks_enabled" in said
    assert said.count("/srv/proscribe") == 3
    assert "Ansible's configuration: callbacks_enabled" in active.objection("", "/srv/proscribe")


def test_of_two_callbacks_the_first_collects_a_playbook() -> None:
    one, next_one = object(), object()
    assert active.begins(one, [], suits, COLLECTOR) and active.collected()
    assert not active.begins(one, [], suits, OTHER)
    assert active.begins(one, [], suits, COLLECTOR), "the same may come again"
    assert active.begins(next_one, [], suits, OTHER)
    assert active.objection("", "") == ""


def test_the_play_that_runs_is_objected_to_too_and_once() -> None:
    bad, worse = play("a", "free"), play("b", "host_pinned", "debug")
    active.begins(object(), [bad], suits, COLLECTOR)
    active.plays_now(bad, suits)
    assert active.objection("", "").count("a.yml:1") == 1
    active.plays_now(worse, suits)
    said = active.objection("", "").split("\n")
    assert [line.partition(":")[0] for line in said[1:]] == ["a.yml", "b.yml"]
    active.plays_now(play("c"), suits)
    assert "b.yml" not in active.objection("", "")
    active.begins(object(), [], suits, COLLECTOR)
    assert active.objection("", "") == ""
