"""Which hosts are observed by one process, which have something in common, and what becomes of those that it leaves."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.template import trust_as_template
from proscribe.wire import installation
from proscribe_ansible import batch, connection_groups, suiting, sweep
from proscribe_ansible.handover import Member

UTILS = Path(sweep.__file__).parents[1]


def task(**keywords: Any) -> Any:
    """A task of one of our playbooks that observes."""
    usual = dict.fromkeys((*suiting.UNUSUAL, "when", *connection_groups.KEYWORDS))
    place = f"{installation.PLAYBOOKS}/audit.yml:28"
    return SimpleNamespace(
        **{
            **usual,
            "action": "compliance_state",
            "connection": "ssh",
            "_uuid": "u",
            "get_path": lambda: place,
            **keywords,
        }
    )


def member(name: str = "h1", on: Any = None, **variables: Any) -> Member:
    return Member(SimpleNamespace(name=name), on or task(), variables, None)


class Linear:
    """Ansible's strategy, as far as it is used."""

    __module__ = "ansible.plugins.strategy.linear"

    def __init__(self, hosts: int) -> None:
        self.started: list[str] = []
        self._tqm = SimpleNamespace(
            send_callback=lambda name, host, task: self.started.append(f"{name} {host.name}"),
            _terminated=True,  # so nobody waits for the batches
            get_workers=lambda: [None] * 20,
        )
        self._hosts_cache = list(range(hosts))
        self._queued_task_cache: dict[Any, Any] = {}
        self._pending_results = 0
        self.queued: list[str] = []
        self.results: list[Any] = []
        self._results: list[Any] = []
        self._results_lock = threading.Lock()


@pytest.fixture
def ansible(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ansible's own methods, which note what they are called for."""

    def queue(self: Linear, host: Any, _task: Any, _variables: Any, _context: Any) -> None:
        self._tqm.send_callback("v2_runner_on_start", host, _task)
        self.queued.append(host.name)
        self._pending_results += 1

    def process(self: Linear, _iterator: Any) -> list[Any]:
        found, self.results = self.results, []
        self._results = [one for one in self._results if one not in found]
        self._pending_results -= len(found)
        return found

    methods = {"_queue_task": queue, "_process_pending_results": process, "_wait_on_pending_results": process}
    monkeypatch.setattr(sweep, "_ansible", methods)
    checked = dict.fromkeys(("StrategyBase()", "WorkerProcess()", "TaskResult()", "Task()"), True)
    monkeypatch.setattr(sweep, "_checked", checked)
    monkeypatch.setattr(sweep, "_making", [])
    monkeypatch.setattr(sweep, "_given_up", [])


def queued(strategy: Linear, *names: str) -> None:
    for name in names:
        sweep._queue_task(strategy, *member(name))


@pytest.mark.parametrize(
    ("action", "pending", "ours"),
    [("compile_plans", 1, True), ("compliance_state", 1, True), ("rollout", 1, True), ("ping", 1, False)]
    + [("compliance_state", 0, False), ("", 1, False)],
)
def test_only_while_a_task_of_ours_runs_results_are_waited_for_here(ansible, action, pending, ours):
    strategy, dead = Linear(1), []
    strategy._tqm._terminated = False
    strategy._tqm.has_dead_workers = lambda: dead.append(action) or True
    strategy._queued_task_cache = {("h1", "u"): {"task": task(action=action)}} if action else {}
    strategy._pending_results = pending
    assert sweep._wait_on_pending_results(strategy, None) == []
    assert dead == [action] * ours


def test_batches_start_before_all_hosts_are_gathered_and_share_the_forks(ansible, monkeypatch):
    monkeypatch.setattr(sweep, "BATCH", 2)
    monkeypatch.setattr(sweep, "PROCESSES", 4)
    strategy = Linear(5)
    queued(strategy, *(f"h{number}" for number in range(5)))
    assert strategy.queued == ["h0", "h2"]
    sweep._wait_on_pending_results(strategy, None)
    assert strategy.queued == ["h0", "h2", "h4"]
    assert [batch.width for batch in sweep._making] == [20 // 3] * 2


def test_a_batch_waits_for_an_earlier_one_where_there_are_as_many_as_processors(ansible, monkeypatch):
    class Process:
        def __init__(self, turns):
            self.turns = turns

        def is_alive(self):
            if self.turns is None:
                raise ValueError("process object is closed")
            self.turns -= 1
            return self.turns > 0

    pauses = []
    monkeypatch.setattr(sweep, "PROCESSES", 2)
    monkeypatch.setattr(sweep, "BATCH", 2)
    monkeypatch.setattr(sweep, "_processes", [Process(None), Process(3), Process(1), Process(9)])
    monkeypatch.setattr(sweep.time, "sleep", pauses.append)
    queued(Linear(4), "h1", "h2")
    assert (pauses, len(sweep._making), len(sweep._processes)) == ([sweep.PAUSE] * 2, 1, 1)


@pytest.fixture
def worker(monkeypatch):
    """A worker that was forked for a batch of two, and what it sends and does."""
    made = object.__new__(sweep.Worker)
    made.done = []
    made._final_q = SimpleNamespace(send_display=lambda *sent: made.done.append(sent))
    made.batch = sweep._Batch(7, [member("h1"), member("h2")], 20)
    monkeypatch.setattr(sweep.WorkerProcess, "_run", lambda self: self.done.append("as ever"))
    monkeypatch.setattr(batch, "observe", lambda *given: made.done.append(given))
    return made


def test_a_worker_observes_its_batch_and_gives_up_who_has_no_result_then(worker):
    worker._run()
    assert worker.done == [(worker, worker.batch.members, 20), (sweep.GIVEN_UP, 7, ["h1", "h2"])]
    worker.done.clear()
    worker.answered("a result", [("h2", {})])
    assert worker.done == [(sweep.ANSWERED, 7, "a result", [("h2", {})])]


def test_a_worker_without_a_batch_is_ansibles(worker):
    worker.batch = None
    worker._run()
    worker.give_up(["h1"])
    worker.answered("a result", [])
    assert worker.done == ["as ever"]


def test_a_worker_takes_the_batch_that_was_just_made_and_only_its_fork_keeps_it(ansible, monkeypatch):
    done = []
    monkeypatch.setattr(sweep.WorkerProcess, "__init__", lambda self, **named: done.append(named))
    monkeypatch.setattr(sweep.WorkerProcess, "start", lambda self: done.append(self.batch))
    monkeypatch.setattr(sweep, "_freeze", lambda: done.append("frozen"))
    monkeypatch.setattr(sweep, "_processes", [])
    made = sweep._Batch(7, [], 20)
    sweep._making.append(made)
    one, other = sweep.Worker(host="h1"), sweep.Worker(host="h2")
    assert (one.batch, other.batch, sweep._processes, sweep._making) == (made, None, [one], [])
    one.start()
    assert done == [{"host": "h1"}, {"host": "h2"}, "frozen", made] and one.batch is None


@pytest.mark.parametrize("lacks", ["StrategyBase()", "TaskQueueManager()", "Task()", "WorkerProcess()", "TaskResult()"])
@pytest.mark.parametrize("seen", [True, False])
def test_where_one_kind_lacks_something_or_was_not_seen_every_host_has_a_worker(ansible, monkeypatch, lacks, seen):
    """Of a worker and a result one has to be seen before."""
    checks = []
    monkeypatch.setattr(sweep, "complete", lambda uses, having: checks.extend(having) or lacks not in having)
    checked = dict.fromkeys({"StrategyBase()", "TaskQueueManager()", "Task()", "WorkerProcess()", "TaskResult()"}, True)
    del checked[lacks]
    monkeypatch.setattr(sweep, "_checked", {**checked, lacks: False} if seen else checked)
    strategy = Linear(2)
    queued(strategy, "h1", "h2")
    assert strategy.queued == ["h1", "h2"] and strategy._queued_task_cache == {}
    assert checks == ([] if seen or lacks in ("WorkerProcess()", "TaskResult()") else [lacks])


def test_who_has_no_result_when_the_batch_has_ended_gets_a_worker_and_no_second_start(ansible):
    strategy = Linear(3)
    queued(strategy, "h1", "h2", "h3")
    sweep._wait_on_pending_results(strategy, None)
    strategy.results = strategy._results = [SimpleNamespace(host=SimpleNamespace(name="h3"))]
    sweep._process_pending_results(strategy, None)
    assert strategy.queued == ["h1"]
    strategy.results = [SimpleNamespace(host=SimpleNamespace(name="h1"))]
    [batch] = sweep._making
    sweep._given_up.append((batch.number - 1, ["h2"]))  # of an earlier task, whose results came before
    sweep._given_up.append((batch.number, ["h1", "h2", "h3"]))
    strategy._results = ["one more, which the strategy has not taken yet"]
    sweep._process_pending_results(strategy, None)
    assert strategy.queued == ["h1"]
    strategy._results = []
    sweep._process_pending_results(strategy, None)
    assert (strategy.queued, strategy._pending_results) == (["h1", "h2"], 1)
    assert sweep._given_up == []
    assert len(strategy.started) == len(set(strategy.started)) == 3


@pytest.mark.parametrize(
    ("before", "installed"),
    [
        ("", "Worker"),
        ("os.environ['PROSCRIBE_SWEEP'] = 'off'", "WorkerProcess"),
        ("del WorkerProcess._detach", "WorkerProcess"),
        ("del StrategyBase._wait_on_pending_results", "WorkerProcess"),
        ("WorkerProcess.__init__ = lambda self, host, task: None", "WorkerProcess"),
        ("strategies.WorkerProcess = type('Other', (WorkerProcess,), {})", "Other"),  # somebody else was here
    ],
)
def test_where_ansible_is_another_every_host_has_a_worker(before, installed):
    program = f"""
import os, sys
sys.path.insert(0, {str(UTILS)!r})
from ansible.executor.process.worker import WorkerProcess
from ansible.plugins import strategy as strategies
from ansible.plugins.strategy import StrategyBase
from proscribe_ansible import sweep
{before}
sweep.install()
sweep.install()
print(strategies.WorkerProcess.__name__, StrategyBase._queue_task.__module__)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ})
    module = "proscribe_ansible.sweep" if installed == "Worker" else "ansible.plugins.strategy"
    expected = "ansible.plugins.strategy" if installed == "Worker" else module
    assert done.stdout.split() == [installed, expected], done.stderr  # a wrapper has the name of what it stands for


# -- what hosts have in common ----------------------------------------------------------------------------------------


@pytest.fixture
def names():
    connection_groups.names_of.cache_clear()
    return connection_groups.names_of(*connection_groups.USUAL)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ({}, {}, True),
        ({"ansible_host": "192.0.2.1"}, {"ansible_host": "192.0.2.2"}, True),
        ({"department": "a"}, {"department": "b"}, True),
        ({"ansible_user": "a"}, {"ansible_user": "b"}, False),
        ({"ansible_user": "a"}, {}, False),
        ({"ansible_port": 22}, {"ansible_port": "22"}, False),  # which is only slower
        ({"ansible_become_password": "a"}, {"ansible_become_password": "b"}, False),
        ({"ansible_ssh_common_args": "-J a"}, {"ansible_ssh_common_args": "-J b"}, False),
        ({"ansible_ssh_retries": 1}, {"ansible_ssh_retries": 2}, False),
        ({"ansible_sudo_flags": "-H"}, {}, False),
        ({"ansible_su_flags": "-l"}, {}, True),  # of a plugin that is not the usual one
        ({"ansible_python_interpreter": "/a"}, {"ansible_python_interpreter": "/b"}, False),
        ({"ansible_become": True}, {"ansible_become": False}, False),
        ({"ansible_user": "{{ who }}", "who": "a"}, {"ansible_user": "{{ who }}", "who": "a"}, True),
        ({"ansible_user": "{{ who }}", "who": "a"}, {"ansible_user": "{{ who }}", "who": "b"}, False),
        ({"ansible_user": "{{ who }}", "who": "a"}, {"ansible_user": "a"}, True),
        ({"ansible_user": "{{ nosuch }}"}, {"ansible_user": "a"}, False),
        ({"ansible_user": "{{ nosuch }}"}, {"ansible_user": None}, False),
        ({"ansible_ssh_host": "192.0.2.1"}, {}, True),
        ({"inventory_hostname": "h1"}, {"inventory_hostname": "h2"}, True),
        ({"ansible_become_method": "su"}, {}, False),
        ({"ansible_connection": "ssh"}, {}, False),
        ({"ansible_network_os": "a"}, {}, False),
        ({"ansible_shell_executable": "/bin/a"}, {}, False),
        ({"ansible_remote_tmp": "/a"}, {}, False),  # of the shell
    ],
)
def test_hosts_are_alike_if_everything_but_their_address_is(one, other, alike, names):
    hosts = [{name: trust_as_template(value) if isinstance(value, str) else value for name, value in given.items()}
             for given in (one, other)]  # fmt: skip
    values = [connection_groups.values(member(**given), names) for given in hosts]
    assert (values[0] == values[1]) is alike


def test_hosts_that_are_reached_alike_are_a_group_in_their_order():
    hosts = [member(name, ansible_user=user) for name, user in (("a", "x"), ("b", "y"), ("c", "x"))]
    assert [[one.name for one in group] for group in connection_groups.alike(hosts)] == [["a", "c"], ["b"]]
    assert [len(group) for group in connection_groups.alike(hosts[:1])] == [1]
    each = [member(name, on=task(when=["x"])) for name in ("a", "b")]
    assert [[one.name for one in group] for group in connection_groups.alike(each)] == [["a"], ["b"]]


@pytest.mark.parametrize(
    ("keywords", "constant"),
    [
        ({}, True),
        ({"become": "{{ any }}"}, True),  # in our own playbooks, which is tested there
        ({"when": ["x"]}, False),
        ({"get_path": lambda: "/srv/site.yml:3"}, True),
        ({"get_path": lambda: "/srv/site.yml:3", "become": True, "args": {"gate": "never"}}, True),
        ({"get_path": lambda: "/srv/site.yml:3", "become": "{{ any }}"}, False),
        ({"get_path": lambda: "/srv/site.yml:3", "args": {"gate": "{{ any }}"}}, False),
        *(
            ({"get_path": lambda: "/srv/site.yml:3", keyword: "{{ any }}"}, False)
            for keyword in ("become_user", "become_method", "become_flags", "become_exe", "remote_user", "port")
        ),
        ({"get_path": lambda: "/srv/site.yml:3", "connection": "{{ any }}"}, False),
        ({"get_path": lambda: "/srv/site.yml:3", "check_mode": "{{ any }}"}, False),
        ({"get_path": lambda: f"{installation.PLAYBOOKS}-of-others/site.yml:3", "remote_user": "{{ any }}"}, False),
    ],
)
def test_a_task_with_expressions_is_evaluated_for_each_host(keywords, constant):
    assert connection_groups.is_constant(task(**keywords)) is constant


# -- results that are as another one ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plain:
    """A result on its way to the strategy, until ansible-core 2.20."""

    host_name: str
    return_data: dict[str, Any]


class Raw:
    """And where it has arrived."""

    def __init__(self, host: Any, task: Any, return_data: dict[str, Any], task_fields: dict[str, Any]) -> None:
        self.host, self.task, self._return_data, self.task_fields = host, task, return_data, task_fields


@dataclass
class Unified:
    result_data: dict[str, Any]
    registered_values: dict[str, Any] | None = None
    warnings: list[str] | None = None


@dataclass(frozen=True)
class HostResult:
    """And where it has arrived."""

    host: Any
    utr: Unified


FIRST = {"changed": False, "record": {"host": 1}, "drifted": [], "privileged": True}
ANSWER = {"record": {"host": 2}, "drifted": ["dns"], "privileged": True}
SECOND = {"changed": False, **ANSWER}


def test_a_result_as_another_one_has_the_host_and_its_answer():
    first = Raw("h1", "task", {**FIRST, "failed": False}, {"name": "x"})
    plain = sweep._like(first, "h2", ANSWER)
    assert vars(plain) == vars(Raw("h2", "task", {**SECOND, "failed": False}, {"name": "x"}))
    unified = Unified({**FIRST}, {"seen": {**FIRST, "failed": False}})
    found = sweep._like(HostResult("h1", unified), "h2", ANSWER)
    assert found == HostResult("h2", Unified({**SECOND}, {"seen": {**SECOND, "failed": False}}))
    assert (first._return_data, unified.result_data) == ({**FIRST, "failed": False}, FIRST)  # they stay the first one's
    assert sweep._like(HostResult("h1", Unified({**FIRST})), "h2", ANSWER).utr.registered_values is None


@pytest.mark.parametrize(
    "rehydrate", ["_convert_wire_task_result_to_raw", "_convert_wire_task_result_to_host_task_result"]
)
def test_answers_that_come_together_are_results_of_the_hosts_that_wait_for_them(ansible, rehydrate):
    strategy = Linear(4)
    queued(strategy, "h1", "h2", "h3", "h4")
    sweep._wait_on_pending_results(strategy, None)
    [batch] = sweep._making
    hosts = {one.name: one.host for one in batch.members}
    strategy.results = strategy._results = [SimpleNamespace(host=hosts["h1"])]
    sweep._process_pending_results(strategy, None)
    setattr(strategy, rehydrate, lambda wire: Raw(hosts[wire.host_name], "task", wire.return_data, {}))
    answers = [("h1", ANSWER), ("h2", ANSWER), ("h4", ANSWER), ("somebody else", ANSWER)]
    sweep._news.clear()
    sweep._take_answers(batch.number, Plain("h1", FIRST), answers)
    assert sweep._news.is_set(), "whoever waits for results looks for them"
    assert [result.host.name for result in strategy._results] == ["h2", "h4"]  # h1 has one
    assert [result._return_data for result in strategy._results] == [SECOND, SECOND]
    assert sweep._given_up == []


def test_answers_that_cannot_become_results_are_asked_for_again_one_by_one(ansible, monkeypatch):
    strategy = Linear(2)
    queued(strategy, "h1", "h2")
    sweep._wait_on_pending_results(strategy, None)
    [batch] = sweep._making

    def rehydrate(wire: Any) -> None:
        raise TypeError("ansible-core is another")

    setattr(strategy, sweep.REHYDRATES[0], rehydrate)
    warned = []
    monkeypatch.setattr(sweep.Display, "warning", lambda _, text: warned.append(text))
    sweep._news.clear()
    sweep._take_answers(batch.number, Plain("h1", FIRST), [("h2", ANSWER)])
    assert (list(strategy._results), sweep._given_up) == ([], [(batch.number, ["h2"])]) and sweep._news.is_set()
    why = "TypeError: ansible-core is another"
    assert warned == [f"hosts are observed one by one, which takes longer: {why}"]
    sweep._take_answers(batch.number, Plain("h1", FIRST), [("nobody here", ANSWER)])
    assert len(warned) == 1 and len(sweep._given_up) == 1
