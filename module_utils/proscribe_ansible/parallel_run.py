"""The sweep: a process that observes many hosts. It is Ansible's worker, for a batch instead of a host.

Ansible forks a worker for each host of a task. The worker starts an `ssh`, templates the task, and ends: most of the
cost of an observation for the controller. Here the hosts that can be observed over SSH are gathered. A single worker is
forked for a batch of them (batch.py). It contacts them all, a number of them at a time (`forks`). After the answer of a
host, it runs Ansible's own executor for this host. There the action takes the answer (executor.py). So Ansible
processes an answer in the same way as ever: conditions, results, registered variables, callbacks, the recap.

An unusual host gets a worker of its own: another connection than ssh, a task with a loop, an unexpected answer. The
batch reports no result for such a host, and Ansible forks a worker for it.

This file, batch.py and executor.py need names that ansible-core does not promise (SWEEP in private_names.py). They are
checked on the classes before the classes are changed. They are also checked on the first object of each kind. Where
some are missing, every host has a worker of its own.
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

from proscribe_ansible.parallel_eligibility import can_observe_together
from proscribe_ansible.private_names import NAME_SEPARATOR, SWEEP, has_all_names
from proscribe_ansible.result_transfer import HostAnswers, TaskMember

SWEEP_VARIABLE = "PROSCRIBE_SWEEP"  # an environment variable; "off" forks a worker for each host
MAX_BATCH_HOSTS = 250  # hosts of a process; their variables are in memory until it has started
MAX_PROCESSES = os.cpu_count() or 1
PAUSE_SECONDS = 0.01  # seconds between two checks for ended workers and results
LONG_PAUSE_SECONDS = 0.1  # the same while a batch can send an event
# Methods that a batch calls in the strategy's process.
GIVEN_UP_METHOD = "proscribe_hosts_given_up"
ANSWERED_METHOD = "proscribe_hosts_answered"
# The methods that make a result from a worker's message: until ansible-core 2.20, and since.
REHYDRATE_METHODS = tuple(SWEEP.names["StrategyBase"][-1].split(NAME_SEPARATOR))


# -- in the process of the strategy -----------------------------------------------------------------------------------


class _GatheredHosts:
    """The hosts of a strategy that wait for their batch, and the hosts of started batches."""

    def __init__(self) -> None:
        self.members: list[TaskMember] = []
        # Hosts of batches that have no result yet, each with the number of its batch.
        self.waiting: dict[str, tuple[int, TaskMember]] = {}


class _HostBatch(NamedTuple):
    """The hosts that a worker observes."""

    number: int
    members: list[TaskMember]
    width: int  # hosts that are contacted at a time


_gatherings: weakref.WeakKeyDictionary[StrategyBase, _GatheredHosts] = weakref.WeakKeyDictionary()
_ansible_methods: dict[str, Callable[..., Any]] = {}  # the methods of a strategy that this module replaces
_starting_batches: list[_HostBatch] = []
_processes: list[WorkerProcess] = []
_batch_numbers = itertools.count()
# The number of a batch, with the names of the hosts that it has given up.
_given_up_hosts: list[tuple[int, list[str]]] = []
_strategies: weakref.WeakValueDictionary[int, StrategyBase] = weakref.WeakValueDictionary()  # by the number of a batch
_news_event = threading.Event()  # a batch has sent something
_checked_kinds: dict[str, bool] = {}  # whether objects have all used names, by their kind


class BatchWorker(WorkerProcess):
    """Ansible's worker, which may have a batch of hosts to observe, its own host included."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self.named = named
        _has_used_names("WorkerProcess()", self)
        self.batch = _starting_batches.pop() if _starting_batches else None
        if self.batch is not None:
            _processes.append(self)

    def start(self) -> None:
        """Fork, and drop the batch in this process.

        Ansible stores a worker that has ended until another takes its place. The variables of a host name every other
        host: a quarter of a megabyte for each of 10,000 hosts.
        """
        _freeze_imports()
        super().start()
        self.batch = None  # only the forked process needs the batch

    def _run(self) -> None:
        if self.batch is None:
            super()._run()
            return
        from proscribe_ansible.batch import observe_hosts  # not needed in the strategy's process

        observe_hosts(self, self.batch.members, self.batch.width)
        self.give_up([member.name for member in self.batch.members])

    def give_up(self, names: list[str]) -> None:
        """Have the strategy's process fork workers for these hosts, unless it has their results.

        This message arrives after all results that were sent before.
        """
        if self.batch is not None:
            self._final_q.send_display(GIVEN_UP_METHOD, self.batch.number, names)

    def answered(self, wire: Any, answers: HostAnswers) -> None:
        """Send the strategy's process the answers of hosts whose results differ from `wire` only in the answer."""
        if self.batch is not None:
            self._final_q.send_display(ANSWERED_METHOD, self.batch.number, wire, answers)


@functools.cache
def _freeze_imports() -> None:
    """Exclude all imported objects from the garbage collection, once per process: they are never garbage.

    Counting the frozen objects would take longer than the fork.
    """
    gc.freeze()


def install_gathering() -> None:
    """Have the strategies of this process gather hosts, where that is possible."""
    if os.environ.get(SWEEP_VARIABLE) == "off" or strategies.WorkerProcess is not WorkerProcess:
        return
    objects: dict[str, object] = {
        ansible_class.__name__: ansible_class
        for ansible_class in (StrategyBase, WorkerProcess, TaskExecutor, FinalQueue)
    }
    has_names = has_all_names(SWEEP, {**objects, "WorkerProcess.__init__": WorkerProcess.__init__})
    if not has_names or getattr(workers, "TaskExecutor", None) is not TaskExecutor:
        return
    strategies.WorkerProcess = BatchWorker
    setattr(Display(), GIVEN_UP_METHOD, _take_given_up)
    setattr(Display(), ANSWERED_METHOD, _take_answers)
    for method in (_queue_task, _wait_on_pending_results, _process_pending_results):
        _ansible_methods[method.__name__] = original = getattr(StrategyBase, method.__name__)
        setattr(StrategyBase, method.__name__, functools.wraps(original)(method))


def _has_used_names(kind: str, checked_object: Any) -> bool:
    """Return whether an object has all used names of its kind. The first object is checked, and decides for all."""
    if kind not in _checked_kinds:
        _checked_kinds[kind] = has_all_names(SWEEP, {kind: checked_object})
    return _checked_kinds[kind]


def _can_gather(strategy: Any) -> bool:
    """Return whether a strategy, and all objects checked so far, have the used names."""
    return (
        all(_checked_kinds.values())
        and _has_used_names("StrategyBase()", strategy)
        and _has_used_names("TaskQueueManager()", strategy._tqm)
    )


def _queue_task(self: Any, host: Any, task: Any, task_vars: Variables, play_context: Any) -> None:
    member = TaskMember(host, task, task_vars, play_context)
    # A worker and a result have been checked by then, usually those of the task that compiles the plans.
    ready = _can_gather(self) and _checked_kinds.keys() >= {"WorkerProcess()", "TaskResult()"}
    if not (ready and _has_used_names("Task()", task) and can_observe_together(self, member)):
        _ansible_methods["_queue_task"](self, *member)
        return
    gathering = _gatherings.setdefault(self, _GatheredHosts())
    gathering.members.append(member)
    self._pending_results += 1  # otherwise the strategy would not wait
    if len(gathering.members) >= MAX_BATCH_HOSTS:
        _start_batch(self, gathering)


def _wait_on_pending_results(self: Any, iterator: Any) -> Any:
    if not _can_gather(self):
        return _ansible_methods["_wait_on_pending_results"](self, iterator)
    results = []
    if gathering := _gatherings.get(self):
        _start_batch(self, gathering)
    # Ansible's own loop checks a thousand times a second, and copies a table of all hosts each time.
    waits = _is_waiting_for_ours(self)
    while waits and not self._tqm._terminated:
        _news_event.clear()
        if self._results or _given_up_hosts:
            results += self._process_pending_results(iterator)
            waits = _is_waiting_for_ours(self)
        elif self._tqm.has_dead_workers():
            break
        elif gathering and gathering.waiting:
            _news_event.wait(LONG_PAUSE_SECONDS)
        else:
            time.sleep(PAUSE_SECONDS)
    return results + _ansible_methods["_wait_on_pending_results"](self, iterator)


def _is_waiting_for_ours(strategy: Any) -> bool:
    """Return whether the current task, of which a strategy has one at a time, is an action of the project."""
    queued = next(iter(strategy._queued_task_cache.values()), None)
    ours = map(installation.qualify_name, ("compile_plans", "compliance_state", "rollout"))
    return strategy._pending_results > 0 and queued is not None and queued["task"].action in ours


def _take_given_up(number: int, names: list[str]) -> None:
    """Store the hosts that a batch has given up. Called by Ansible's thread for results."""
    _given_up_hosts.append((number, names))
    _news_event.set()


def _take_answers(number: int, wire: Any, answers: HostAnswers) -> None:
    """Make the results of hosts from a sent result and their answers. Called by Ansible's thread for results."""
    strategy: Any = _strategies[number]
    waiting = _gatherings[strategy].waiting
    hosts = {name: waiting[name][1].host for name, _ in answers if waiting.get(name, (None,))[0] == number}
    if not hosts:
        return
    try:
        rehydrate = next(getattr(strategy, name) for name in REHYDRATE_METHODS if hasattr(strategy, name))
        # The original host of the message is unknown here.
        model = rehydrate(replace(wire, host_name=next(iter(hosts))))
        results = [_copy_result(model, hosts[name], answer) for name, answer in answers if name in hosts]
    except Exception as error:  # the separate workers may not have this error
        Display().warning(f"hosts are observed one by one, which takes longer: {type(error).__name__}: {error}")
        _take_given_up(number, list(hosts))
        return
    with strategy._results_lock:
        strategy._results.extend(results)
    _news_event.set()


def _copy_result(model: Any, host: Any, answer: Mapping[str, object]) -> Any:
    """Copy the result `model` for another host with another answer."""
    if not hasattr(model, "utr"):
        return type(model)(host, model.task, {**model._return_data, **answer}, model.task_fields)
    unified = model.utr  # since ansible-core 2.21, with the variables that the task registers
    registered = {
        variable: {**registered_value, **answer}
        for variable, registered_value in (unified.registered_values or {}).items()
    }
    data = {**unified.result_data, **answer}
    return replace(model, host=host, utr=replace(unified, result_data=data, registered_values=registered or None))


def _process_pending_results(self: Any, iterator: Any, *args: Any, **named: Any) -> Any:
    if not _can_gather(self):
        return _ansible_methods["_process_pending_results"](self, iterator, *args, **named)
    if not (self._results or _given_up_hosts):
        return []  # Ansible would copy a table of all hosts, which is large
    given_up = list(_given_up_hosts)  # copied now: entries that arrive with the last results wait for the next call
    results = _ansible_methods["_process_pending_results"](self, iterator, *args, **named)
    gathering = _gatherings.get(self)
    waiting = {} if gathering is None else gathering.waiting
    for result in results:
        _has_used_names("TaskResult()", result)
        waiting.pop(str(result.host.name), None)
    for number, names in given_up if not self._results else ():
        _given_up_hosts.remove((number, names))
        # A batch of an earlier task says nothing about the hosts of this task.
        for name in [name for name in names if waiting.get(name, (None,))[0] == number]:
            self._pending_results -= 1
            with _suppress_start_event(self._tqm):
                _ansible_methods["_queue_task"](self, *waiting.pop(name)[1])
    return results


@contextlib.contextmanager
def _suppress_start_event(manager: Any) -> Iterator[None]:
    """Suppress the start event of a host whose task has started before, which callbacks know."""
    send = manager.send_callback

    def send_quietly(name: str, *args: Any, **named: Any) -> None:
        if name != "v2_runner_on_start":
            send(name, *args, **named)

    manager.send_callback = send_quietly
    try:
        yield
    finally:
        del manager.send_callback


def _start_batch(strategy: Any, gathering: _GatheredHosts) -> None:
    """Start the worker of the gathered hosts."""
    members, gathering.members = gathering.members, []
    if not members:
        return
    own_member, *other_members = members
    if other_members:
        batches = min(MAX_PROCESSES, -(-len(strategy._hosts_cache) // MAX_BATCH_HOSTS))
        while len(_list_running_workers()) >= batches:
            time.sleep(PAUSE_SECONDS)
        batch = _HostBatch(next(_batch_numbers), members, max(1, len(strategy._tqm.get_workers()) // batches))
        _starting_batches.append(batch)
        _strategies[batch.number] = strategy
        gathering.waiting.update({member.name: (batch.number, member) for member in members})
        for member in other_members:
            # As Ansible's own method, but without a worker.
            strategy._queued_task_cache[(member.name, member.task._uuid)] = {
                "host": member.host,
                "task": member.task,
                "task_vars": member.variables,
                "play_context": member.play_context,
            }
            strategy._tqm.send_callback("v2_runner_on_start", member.host, member.task)
    strategy._pending_results -= 1
    _ansible_methods["_queue_task"](strategy, *own_member)


def _list_running_workers() -> list[WorkerProcess]:
    """Return the workers of batches that still run."""

    def is_running(process: WorkerProcess) -> bool:
        with contextlib.suppress(ValueError):  # Ansible has closed it after its end
            return bool(process.is_alive())
        return False

    _processes[:] = filter(is_running, _processes)
    return _processes
