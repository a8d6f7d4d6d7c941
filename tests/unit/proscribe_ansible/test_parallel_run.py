"""Batches of hosts that one process observes, and the hosts that it leaves."""

import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from members import make_member, make_task
from proscribe_ansible import batch, parallel_run

UTILS = Path(parallel_run.__file__).parents[1]


class Linear:
    __module__ = "ansible.plugins.strategy.linear"

    def __init__(self, hosts):
        self.started = []
        self._tqm = SimpleNamespace(
            send_callback=lambda name, host, task: self.started.append(f"{name} {host.name}"),
            _terminated=True,  # so nobody waits for the batches
            get_workers=lambda: [None] * 20,
        )
        self._hosts_cache = list(range(hosts))
        self._queued_task_cache = {}
        self._pending_results = 0
        self.queued = []
        self.results = []
        self._results = []
        self._results_lock = threading.Lock()


@pytest.fixture
def ansible(monkeypatch):
    def queue(self, host, _task, _variables, _context):
        self._tqm.send_callback("v2_runner_on_start", host, _task)
        self.queued.append(host.name)
        self._pending_results += 1

    def process(self, _iterator):
        found, self.results = self.results, []
        self._results = [one for one in self._results if one not in found]
        self._pending_results -= len(found)
        return found

    methods = {"_queue_task": queue, "_process_pending_results": process, "_wait_on_pending_results": process}
    monkeypatch.setattr(parallel_run, "_ansible_methods", methods)
    checked = dict.fromkeys(("StrategyBase()", "WorkerProcess()", "TaskResult()", "Task()"), True)
    monkeypatch.setattr(parallel_run, "_checked_kinds", checked)
    monkeypatch.setattr(parallel_run, "_starting_batches", [])
    monkeypatch.setattr(parallel_run, "_given_up_hosts", [])


def queue_hosts(strategy, *names):
    for name in names:
        parallel_run._queue_task(strategy, *make_member(name))


@pytest.mark.parametrize(
    ("action", "pending", "ours"),
    [
        ("compile_plans", 1, True),
        ("rollout", 1, True),
        ("ping", 1, False),
        ("compliance_state", 0, False),
        ("", 1, False),
    ],
)
def test_results_are_waited_for_while_a_task_of_ours_runs(ansible, action, pending, ours):
    strategy, dead = Linear(1), []
    strategy._tqm._terminated = False
    strategy._tqm.has_dead_workers = lambda: dead.append(action) or True
    strategy._queued_task_cache = {("h1", "u"): {"task": make_task(action=action)}} if action else {}
    strategy._pending_results = pending
    assert parallel_run._wait_on_pending_results(strategy, None) == [] and dead == [action] * ours


def test_batches_start_before_all_hosts_are_gathered_and_share_the_forks(ansible, monkeypatch):
    monkeypatch.setattr(parallel_run, "MAX_BATCH_HOSTS", 2)
    monkeypatch.setattr(parallel_run, "MAX_PROCESSES", 4)
    strategy = Linear(5)
    queue_hosts(strategy, *(f"h{number}" for number in range(5)))
    assert strategy.queued == ["h0", "h2"]
    parallel_run._wait_on_pending_results(strategy, None)
    assert strategy.queued == ["h0", "h2", "h4"]
    assert [batch.width for batch in parallel_run._starting_batches] == [20 // 3] * 2


def test_batch_waits_for_an_earlier_one_where_all_processors_are_busy(ansible, monkeypatch):
    class Process:
        def __init__(self, turns):
            self.turns = turns

        def is_alive(self):
            if self.turns is None:
                raise ValueError("process object is closed")
            self.turns -= 1
            return self.turns > 0

    pauses = []
    monkeypatch.setattr(parallel_run, "MAX_PROCESSES", 2)
    monkeypatch.setattr(parallel_run, "MAX_BATCH_HOSTS", 2)
    monkeypatch.setattr(parallel_run, "_processes", [Process(None), Process(3), Process(1), Process(9)])
    monkeypatch.setattr(parallel_run.time, "sleep", pauses.append)
    queue_hosts(Linear(4), "h1", "h2")
    assert (pauses, len(parallel_run._starting_batches), len(parallel_run._processes)) == ([0.01] * 2, 1, 1)


@pytest.fixture
def worker(monkeypatch):
    """A worker that was forked for a batch of two, and what it sends and does."""
    made = object.__new__(parallel_run.BatchWorker)
    made.done = []
    made._final_q = SimpleNamespace(send_display=lambda *sent: made.done.append(sent))
    made.batch = parallel_run._HostBatch(7, [make_member("h1"), make_member("h2")], 20)
    monkeypatch.setattr(parallel_run.WorkerProcess, "_run", lambda self: self.done.append("as ever"))
    monkeypatch.setattr(batch, "observe_hosts", lambda *given: made.done.append(given))
    return made


def test_worker_observes_its_batch_and_gives_up_hosts_without_a_result(worker):
    worker._run()
    assert worker.done == [(worker, worker.batch.members, 20), (parallel_run.GIVEN_UP_METHOD, 7, ["h1", "h2"])]
    worker.done.clear()
    worker.answered("a result", [("h2", {})])
    assert worker.done == [(parallel_run.ANSWERED_METHOD, 7, "a result", [("h2", {})])]


def test_worker_without_a_batch_is_ansibles(worker):
    worker.batch = None
    worker._run()
    worker.give_up(["h1"])
    worker.answered("a result", [])
    assert worker.done == ["as ever"]


def test_worker_takes_the_newest_batch_and_only_its_fork_keeps_it(ansible, monkeypatch):
    done = []
    monkeypatch.setattr(parallel_run.WorkerProcess, "__init__", lambda self, **named: done.append(named))
    monkeypatch.setattr(parallel_run.WorkerProcess, "start", lambda self: done.append(self.batch))
    monkeypatch.setattr(parallel_run, "_freeze_imports", lambda: done.append("frozen"))
    monkeypatch.setattr(parallel_run, "_processes", [])
    made = parallel_run._HostBatch(7, [], 20)
    parallel_run._starting_batches.append(made)
    one, other = parallel_run.BatchWorker(host="h1"), parallel_run.BatchWorker(host="h2")
    assert (one.batch, other.batch, parallel_run._processes, parallel_run._starting_batches) == (made, None, [one], [])
    one.start()
    assert done == [{"host": "h1"}, {"host": "h2"}, "frozen", made] and one.batch is None


@pytest.mark.parametrize("lacks", ["StrategyBase()", "TaskQueueManager()", "Task()", "WorkerProcess()", "TaskResult()"])
@pytest.mark.parametrize("seen", [True, False])
def test_host_has_its_own_worker_where_a_class_lacks_a_name_or_was_not_seen(ansible, monkeypatch, lacks, seen):
    checks = []
    monkeypatch.setattr(
        parallel_run, "has_all_names", lambda uses, having: checks.extend(having) or lacks not in having
    )
    checked = dict.fromkeys({"StrategyBase()", "TaskQueueManager()", "Task()", "WorkerProcess()", "TaskResult()"}, True)
    del checked[lacks]
    monkeypatch.setattr(parallel_run, "_checked_kinds", {**checked, lacks: False} if seen else checked)
    strategy = Linear(2)
    queue_hosts(strategy, "h1", "h2")
    assert strategy.queued == ["h1", "h2"] and strategy._queued_task_cache == {}
    assert checks == ([] if seen or lacks in ("WorkerProcess()", "TaskResult()") else [lacks])


def test_host_without_a_result_of_its_batch_has_a_worker_and_no_second_start(ansible):
    strategy = Linear(3)
    queue_hosts(strategy, "h1", "h2", "h3")
    parallel_run._wait_on_pending_results(strategy, None)
    strategy.results = strategy._results = [SimpleNamespace(host=SimpleNamespace(name="h3"))]
    parallel_run._process_pending_results(strategy, None)
    assert strategy.queued == ["h1"]
    strategy.results = [SimpleNamespace(host=SimpleNamespace(name="h1"))]
    [batch] = parallel_run._starting_batches
    parallel_run._given_up_hosts.append((batch.number - 1, ["h2"]))  # of an earlier task, whose results came before
    parallel_run._given_up_hosts.append((batch.number, ["h1", "h2", "h3"]))
    strategy._results = ["one more, which the strategy has not taken yet"]
    parallel_run._process_pending_results(strategy, None)
    assert strategy.queued == ["h1"]
    strategy._results = []
    parallel_run._process_pending_results(strategy, None)
    assert (strategy.queued, strategy._pending_results) == (["h1", "h2"], 1) and parallel_run._given_up_hosts == []
    assert len(strategy.started) == len(set(strategy.started)) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "installed"),
    [
        ("", "BatchWorker"),
        ("os.environ['PROSCRIBE_SWEEP'] = 'off'", "WorkerProcess"),
        ("del WorkerProcess._detach", "WorkerProcess"),
        ("del StrategyBase._wait_on_pending_results", "WorkerProcess"),
        ("WorkerProcess.__init__ = lambda self, host, task: None", "WorkerProcess"),
        ("strategies.WorkerProcess = type('Other', (WorkerProcess,), {})", "Other"),  # somebody else was here
    ],
)
def test_host_has_its_own_worker_with_another_ansible(before, installed):
    program = f"""
import os, sys
sys.path.insert(0, {str(UTILS)!r})
from ansible.executor.process.worker import WorkerProcess
from ansible.plugins import strategy as strategies
from ansible.plugins.strategy import StrategyBase
from proscribe_ansible import parallel_run
{before}
parallel_run.install_gathering()
parallel_run.install_gathering()
print(strategies.WorkerProcess.__name__, StrategyBase._queue_task.__module__)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == [installed, "ansible.plugins.strategy"], done.stderr  # a wrapper keeps the name


# -- results that are as another one


@dataclass(frozen=True)
class Plain:
    """A result on its way to a strategy of ansible-core before 2.20."""

    host_name: str
    return_data: dict[str, Any]


class Raw:
    """A result that has arrived there."""

    def __init__(self, host, task, return_data, task_fields):
        self.host, self.task, self._return_data, self.task_fields = host, task, return_data, task_fields


@dataclass
class Unified:
    result_data: dict[str, Any]
    registered_values: dict[str, Any] | None = None
    warnings: list[str] | None = None


@dataclass(frozen=True)
class HostResult:
    """A result that has arrived at a strategy of ansible-core 2.20."""

    host: Any
    utr: Unified


FIRST = {"changed": False, "record": {"host": 1}, "drifted": [], "privileged": True}
ANSWER = {"record": {"host": 2}, "drifted": ["dns"], "privileged": True}
SECOND = {"changed": False, **ANSWER}


def test_copied_result_has_its_own_host_and_answer():
    first = Raw("h1", "task", {**FIRST, "failed": False}, {"name": "x"})
    plain = parallel_run._copy_result(first, "h2", ANSWER)
    assert vars(plain) == vars(Raw("h2", "task", {**SECOND, "failed": False}, {"name": "x"}))
    unified = Unified({**FIRST}, {"seen": {**FIRST, "failed": False}})
    assert parallel_run._copy_result(HostResult("h1", unified), "h2", ANSWER) == HostResult(
        "h2", Unified({**SECOND}, {"seen": {**SECOND, "failed": False}})
    )
    assert (first._return_data, unified.result_data) == ({**FIRST, "failed": False}, FIRST)  # they stay the first one's
    assert parallel_run._copy_result(HostResult("h1", Unified({**FIRST})), "h2", ANSWER).utr.registered_values is None


@pytest.mark.parametrize(
    "rehydrate", ["_convert_wire_task_result_to_raw", "_convert_wire_task_result_to_host_task_result"]
)
def test_answers_that_come_together_are_results_of_waiting_hosts(ansible, rehydrate):
    strategy = Linear(4)
    queue_hosts(strategy, "h1", "h2", "h3", "h4")
    parallel_run._wait_on_pending_results(strategy, None)
    [batch] = parallel_run._starting_batches
    hosts = {one.name: one.host for one in batch.members}
    strategy.results = strategy._results = [SimpleNamespace(host=hosts["h1"])]
    parallel_run._process_pending_results(strategy, None)
    setattr(strategy, rehydrate, lambda wire: Raw(hosts[wire.host_name], "task", wire.return_data, {}))
    answers = [("h1", ANSWER), ("h2", ANSWER), ("h4", ANSWER), ("somebody else", ANSWER)]
    parallel_run._news_event.clear()
    parallel_run._take_answers(batch.number, Plain("h1", FIRST), answers)
    assert parallel_run._news_event.is_set(), "whoever waits for results looks for them"
    assert [result.host.name for result in strategy._results] == ["h2", "h4"]  # h1 has one
    assert [result._return_data for result in strategy._results] == [SECOND, SECOND]
    assert parallel_run._given_up_hosts == []


def test_answers_that_cannot_become_results_are_asked_for_one_by_one(ansible, monkeypatch):
    strategy = Linear(2)
    queue_hosts(strategy, "h1", "h2")
    parallel_run._wait_on_pending_results(strategy, None)
    [batch] = parallel_run._starting_batches

    def rehydrate(wire):
        raise TypeError("ansible-core is another")

    setattr(strategy, parallel_run.REHYDRATE_METHODS[0], rehydrate)
    warned = []
    monkeypatch.setattr(parallel_run.Display, "warning", lambda _, text: warned.append(text))
    parallel_run._news_event.clear()
    parallel_run._take_answers(batch.number, Plain("h1", FIRST), [("h2", ANSWER)])
    assert (list(strategy._results), parallel_run._given_up_hosts) == ([], [(batch.number, ["h2"])])
    assert parallel_run._news_event.is_set()
    assert len(warned) == 1 and "TypeError: ansible-core is another" in warned[0]
    parallel_run._take_answers(batch.number, Plain("h1", FIRST), [("nobody here", ANSWER)])
    assert len(warned) == 1 and len(parallel_run._given_up_hosts) == 1
