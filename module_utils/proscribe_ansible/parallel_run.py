"""The sweep: the observation of many hosts by one process, a worker of Ansible for a batch of hosts.

Ansible forks a worker for each host of a task. The worker starts an `ssh`, templates the task, and ends: most of the
cost of an observation for the controller. This module gathers the hosts that can be observed over SSH. A single worker
is forked for a batch of these hosts (batch.py). The worker contacts all of them, a number of hosts at a time (`forks`).
After the answer of a host, the worker runs Ansible's own executor for this host. The action takes the stored answer
(executor.py). So Ansible processes an answer as without the sweep: conditions, results, registered variables,
callbacks, the recap.

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
MAX_BATCH_HOSTS = 250  # most hosts of a batch; their variables are in memory until its process has started
MAX_PROCESSES = os.cpu_count() or 1
PAUSE_SECONDS = 0.01  # seconds between two checks for ended workers and results
LONG_PAUSE_SECONDS = 0.1  # seconds of the same pause while a batch runs, which can end the pause
# Methods of Ansible's Display that a batch calls in the strategy's process, by a message in Ansible's queue.
GIVEN_UP_METHOD = "proscribe_hosts_given_up"
ANSWERED_METHOD = "proscribe_hosts_answered"
# The method that makes a result from a worker's message has two names: until ansible-core 2.20, and since then.
REHYDRATE_METHODS = tuple(SWEEP.names["StrategyBase"][-1].split(NAME_SEPARATOR))


# -- in the process of the strategy -----------------------------------------------------------------------------------


class _GatheredHosts:
    """The hosts of a strategy that wait for their batch to start, or for a result of their started batch."""

    def __init__(self) -> None:
        self.members: list[TaskMember] = []  # gathered hosts, whose batch has not started
        # Hosts of started batches that have no result yet. Key: name of the host; value: the number of its batch.
        self.waiting: dict[str, tuple[int, TaskMember]] = {}


class _HostBatch(NamedTuple):
    """A batch: hosts that a single worker observes."""

    number: int
    members: list[TaskMember]
    width: int  # hosts that are contacted at a time


_gatherings: weakref.WeakKeyDictionary[StrategyBase, _GatheredHosts] = weakref.WeakKeyDictionary()
_ansible_methods: dict[str, Callable[..., Any]] = {}  # by name: the methods of StrategyBase that this module replaces
_starting_batches: list[_HostBatch] = []  # at most one: the next worker that is created takes it
_processes: list[WorkerProcess] = []  # the workers of batches
_batch_numbers = itertools.count()
# Each entry: the number of a batch, and hosts for which the batch has no result. Ansible forks a worker for each host.
_given_up_hosts: list[tuple[int, list[str]]] = []
_strategies: weakref.WeakValueDictionary[int, StrategyBase] = weakref.WeakValueDictionary()  # by the number of a batch
_news_event = threading.Event()  # set when a message of a batch has arrived
_checked_kinds: dict[str, bool] = {}  # by kind of object: whether it has all used private names


class BatchWorker(WorkerProcess):
    """Ansible's worker, which observes all hosts of a batch instead of one host if a batch waits to be started."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self.named = named
        _has_used_names("WorkerProcess()", self)
        self.batch = _starting_batches.pop() if _starting_batches else None
        if self.batch is not None:
            _processes.append(self)

    def start(self) -> None:
        """Fork the worker process, and delete the batch in this process to free its memory.

        Ansible stores an ended worker until another worker takes its place. The variables of a host contain the names
        of all hosts: a quarter of a megabyte for each of 10,000 hosts.
        """
        _freeze_imports()
        super().start()
        self.batch = None  # only the forked process needs the batch

    def _run(self) -> None:
        """Observe the hosts of the batch, in the forked process.

        Without a batch, do Ansible's own work.
        """
        if self.batch is None:
            super()._run()
            return
        from proscribe_ansible.batch import observe_hosts  # not needed in the strategy's process

        observe_hosts(self, self.batch.members, self.batch.width)
        self.give_up([member.name for member in self.batch.members])

    def give_up(self, names: list[str]) -> None:
        """Send a message that makes the strategy's process fork a worker for each of these hosts.

        The message arrives after all results that were sent before. So hosts that have a result get no worker.
        """
        if self.batch is not None:
            self._final_q.send_display(GIVEN_UP_METHOD, self.batch.number, names)

    def answered(self, wire: Any, answers: HostAnswers) -> None:
        """Send the strategy's process the answers of hosts whose results differ from `wire` only in the answer.

        `wire` is the result of another host, in the form in which workers send results.
        """
        if self.batch is not None:
            self._final_q.send_display(ANSWERED_METHOD, self.batch.number, wire, answers)


@functools.cache
def _freeze_imports() -> None:
    """Exclude all objects that exist now from the garbage collection, because imported code is never garbage.

    Otherwise a collection in a worker would copy memory that the processes share. The cache makes this happen once per
    process, because counting the frozen objects would take longer than the fork.
    """
    gc.freeze()


def install_gathering() -> None:
    """Replace methods of Ansible's strategies in this process, so that they gather hosts for batches.

    Nothing is replaced if PROSCRIBE_SWEEP is "off", if the classes are changed already, or if a private name is
    missing.
    """
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
    """Return True if an object has all private names of ansible-core that this module uses on this kind of object.

    Only the first object of a kind is checked, and its result counts for all.
    """
    if kind not in _checked_kinds:
        _checked_kinds[kind] = has_all_names(SWEEP, {kind: checked_object})
    return _checked_kinds[kind]


def _can_gather(strategy: Any) -> bool:
    """Return True if hosts may be gathered: the strategy and all objects checked so far have the private names."""
    return (
        all(_checked_kinds.values())
        and _has_used_names("StrategyBase()", strategy)
        and _has_used_names("TaskQueueManager()", strategy._tqm)
    )


def _queue_task(self: Any, host: Any, task: Any, task_vars: Variables, play_context: Any) -> None:
    """Gather a host for a batch, in place of Ansible's method, which forks a worker for each host.

    A host that cannot be observed together with others goes to Ansible's method. `self` is the strategy.
    """
    member = TaskMember(host, task, task_vars, play_context)
    # A worker and a result must have been checked before, usually those of the task that compiles the plans.
    is_checked = _can_gather(self) and _checked_kinds.keys() >= {"WorkerProcess()", "TaskResult()"}
    if not (is_checked and _has_used_names("Task()", task) and can_observe_together(self, member)):
        _ansible_methods["_queue_task"](self, *member)
        return
    gathering = _gatherings.setdefault(self, _GatheredHosts())
    gathering.members.append(member)
    self._pending_results += 1  # otherwise the strategy would not wait for the host
    if len(gathering.members) >= MAX_BATCH_HOSTS:
        _start_batch(self, gathering)


def _wait_on_pending_results(self: Any, iterator: Any) -> Any:
    """Start the batch of the gathered hosts, and return the results of the task when all hosts have one.

    This replaces Ansible's method. `self` is the strategy.
    """
    if not _can_gather(self):
        return _ansible_methods["_wait_on_pending_results"](self, iterator)
    results = []
    if gathering := _gatherings.get(self):
        _start_batch(self, gathering)
    # Ansible's own loop checks a thousand times a second, and copies a table of all hosts each time. So this loop comes
    # first.
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
    """Return True if a strategy waits for results of a task that is one of the project's actions.

    A strategy has only one current task, so any queued task shows it.
    """
    queued = next(iter(strategy._queued_task_cache.values()), None)
    own_actions = map(installation.qualify_name, ("compile_plans", "compliance_state", "rollout"))
    return strategy._pending_results > 0 and queued is not None and queued["task"].action in own_actions


def _take_given_up(number: int, names: list[str]) -> None:
    """Store the hosts for which batch `number` has no result.

    Ansible's thread for results calls this.
    """
    _given_up_hosts.append((number, names))
    _news_event.set()


def _take_answers(number: int, wire: Any, answers: HostAnswers) -> None:
    """Queue the results of hosts of batch `number`, made from a sent result and the answers of these hosts.

    `wire` is the sent result of another host, which differs only in the answer. Hosts that no longer wait for this
    batch are ignored. If the results cannot be made, each host gets a worker of its own. Ansible's thread for results
    calls this.
    """
    strategy: Any = _strategies[number]
    waiting = _gatherings[strategy].waiting
    hosts = {name: waiting[name][1].host for name, _ in answers if waiting.get(name, (None,))[0] == number}
    if not hosts:
        return
    try:
        rehydrate = next(getattr(strategy, name) for name in REHYDRATE_METHODS if hasattr(strategy, name))
        # The message's original host is unknown here, so the first of these hosts takes its place.
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
    """Return a copy of the result `model`, for another host and with the answer of that host."""
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
    """Return the results that have arrived, and fork a worker for each host that a batch has given up.

    This replaces Ansible's method, which only returns results. `self` is the strategy.
    """
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
    # A given up host may already have a result that is not processed yet, so all results are processed first.
    for number, names in given_up if not self._results else ():
        _given_up_hosts.remove((number, names))
        # The batch may be of an earlier task, and the host may wait for another batch now. So both numbers must be
        # equal.
        for name in [name for name in names if waiting.get(name, (None,))[0] == number]:
            self._pending_results -= 1
            with _suppress_start_event(self._tqm):
                _ansible_methods["_queue_task"](self, *waiting.pop(name)[1])
    return results


@contextlib.contextmanager
def _suppress_start_event(manager: Any) -> Iterator[None]:
    """Suppress the event `v2_runner_on_start` while the `with` body queues a host again.

    The callbacks received this event of the host when its batch was started.
    """
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
    """Start a worker that observes all gathered hosts of a strategy; for a single host, an ordinary worker.

    If the maximum number of batches runs already, this waits until one of them has ended.
    """
    members, gathering.members = gathering.members, []
    if not members:
        return
    own_member, *other_members = members  # Ansible forks the worker of the batch for the first host
    if other_members:
        # most batches at a time: one for each processor, and no more than all hosts need
        max_batches = min(MAX_PROCESSES, -(-len(strategy._hosts_cache) // MAX_BATCH_HOSTS))
        while len(_list_running_workers()) >= max_batches:
            time.sleep(PAUSE_SECONDS)
        # The limit of Ansible's workers (`forks`) is divided among the batches.
        batch = _HostBatch(next(_batch_numbers), members, max(1, len(strategy._tqm.get_workers()) // max_batches))
        _starting_batches.append(batch)
        _strategies[batch.number] = strategy
        gathering.waiting.update({member.name: (batch.number, member) for member in members})
        for member in other_members:
            # The same entry and event as in Ansible's own method, but without a worker.
            strategy._queued_task_cache[(member.name, member.task._uuid)] = {
                "host": member.host,
                "task": member.task,
                "task_vars": member.variables,
                "play_context": member.play_context,
            }
            strategy._tqm.send_callback("v2_runner_on_start", member.host, member.task)
    strategy._pending_results -= 1  # Ansible's method counts the first host again
    _ansible_methods["_queue_task"](strategy, *own_member)


def _list_running_workers() -> list[WorkerProcess]:
    """Return the workers of batches that still run."""

    def is_running(process: WorkerProcess) -> bool:
        with contextlib.suppress(ValueError):  # raised for a worker that Ansible has closed after its end
            return bool(process.is_alive())
        return False

    _processes[:] = filter(is_running, _processes)
    return _processes
