"""Ansible's executor in the worker of a batch (batch.py): it makes results of tasks from answers of hosts.

Its connection and its action exist already, for the first of the hosts that are reached alike. The action takes the
stored answer instead of contacting the host. Hosts with the same question and a good answer have results that differ
only in the answer. So the executor runs for the first of them. The answers of the others go to the strategy's process,
many at a time, and become results there (parallel_run.py).
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

# Keywords that change the result of the action.
JUDGING_KEYWORDS = ("changed_when", "failed_when", "notify", "no_log")
WARNED_KEYS = frozenset({"failed", "not_installed", "unwatched"})  # keys that give a host a report of its own
WHOLE_RESULT_EXPRESSION = "_task.polymorphic_result"  # the meaning of `register: name` since ansible-core 2.21


class _InsideWorker(WorkerProcess):
    """Ansible's worker of a host, which runs in the process of the batch."""

    def __init__(self, batch: Any, member: TaskMember, question: Any) -> None:
        self.__dict__.update(batch.__dict__)
        # Workers evaluate their task in place, so each needs a task of its own, as after a fork.
        task = member.task.copy(exclude_parent=True, exclude_tasks=True)
        task._parent = member.task._parent
        if question is not None:
            for keyword in TASK_KEYWORDS:  # evaluating an expression costs more than the rest of the task
                setattr(task, keyword, getattr(question.route.action._task, keyword))
        self._host, self._task, self._task_vars = member.host, task, dict(member.variables)
        self._play_context = member.play_context
        self._term = batch._term
        self._final_q = self.sent = _ResultQueue(batch._final_q)

    def _detach(self) -> None:
        """Do nothing: the process of the batch is detached already."""

    def _hard_exit(self, _error: str) -> None:
        raise  # noqa: PLE0704 - it is called where an exception is handled


class _ResultQueue:
    """The queue to the strategy, which stores the last result that passed."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue
        self.last: Any = None

    def put(self, result: Any) -> None:
        self.last = result
        self._queue.put(result)

    def send_task_result(self, *result: Any) -> None:
        type(self._queue).send_task_result(self, *result)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)


class _AnsweredExecutor(TaskExecutor):
    """Ansible's executor with an existing connection, to which nothing is written, because the answer exists, too."""

    question: Any = None  # the question to the host whose task runs now

    def _get_connection(self, *args: Any, **named: Any) -> Any:
        if self.question is None:
            return super()._get_connection(*args, **named)
        connection = self.question.route.connection
        connection.host = self.question.address
        return connection

    def _set_connection_options(self, *args: Any, **named: Any) -> Any:
        return [] if self.question is not None else super()._set_connection_options(*args, **named)


def run_executor(batch: Any, member: TaskMember, question: Any = None) -> Any:
    """Run Ansible's executor for a host, and return the result that it sends to the strategy.

    With a `question`, the answer to it is stored in the transfer.
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
        host.vars, host.groups = variables, groups  # a worker empties them before it sends the host to the strategy


class MemberResults:
    """The results of hosts on their way to the strategy. Those that differ only in the answer wait for `flush`."""

    def __init__(self, batch: Any) -> None:
        self._batch = batch
        # By route: a sent result with its answer, and the other hosts with their answers.
        self._models: dict[int, tuple[Any, Mapping[str, object]]] = {}
        self._alike: dict[int, list[tuple[str, Mapping[str, object]]]] = {}
        self._plain: dict[int, bool] = {}  # whether a task is plain, by its identity

    def send(self, member: TaskMember, question: Any, answer: ObservationAnswer | None, outcome: Any) -> None:
        """Send the result of a host. `answer` is its good answer, None for any other `outcome`."""
        task, route = id(member.task), id(question.route)
        if task not in self._plain:
            self._plain[task] = _is_plain_task(member.task)
        plain = self._plain[task] and answer is not None
        result = question.observation.note_cached(answer.copy()) if answer is not None and plain else {}
        wire, model = self._models.get(route, (None, {}))
        if wire is not None and plain and _find_differing_keys(model, result) <= ANSWER_KEYS:
            self._alike.setdefault(route, []).append((member.name, {key: result[key] for key in ANSWER_KEYS}))
            return
        transfer.outcomes[member.name] = question.observation, outcome
        sent = run_executor(self._batch, member, question)
        if plain and result.keys() >= ANSWER_KEYS and not result.keys() & WARNED_KEYS and not _has_warnings(sent):
            self._models.setdefault(route, (sent, result))  # gathered results are like the first

    def flush(self) -> None:
        """Send the gathered answers: a single message for all hosts with the same question."""
        gathered, self._alike = self._alike, {}
        for route, answers in gathered.items():
            self._batch.answered(self._models[route][0], answers)


def _has_warnings(wire: Any) -> bool:
    """Return whether a result has warnings, which belong to a single host."""
    return "warnings" in wire.return_data if hasattr(wire, "return_data") else bool(wire.utr.warnings)


def _is_plain_task(task: Any) -> bool:
    """Return whether the action alone decides the result of a task.

    Since ansible-core 2.21 `register` can have expressions, one for each variable.
    """
    register = task.register if isinstance(task.register, dict) else {}
    return (
        not any(getattr(task, keyword, None) for keyword in JUDGING_KEYWORDS)
        and "{{" not in str(task.name)
        and all(expression == WHOLE_RESULT_EXPRESSION for expression in register.values())
    )


def _find_differing_keys(first_answer: Mapping[str, object], second_answer: Mapping[str, object]) -> set[str]:
    return {
        key
        for key in first_answer.keys() | second_answer.keys()
        if key not in first_answer or key not in second_answer or first_answer[key] != second_answer[key]
    }
