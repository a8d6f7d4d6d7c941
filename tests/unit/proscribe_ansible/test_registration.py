"""The report registers itself with a run of Ansible's, comes last, and lets the screen print less of a failure."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.executor.stats import AggregateStats
from ansible.executor.task_queue_manager import TaskQueueManager
from ansible.playbook.play import Play
from ansible.plugins.strategy import StrategyBase
from proscribe.controller.report.collection import callback_state
from proscribe_ansible import registration
from proscribe_ansible.registration import (
    LEFT_OUT_TEXT,
    count_failures,
    find_manager,
    move_to_end,
    register_report,
    shorten_failures,
)


class Callback:
    def __init__(self):
        self.done = []

    def _init_callback_methods(self):
        self.done.append("methods")

    def set_options(self):
        self.done.append("options")

    def join_playbook(self, play, manager):
        self.done.append((play, manager))


class Manager(TaskQueueManager):  # type: ignore[misc]
    def __init__(self, *callbacks):
        self._callback_plugins = list(callbacks)

    def sends(self, callback):
        return find_manager(callback)


class Strategy(StrategyBase):  # type: ignore[misc]
    def __init__(self, manager):
        self._tqm = manager

    def run(self, iterator, directory, action="compile_plans"):  # type: ignore[override]
        register_report(action, directory)


@pytest.fixture
def loaded(monkeypatch):
    """What Ansible's loader was asked for, and the callback that it has."""
    found = SimpleNamespace(names=[], callback=Callback(), directories=[])
    loader = SimpleNamespace(
        get=lambda name: found.names.append(name) or found.callback, add_directory=found.directories.append
    )
    monkeypatch.setattr(registration, "callback_loader", loader)
    monkeypatch.setattr(callback_state, "has_collector", lambda: False)
    return found


class TestRegistering:
    @pytest.mark.parametrize(
        ("action", "name", "directories"),
        [
            ("compile_plans", "proscribe_report", ["/checkout/callback_plugins"]),
            ("ansible_collections.acme.things.plugins.action.compile_plans", "acme.things.proscribe_report", []),
        ],
    )
    def test_the_callback_joins_the_play_that_runs(self, loaded, action, name, directories):
        play, manager = Play(), Manager("screen")
        Strategy(manager).run(SimpleNamespace(_play=play), Path("/checkout/callback_plugins"), action)
        assert manager._callback_plugins == ["screen", loaded.callback]
        assert loaded.callback.done == ["methods", "options", (play, manager)]
        assert (loaded.names, loaded.directories) == ([name], directories)

    def test_none_where_one_collects_already(self, loaded, monkeypatch):
        monkeypatch.setattr(callback_state, "has_collector", lambda: True)
        manager = Manager()
        Strategy(manager).run(SimpleNamespace(_play=Play()), Path("/x"))
        assert manager._callback_plugins == [] and loaded.names == []

    @pytest.mark.parametrize("lacks", ["play", "callback", "TaskQueueManager()", "CallbackBase", "iterator"])
    def test_none_where_something_is_not_there(self, loaded, monkeypatch, lacks):
        monkeypatch.setattr(registration, "has_all_names", lambda uses, having: lacks not in having)
        loaded.callback = None if lacks == "callback" else loaded.callback
        iterator = SimpleNamespace(_play=Play())
        iterator = {"play": SimpleNamespace(), "iterator": None}.get(lacks, iterator)
        manager = Manager()
        Strategy(manager).run(iterator, Path("/x"))
        assert manager._callback_plugins == []


class TestManager:
    def test_manager_is_the_one_that_sends_the_event(self):
        callback = Callback()
        manager = Manager(callback)
        assert manager.sends(callback) is manager
        assert manager.sends(Callback()) is None  # it is sent to others
        assert find_manager(callback) is None  # nobody sends


class TestLast:
    def test_after_all_others_and_events_on_their_way_go_on(self):
        one = Callback()
        manager = Manager("a", one, "b")
        before = manager._callback_plugins
        assert move_to_end(one, manager) is True
        assert manager._callback_plugins == ["a", "b", one] and before == ["a", one, "b"]

    @pytest.mark.parametrize("callbacks", [["a"], ("a",), None])
    def test_not_where_it_is_not_among_them(self, callbacks):
        manager = SimpleNamespace(_callback_plugins=callbacks)
        assert move_to_end(Callback(), manager) is False and manager._callback_plugins is callbacks
        assert move_to_end(Callback(), SimpleNamespace()) is False


class Screen:
    def __init__(self):
        self.printed = []

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.printed.append((result.result, ignore_errors))
        return "done"

    def v2_runner_item_on_failed(self, result):
        self.printed.append((result.result, "an item"))


class TestShorterFailures:
    def test_results_of_ours_are_shortened_on_the_screen_alone(self):
        screen, other = Screen(), Screen()
        manager = Manager(screen, other)
        for _ in range(2):  # each play may ask for it
            shorten_failures(manager, lambda result: result.ours, "plan")
        items = [{"plan": 1}, {"item": 2}]
        result = SimpleNamespace(ours=True, result={"plan": "long", "msg": "why", "results": items})
        assert screen.v2_runner_on_failed(result, ignore_errors=True) == "done"
        shown = {"plan": LEFT_OUT_TEXT, "msg": "why", "results": [{"plan": LEFT_OUT_TEXT}, {"item": 2}]}
        assert screen.printed == [(shown, True)]
        screen.v2_runner_on_failed(SimpleNamespace(ours=False, result={"plan": "long"}))
        screen.v2_runner_item_on_failed(SimpleNamespace(ours=True, result={"plan": "long"}))
        assert screen.printed[1:] == [({"plan": "long"}, False), ({"plan": LEFT_OUT_TEXT}, "an item")]
        other.v2_runner_on_failed(SimpleNamespace(ours=True, result={"plan": "long"}))
        assert other.printed == [({"plan": "long"}, False)]


def test_failures_are_those_of_all_hosts():
    stats = AggregateStats()
    assert count_failures(SimpleNamespace(_stats=stats)) == 0
    for host, what in [("a", "failures"), ("a", "failures"), ("b", "dark"), ("b", "ok"), ("c", "changed")]:
        stats.increment(what, host)
    assert count_failures(SimpleNamespace(_stats=stats)) == 3 and count_failures(SimpleNamespace(_renamed=stats)) == 3
    assert count_failures(None) == 0
