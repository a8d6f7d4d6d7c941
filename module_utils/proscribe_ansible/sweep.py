"""One process observes many hosts: Ansible's own worker, for a batch of them instead of for one.

Ansible forks a worker for each host of a task. It starts an `ssh`, templates the task, and ends: most of what an
observation costs the controller. Here the hosts that can be observed over SSH are gathered, and one worker is forked
for a batch of them (batch.py). It asks them all, a number of them at a time (`forks`). When a host has answered, it
runs Ansible's own executor for this host, in which the action finds the answer (executor.py). So what becomes of an
answer (conditions, results, registered variables, callbacks, the recap) is Ansible's in both ways.

Whatever is unusual goes the ordinary way, by itself: another connection than ssh, a task with a loop, a host that
answers something else than expected. The batch reports no result for such a host, and a worker is forked for it as
ever.

This file, batch.py and executor.py use what ansible-core does not promise (SWEEP in
private_names.py). It is looked for on the classes before they are
changed, and on the first object of each kind before a host is gathered. Where some of it is not there, every host has a
worker of its own.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from ansible.executor.process import worker as workers
from ansible.executor.process.worker import WorkerProcess
from ansible.executor.task_executor import TaskExecutor
from ansible.executor.task_queue_manager import FinalQueue
from ansible.plugins import strategy as strategies
from ansible.plugins.strategy import StrategyBase
from ansible.utils.display import Display
from proscribe.model.types.run import Variables
from proscribe.wire import installation

from proscribe_ansible.handover import Answers, Member
from proscribe_ansible.private_names import EITHER, SWEEP, complete
from proscribe_ansible.suiting import suits

SWITCH = "PROSCRIBE_SWEEP"  # an environment variable; "off" forks a worker for each host
BATCH = 250  # hosts of one process; their variables are in memory until it has started
PROCESSES = os.cpu_count() or 1
PAUSE = 0.01  # seconds between two checks of what has ended
LONG_PAUSE = 0.1  # the same where a batch says that it has results
# The names of what a batch has the strategy's process do.
GIVEN_UP = "proscribe_hosts_given_up"
ANSWERED = "proscribe_hosts_answered"
# Makes a result of what a worker sends: until ansible-core 2.20, and since.
REHYDRATES = tuple(SWEEP.names["StrategyBase"][-1].split(EITHER))


# -- in the process of the strategy -----------------------------------------------------------------------------------


class _Gathering:
    """The hosts of a strategy that wait for their batch, and those of batches that have started."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        # Hosts of batches that have no result yet, each with the number of its batch.
        self.waiting: dict[str, tuple[int, Member]] = {}


class _Batch(NamedTuple):
    """The hosts that one worker observes."""

    number: int
    members: list[Member]
    width: int  # how many hosts are asked at a time


_gatherings: weakref.WeakKeyDictionary[StrategyBase, _Gathering] = weakref.WeakKeyDictionary()
_ansible: dict[str, Callable[..., Any]] = {}  # the methods of a strategy that ours stand for
_making: list[_Batch] = []
_processes: list[WorkerProcess] = []
_numbers = itertools.count()
_given_up: list[tuple[int, list[str]]] = []  # the number of a batch, and the names of hosts that it has given up
_strategies: weakref.WeakValueDictionary[int, StrategyBase] = weakref.WeakValueDictionary()  # by the number of a batch
_news = threading.Event()  # a batch has sent something
_checked: dict[str, bool] = {}  # by the kind of an object of Ansible's, whether it has all that is used of it


class Worker(WorkerProcess):
    """Ansible's worker, which may have a batch of hosts to observe before its own."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self.named = named
        _checks("WorkerProcess()", self)
        self.batch = _making.pop() if _making else None
        if self.batch is not None:
            _processes.append(self)

    def start(self) -> None:
        """Fork. Ansible keeps a worker that has ended until another one takes its place, and a host's variables name
        every other host: a quarter of a megabyte for each of 10,000.
        """
        _freeze()
        super().start()
        self.batch = None  # only the forked process needs it

    def _run(self) -> None:
        if self.batch is None:
            super()._run()
            return
        from proscribe_ansible.batch import observe  # the strategy's process has no need of it

        observe(self, self.batch.members, self.batch.width)
        self.give_up([member.name for member in self.batch.members])

    def give_up(self, names: list[str]) -> None:
        """Have the strategy's process ask these hosts the ordinary way, unless it has a result of theirs. This comes
        there after all results that were sent before.
        """
        if self.batch is not None:
            self._final_q.send_display(GIVEN_UP, self.batch.number, names)

    def answered(self, wire: Any, answers: Answers) -> None:
        """Give the strategy's process the results of hosts, which are as one that was sent but for their answers."""
        if self.batch is not None:
            self._final_q.send_display(ANSWERED, self.batch.number, wire, answers)


@functools.cache
def _freeze() -> None:
    """Once: what was imported is never garbage, so no process has to look through it again. To count what is frozen
    takes longer than the fork.
    """
    gc.freeze()


def install() -> None:
    """Have the strategies of this process gather hosts, where that can be."""
    if os.environ.get(SWITCH) == "off" or strategies.WorkerProcess is not WorkerProcess:
        return
    having: dict[str, object] = {one.__name__: one for one in (StrategyBase, WorkerProcess, TaskExecutor, FinalQueue)}
    there = complete(SWEEP, {**having, "WorkerProcess.__init__": WorkerProcess.__init__})
    if not there or getattr(workers, "TaskExecutor", None) is not TaskExecutor:
        return
    strategies.WorkerProcess = Worker
    setattr(Display(), GIVEN_UP, _give_up)
    setattr(Display(), ANSWERED, _take_answers)
    for method in (_queue_task, _wait_on_pending_results, _process_pending_results):
        _ansible[method.__name__] = original = getattr(StrategyBase, method.__name__)
        setattr(StrategyBase, method.__name__, functools.wraps(original)(method))


def _checks(kind: str, one: Any) -> bool:
    """Whether an object has all that is used of its kind. The first one is checked, which shows the release."""
    if kind not in _checked:
        _checked[kind] = complete(SWEEP, {kind: one})
    return _checked[kind]


def _gathers(strategy: Any) -> bool:
    """Whether a strategy has, and all that was seen until now, what is used of it."""
    return (
        all(_checked.values()) and _checks("StrategyBase()", strategy) and _checks("TaskQueueManager()", strategy._tqm)
    )


def _queue_task(self: Any, host: Any, task: Any, task_vars: Variables, play_context: Any) -> None:
    member = Member(host, task, task_vars, play_context)
    # A worker and a result were checked before, as a rule those of the task that compiles the plans.
    ready = _gathers(self) and _checked.keys() >= {"WorkerProcess()", "TaskResult()"}
    if not (ready and _checks("Task()", task) and suits(self, member)):
        _ansible["_queue_task"](self, *member)
        return
    gathering = _gatherings.setdefault(self, _Gathering())
    gathering.members.append(member)
    self._pending_results += 1  # else the strategy would not wait
    if len(gathering.members) >= BATCH:
        _start(self, gathering)


def _wait_on_pending_results(self: Any, iterator: Any) -> Any:
    if not _gathers(self):
        return _ansible["_wait_on_pending_results"](self, iterator)
    results = []
    if gathering := _gatherings.get(self):
        _start(self, gathering)
    # Ansible looks for results a thousand times a second, and copies a table of all hosts each time.
    waits = _waits_for_ours(self)
    while waits and not self._tqm._terminated:
        _news.clear()
        if self._results or _given_up:
            results += self._process_pending_results(iterator)
            waits = _waits_for_ours(self)
        elif self._tqm.has_dead_workers():
            break
        elif gathering and gathering.waiting:
            _news.wait(LONG_PAUSE)
        else:
            time.sleep(PAUSE)
    return results + _ansible["_wait_on_pending_results"](self, iterator)


def _waits_for_ours(strategy: Any) -> bool:
    """Whether the task that is run now, which is one at a time, is one of these."""
    queued = next(iter(strategy._queued_task_cache.values()), None)
    ours = map(installation.called, ("compile_plans", "compliance_state", "rollout"))
    return strategy._pending_results > 0 and queued is not None and queued["task"].action in ours


def _give_up(number: int, names: list[str]) -> None:
    """Take hosts that a batch has given up; Ansible's thread for results calls it."""
    _given_up.append((number, names))
    _news.set()


def _take_answers(number: int, wire: Any, answers: Answers) -> None:
    """Take the results of hosts that are as one that was sent; Ansible's thread for results calls it."""
    strategy: Any = _strategies[number]
    waiting = _gatherings[strategy].waiting
    hosts = {name: waiting[name][1].host for name, _ in answers if waiting.get(name, (None,))[0] == number}
    if not hosts:
        return
    try:
        rehydrate = next(getattr(strategy, name) for name in REHYDRATES if hasattr(strategy, name))
        model = rehydrate(replace(wire, host_name=next(iter(hosts))))  # of the one that was sent, no more is known
        results = [_like(model, hosts[name], answer) for name, answer in answers if name in hosts]
    except Exception as error:  # whatever it was, the ordinary way may be free of it
        Display().warning(f"hosts are observed one by one, which takes longer: {type(error).__name__}: {error}")
        _give_up(number, list(hosts))
        return
    with strategy._results_lock:
        strategy._results.extend(results)
    _news.set()


def _like(model: Any, host: Any, answer: Mapping[str, object]) -> Any:
    """A result as the `model`, of another host with another answer."""
    if not hasattr(model, "utr"):
        return type(model)(host, model.task, {**model._return_data, **answer}, model.task_fields)
    unified = model.utr  # since ansible-core 2.21: with the variables that the task registers
    registered = {variable: {**value, **answer} for variable, value in (unified.registered_values or {}).items()}
    data = {**unified.result_data, **answer}
    return replace(model, host=host, utr=replace(unified, result_data=data, registered_values=registered or None))


def _process_pending_results(self: Any, iterator: Any, *args: Any, **named: Any) -> Any:
    if not _gathers(self):
        return _ansible["_process_pending_results"](self, iterator, *args, **named)
    if not (self._results or _given_up):
        return []  # Ansible would copy a table of all hosts, which for each of them is much
    given_up = list(_given_up)  # as of now: what comes together with the last results is for the next time
    results = _ansible["_process_pending_results"](self, iterator, *args, **named)
    gathering = _gatherings.get(self)
    waiting = {} if gathering is None else gathering.waiting
    for result in results:
        _checks("TaskResult()", result)
        waiting.pop(str(result.host.name), None)
    for number, names in given_up if not self._results else ():
        _given_up.remove((number, names))
        # A batch of an earlier task says nothing of this one's hosts.
        for name in [name for name in names if waiting.get(name, (None,))[0] == number]:
            self._pending_results -= 1
            with _started(self._tqm):
                _ansible["_queue_task"](self, *waiting.pop(name)[1])
    return results


@contextlib.contextmanager
def _started(manager: Any) -> Iterator[None]:
    """Callbacks know of a host already that its task has started."""
    send = manager.send_callback

    def quietly(name: str, *args: Any, **named: Any) -> None:
        if name != "v2_runner_on_start":
            send(name, *args, **named)

    manager.send_callback = quietly
    try:
        yield
    finally:
        del manager.send_callback


def _start(strategy: Any, gathering: _Gathering) -> None:
    """Start the worker of the hosts that were gathered."""
    members, gathering.members = gathering.members, []
    if not members:
        return
    own, *others = members
    if others:
        batches = min(PROCESSES, -(-len(strategy._hosts_cache) // BATCH))
        while len(_alive()) >= batches:
            time.sleep(PAUSE)
        batch = _Batch(next(_numbers), members, max(1, len(strategy._tqm.get_workers()) // batches))
        _making.append(batch)
        _strategies[batch.number] = strategy
        gathering.waiting.update({member.name: (batch.number, member) for member in members})
        for member in others:
            # What Ansible's own method does for a host, but for its worker.
            strategy._queued_task_cache[(member.name, member.task._uuid)] = {
                "host": member.host,
                "task": member.task,
                "task_vars": member.variables,
                "play_context": member.play_context,
            }
            strategy._tqm.send_callback("v2_runner_on_start", member.host, member.task)
    strategy._pending_results -= 1
    _ansible["_queue_task"](strategy, *own)


def _alive() -> list[WorkerProcess]:
    """The workers of batches that have not ended."""

    def runs(process: WorkerProcess) -> bool:
        with contextlib.suppress(ValueError):  # it was closed, which Ansible does with one that has ended
            return bool(process.is_alive())
        return False

    _processes[:] = filter(runs, _processes)
    return _processes
