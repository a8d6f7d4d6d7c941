"""Ansible's executor in the worker of a batch (batch.py): it makes results of tasks from the answers of hosts.

The connection and the action exist already. They were made for the first of the hosts that are reached alike. The
action takes the stored answer instead of contacting the host.

Hosts with the same question and a good answer have results that differ only in the answer. So the executor runs only
for the first of these hosts. The answers of the other hosts are sent to the strategy's process, many at a time. There
they become results (parallel_run.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.executor.process import worker as workers
from ansible.executor.process.worker import WorkerProcess
from ansible.executor.task_executor import TaskExecutor
from proscribe.model.types.answer import ObservationAnswer

from proscribe_ansible.connection_groups import TASK_KEYWORDS
from proscribe_ansible.result_transfer import ANSWER_KEYS, TaskMember, transfer

# Keywords of a task that change the result of the action.
JUDGING_KEYWORDS = ("changed_when", "failed_when", "notify", "no_log")
WARNED_KEYS = frozenset({"failed", "not_installed", "unwatched"})  # failures and warnings of a single host
WHOLE_RESULT_EXPRESSION = "_task.polymorphic_result"  # `register: name` means this since ansible-core 2.21


class _InsideWorker(WorkerProcess):
    """Ansible's worker of a host, run inside the process of the batch instead of in a process of its own.

    `batch` is the worker of the batch. `question` is None if the host has not answered yet.
    """

    def __init__(self, batch: Any, member: TaskMember, question: Any) -> None:
        self.__dict__.update(batch.__dict__)
        # A worker evaluates the task in place, so each worker needs a copy of the task, as after a fork.
        task = member.task.copy(exclude_parent=True, exclude_tasks=True)
        task._parent = member.task._parent
        if question is not None:
            # These values are evaluated already. To evaluate them again would cost more than the rest of the task.
            for keyword in TASK_KEYWORDS:
                setattr(task, keyword, getattr(question.route.action._task, keyword))
        self._host, self._task, self._task_vars = member.host, task, dict(member.variables)
        self._play_context = member.play_context
        self._term = batch._term
        self._final_q = self.sent = _ResultQueue(batch._final_q)

    def _detach(self) -> None:
        """Do nothing: the process of the batch is detached already."""

    def _hard_exit(self, _error: str) -> None:
        """Raise the current exception again.

        Ansible's worker would end the whole process, and so the batch.
        """
        raise  # noqa: PLE0704 - it is called where an exception is handled


class _ResultQueue:
    """A wrapper of the queue to the strategy's process that also stores the last result that was sent (`last`)."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue
        self.last: Any = None

    def put(self, result: Any) -> None:
        self.last = result
        self._queue.put(result)

    def send_task_result(self, *result: Any) -> None:
        # The queue's own method is called with this wrapper as `self`, so that it calls `put` above.
        type(self._queue).send_task_result(self, *result)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)


class _AnsweredExecutor(TaskExecutor):
    """Ansible's executor for a host that has answered already.

    It takes the existing connection of the host's group. Nothing is sent over the connection, because the action takes
    the stored answer. Without a question it is Ansible's executor, unchanged.
    """

    question: Any = None  # the question to the host whose task runs now; None without an answer

    def _get_connection(self, *args: Any, **named: Any) -> Any:
        # The hosts of a group share a connection, so it gets the address of this host.
        if self.question is None:
            return super()._get_connection(*args, **named)
        connection = self.question.route.connection
        connection.host = self.question.address
        return connection

    def _set_connection_options(self, *args: Any, **named: Any) -> Any:
        # After an answer, the group's connection has its options already, and contacts no host.
        return [] if self.question is not None else super()._set_connection_options(*args, **named)


def run_executor(batch: Any, member: TaskMember, question: Any = None) -> Any:
    """Run Ansible's executor for a host, and return the result that it sends to the strategy.

    `batch` is the worker of the batch. With a `question`, the host has answered already, and its action takes the
    answer from `transfer.outcomes`. Without a question (None), the task runs until its action would contact the host.
    There the action raises CapturedAction.
    """
    host = member.host
    variables, groups = host.vars, host.groups
    _AnsweredExecutor.question, workers.TaskExecutor = question, _AnsweredExecutor
    try:
        inside = _InsideWorker(batch, member, question)
        inside.run()
        return inside.sent.last
    finally:
        _AnsweredExecutor.question, workers.TaskExecutor = None, TaskExecutor
        host.vars, host.groups = variables, groups  # a worker empties both before it sends its result


class MemberResults:
    """The results of the hosts of a batch, on their way to the strategy's process.

    Results that differ only in the answer wait for `flush`, which sends them together.
    """

    def __init__(self, batch: Any) -> None:
        self._batch = batch
        # Key of both: id() of a route, the connection data that a group of hosts shares. `_models` has a sent result,
        # with its answer, as the model for other hosts. `_alike` has the hosts that wait for `flush`, each with its
        # answer. Their results differ from the model only in the answer.
        self._models: dict[int, tuple[Any, Mapping[str, object]]] = {}
        self._alike: dict[int, list[tuple[str, Mapping[str, object]]]] = {}
        self._plain: dict[int, bool] = {}  # key: id() of a task; value: True if the action alone decides its result

    def send(self, member: TaskMember, question: Any, answer: ObservationAnswer | None, outcome: Any) -> None:
        """Send the result of a host, or only gather its answer for `flush` if the rest equals a sent result.

        `outcome` is a function that returns the host's answer or raises the host's error. `answer` is the answer; None
        if the outcome is an error or an exceeded limit.
        """
        task, route = id(member.task), id(question.route)
        if task not in self._plain:
            self._plain[task] = _is_plain_task(member.task)
        is_plain = self._plain[task] and answer is not None
        result = question.observation.note_cached(answer.copy()) if answer is not None and is_plain else {}
        model_result, model_answer = self._models.get(route, (None, {}))
        if model_result is not None and is_plain and _find_differing_keys(model_answer, result) <= ANSWER_KEYS:
            self._alike.setdefault(route, []).append((member.name, {key: result[key] for key in ANSWER_KEYS}))
            return
        transfer.outcomes[member.name] = question.observation, outcome
        sent = run_executor(self._batch, member, question)
        if is_plain and result.keys() >= ANSWER_KEYS and not result.keys() & WARNED_KEYS and not _has_warnings(sent):
            self._models.setdefault(route, (sent, result))  # the model of the results that are gathered later

    def flush(self) -> None:
        """Send the gathered answers: a single message for all hosts with the same question."""
        gathered, self._alike = self._alike, {}
        for route, answers in gathered.items():
            self._batch.answered(self._models[route][0], answers)


def _has_warnings(wire: Any) -> bool:
    """Return True if a result has warnings.

    These belong to a single host, so the result cannot be a model.
    """
    return "warnings" in wire.return_data if hasattr(wire, "return_data") else bool(wire.utr.warnings)


def _is_plain_task(task: Any) -> bool:
    """Return True if the action alone decides the result of a task.

    Keywords such as `failed_when`, and expressions in the name or in `register`, can change the result. Since
    ansible-core 2.21 `register` can have expressions, one for each variable.
    """
    register = task.register if isinstance(task.register, dict) else {}
    return (
        not any(getattr(task, keyword, None) for keyword in JUDGING_KEYWORDS)
        and "{{" not in str(task.name)
        and all(expression == WHOLE_RESULT_EXPRESSION for expression in register.values())
    )


def _find_differing_keys(first_answer: Mapping[str, object], second_answer: Mapping[str, object]) -> set[str]:
    """Return the keys whose values differ in two answers, or that only one answer has."""
    return {
        key
        for key in first_answer.keys() | second_answer.keys()
        if key not in first_answer or key not in second_answer or first_answer[key] != second_answer[key]
    }
