"""What the worker of a batch does: it asks all hosts of the batch, and runs Ansible's executor for each that answered
(proscribe_sweep.py).

Hosts that are reached alike share what is made for one of them: Ansible's plugins with their options, and the command.
For that one, the executor is run until the action would ask; the others differ in their address only. All of the
connection's variables are compared for it, with their expressions evaluated.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from ansible import constants as C
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.executor.process import worker as workers
from ansible.executor.process.worker import WorkerProcess
from ansible.executor.task_executor import TaskExecutor
from ansible.module_utils.common.text.converters import to_bytes, to_text
from ansible.template import Templar
from ansible.utils.display import Display
from proscribe import installation
from proscribe.duration import shown
from proscribe.observation import Observation, answered, compiled_run, lacks
from proscribe.reply.output_limits import Leash
from proscribe.reply.shapes import Unusable
from proscribe.sweep import crew
from proscribe.sweep.exchange import Ended, Limits, Password, by_client, exchange, over_connection
from proscribe.sweep.multiplexing import LOST, NoSession
from proscribe_action import GRACE, MOST, observe_timeout
from proscribe_sweep import Captured, Member, Outcome, handover

SILENT = 64  # hosts of a batch that may be waited for beside those that `forks` allows
ADDRESSES = ("ansible_ssh_host", "ansible_host")  # the first that is there counts
# Variables that Ansible's executor itself reads.
MORE = frozenset(
    {
        "ansible_become",
        "ansible_become_method",
        "ansible_connection",
        "ansible_network_os",
        "ansible_python_interpreter",
    }
)
# Keywords that decide how a host is reached and what it is asked.
KEYWORDS = (
    "args",
    "become",
    "become_user",
    "become_method",
    "become_flags",
    "become_exe",
    "remote_user",
    "port",
    "connection",
    "check_mode",
)
# Keywords that make another result of what the action returns.
JUDGING = ("changed_when", "failed_when", "notify", "no_log")
WHOLE = "_task.polymorphic_result"  # what `register: name` stands for since ansible-core 2.21
ANSWER = {"record", "drifted", "privileged"}  # in what the answers of two hosts may differ
CONTROL_PATH = re.compile(rb'controlpath[ =]"?([^"]*)"?', re.IGNORECASE)

# What ssh's plugin says where `ssh` has no connection and there was something to be written.
UNREACHABLE = 'Data could not be sent to remote host "{}". Make sure this host can be reached over ssh'

display = Display()


class _Route(NamedTuple):
    """How hosts that are reached alike are asked."""

    action: Any
    connection: Any
    remote: str  # the command, with what becomes root
    sudoable: bool
    password: Password | None
    login: bool  # whether a new connection needs a password
    retries: bool  # whether Ansible tries again where there is no connection


class _Question(NamedTuple):
    """A host with what it is asked, ready for a thread."""

    observation: Observation
    route: _Route
    address: str
    client: tuple[bytes, ...]  # `ssh` with all its arguments
    path: str  # of the connection that is kept open; "" for none


class _Inside(WorkerProcess):
    """Ansible's worker of a member, which runs in the process of the batch."""

    def __init__(self, batch: Any, member: Member, question: _Question | None) -> None:
        self.__dict__.update(batch.__dict__)
        # Workers evaluate their task in place: it is theirs alone, as it is after a fork.
        task = member.task.copy(exclude_parent=True, exclude_tasks=True)
        task._parent = member.task._parent
        if question is not None:
            for keyword in KEYWORDS:  # an expression costs more than all else of a task
                setattr(task, keyword, getattr(question.route.action._task, keyword))
        self._host, self._task, self._task_vars = member.host, task, dict(member.variables)
        self._play_context = member.play_context
        self._term = batch._term
        self._final_q = self.sent = _Sent(batch._final_q)

    def _detach(self) -> None:
        """The process of the batch is detached."""

    def _hard_exit(self, _error: str) -> None:
        raise  # noqa: PLE0704 - it is called where an exception is handled


class _Sent:
    """The queue to the strategy, which remembers the last result that went through it."""

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


class _Executor(TaskExecutor):
    """Ansible's executor, with a connection that is there: nothing is written to it, since the answer is there too."""

    question: _Question | None = None  # of the member that is run

    def _get_connection(self, *args: Any, **named: Any) -> Any:
        if self.question is None:
            return super()._get_connection(*args, **named)
        connection = self.question.route.connection
        connection.host = self.question.address
        return connection

    def _set_connection_options(self, *args: Any, **named: Any) -> Any:
        return [] if self.question is not None else super()._set_connection_options(*args, **named)


def _run_inside(batch: Any, member: Member, question: _Question | None = None) -> Any:
    """Run Ansible's executor for a member, and return the result that it sends to the strategy. With a `question`, the
    answer to it is there.
    """
    host = member.host
    variables, groups = host.vars, host.groups
    _Executor.question, workers.TaskExecutor = question, _Executor
    try:
        inside = _Inside(batch, member, question)
        inside.run()
        return inside.sent.last
    finally:
        _Executor.question, workers.TaskExecutor = None, TaskExecutor
        host.vars, host.groups = variables, groups  # a worker empties them, for the way to the strategy


def observe(batch: Any, members: Sequence[Member], width: int) -> None:
    """Observe the hosts, `width` at a time, and send the result of each as its answer comes. Who has none at the end is
    asked the ordinary way.
    """
    by_name = {member.name: member for member in members}
    try:
        questions = dict(question for group in _alike(members) for question in _questions(batch, group))
        results = _Results(batch)
        for name, outcome in crew.answers(questions.items(), _answer, width, SILENT):
            if outcome is None:
                batch.give_up([name])
            else:
                results.send(by_name[name], questions[name], outcome)
    except Exception as error:  # whatever it was, the ordinary way may be free of it
        display.warning(f"hosts are observed one by one, which takes longer: {type(error).__name__}: {error}")


class _Results:
    """Sends the results of members. Hosts that are asked alike and answered well have results that differ in the answer
    only, so Ansible's executor makes the first one's, and the others' are as that one.
    """

    def __init__(self, batch: Any) -> None:
        self._batch = batch
        self._models: dict[int, tuple[Any, dict[str, Any]]] = {}  # by route: a result as it was sent, and the answer

    def send(self, member: Member, question: _Question, outcome: Outcome) -> None:
        """Send the result of a member."""
        answered = getattr(outcome, "func", None) is _answered and _is_plain(member.task)
        result = question.observation.noted(dict(outcome.args[0])) if answered else {}  # type: ignore[attr-defined]
        wire, model = self._models.get(id(question.route), (None, {}))
        if wire is not None and answered and _differ_in(model, result) <= ANSWER:
            self._batch._final_q.put(_like(wire, member.name, result))
            return
        handover.outcomes[member.name] = question.observation, outcome
        sent = _run_inside(self._batch, member, question)
        if (
            answered
            and result.keys() >= ANSWER
            and not result.keys() & {"failed", "not_installed"}
            and not _warns(sent)
        ):
            self._models[id(question.route)] = sent, result


def _warns(wire: Any) -> bool:
    """Whether a result has warnings, which are of one host."""
    return "warnings" in wire.return_data if hasattr(wire, "return_data") else bool(wire.utr.warnings)


def _is_plain(task: Any) -> bool:
    """Whether nothing of a task says more of its result than the action does. Since ansible-core 2.21 `register` can
    hold expressions, one for each variable.
    """
    register = task.register if isinstance(task.register, dict) else {}
    return (
        not any(getattr(task, keyword, None) for keyword in JUDGING)
        and "{{" not in str(task.name)
        and all(expression == WHOLE for expression in register.values())
    )


def _differ_in(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    return {key for key in one.keys() | other.keys() if key not in one or key not in other or one[key] != other[key]}


def _like(wire: Any, name: str, result: dict[str, Any]) -> Any:
    """A result as the one that was sent, of another host with another answer."""
    answer = {key: result[key] for key in ANSWER}
    if not hasattr(wire, "utr"):
        return replace(wire, host_name=name, return_data={**wire.return_data, **answer})
    unified = wire.utr  # since ansible-core 2.21: with the variables that the task registers
    registered = {variable: {**value, **answer} for variable, value in (unified.registered_values or {}).items()}
    data = {**unified.result_data, **answer}
    return replace(wire, host_name=name, utr=replace(unified, result_data=data, registered_values=registered or None))


# -- what hosts have in common ----------------------------------------------------------------------------------------


def _alike(members: Sequence[Member]) -> Iterator[list[Member]]:
    """The members in groups of those that are reached alike, and asked the same."""
    if not _is_constant(members[0].task):
        yield from ([member] for member in members)
        return
    names = _names(("connection", "ssh"), ("shell", "sh"), ("become", "sudo"))
    groups: dict[str, list[Member]] = {}
    for member in members:
        groups.setdefault(_values(member, names), []).append(member)
    yield from groups.values()


def _is_constant(task: Any) -> bool:
    """Whether a task is the same for hosts that are reached alike. In our own playbooks no expression has other
    variables than those of the connection.
    """
    if task.when:
        return False
    if str(task.get_path()).startswith(f"{installation.PLAYBOOKS}/"):
        return True
    return not any("{{" in str(getattr(task, keyword)) for keyword in KEYWORDS)


def _names(*plugins: tuple[str, str]) -> set[str]:
    """The variables that plugins take their options from, and Ansible what it gives to them."""
    names = {name for kind, plugin in plugins for name in C.config.get_plugin_vars(kind, plugin)}
    names |= {name for aliases in C.MAGIC_VARIABLE_MAPPING.values() for name in aliases}
    return (names | MORE) - {*ADDRESSES, "inventory_hostname"}


def _values(member: Member, names: set[str]) -> str:
    """The values that a host has for these variables, as one text."""
    found = {name: _value(member.variables, name) for name in sorted(names & member.variables.keys())}
    return repr(found)


def _value(variables: dict[str, Any], name: str) -> Any:
    """The value of a variable; what does not hold an expression is not evaluated."""
    value = variables[name]
    if value is None or isinstance(value, (bool, int)) or isinstance(value, str) and "{" not in value:
        return value
    try:
        return Templar(None, variables=variables).template(value)
    except AnsibleError as error:
        return error  # unlike any other; the executor will tell of it


# -- the question -----------------------------------------------------------------------------------------------------


def _questions(batch: Any, group: list[Member]) -> Iterator[tuple[str, _Question]]:
    """What the hosts of a group are asked, by their names; without those whose task has ended before."""
    left = list(group)
    while left:
        captured = _captured(batch, left[0])
        if captured is not None:
            if route := _route(captured):
                made = ((member.name, _question(route, member, left[0])) for member in left)
                yield from ((name, question) for name, question in made if question)
            return
        left.pop(0)  # it has its result


def _captured(batch: Any, member: Member) -> Captured | None:
    """The action of a member, ready to ask; None if the task has ended before, with a result."""
    handover.capturing = True
    try:
        _run_inside(batch, member)
    except Captured as captured:
        return captured
    finally:
        handover.capturing = False
    return None


def _route(captured: Captured) -> _Route | None:
    """How the hosts are asked that are reached as this one; None if only Ansible's plugin knows how."""
    action, connection = captured.action, captured.action._connection
    become = connection.become
    if type(connection).__module__ != "ansible.plugins.connection.ssh" or not action.can_stream():
        return None
    taken: list[tuple[str, bool]] = []

    def take(command: str, in_data: object = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        taken.append((command, sudoable))
        return 0, b"", b""

    connection.exec_command = take
    action._low_level_execute_command(captured.command, in_data=b"-")
    del connection.exec_command
    [(remote, sudoable)] = taken
    password = None
    if become is not None and become.expect_prompt():
        text = to_bytes(become.get_option("become_pass", playcontext=connection._play_context))

        def refused(said: bytes) -> str:
            if become.check_incorrect_password(said):
                return f"Incorrect {become.name} password"
            return f"Missing {become.name} password" if become.check_missing_password(said) else ""

        password = Password(text, become.check_password_prompt, become.check_success, refused)
    given = connection._play_context.password
    login = given or any(connection.get_option(name) for name in ("password", "pkcs11_provider"))
    retries = bool(connection.get_option("reconnection_retries"))
    return _Route(action, connection, remote, sudoable, password, bool(login), retries)


def _question(route: _Route, member: Member, model: Member) -> _Question | None:
    """What a host is asked; None if that is another question than that of the `model`, or it has none."""
    connection, variables = route.connection, member.variables
    plugins = [("connection", connection._load_name), ("shell", connection._shell._load_name)]
    plugins += [("become", connection.become._load_name)] if connection.become else []
    names = _names(*plugins)
    if member is not model and _values(member, names) != _values(model, names):
        return None
    run = compiled_run(variables)
    try:
        observation = route.action.observation(run, member.name, observe_timeout(variables))
    except AnsibleError:
        return None
    address = str(next((_value(variables, name) for name in ADDRESSES if name in variables), member.name))
    taken: list[list[bytes]] = []

    def take(client: list[bytes], _data: object, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        taken.append(client)
        return 0, b"", b""

    connection.set_option("host", address)
    connection._run = take
    connection.exec_command(route.remote, in_data=b"-", sudoable=route.sudoable)
    del connection._run
    for descriptor in connection.sshpass_pipe or ():  # of a program that will not be started
        os.close(descriptor)
    connection.sshpass_pipe = None
    client = tuple(map(to_bytes, taken[0]))
    paths = [found[1].decode() for one in client if (found := CONTROL_PATH.fullmatch(one))]
    path = paths[0] if paths and paths[0].startswith("/") and "%" not in paths[0] else ""
    return _Question(observation, route, address, client, path)


# -- in threads -------------------------------------------------------------------------------------------------------


def _answer(question: _Question, step_aside: Callable[[], None]) -> Outcome | None:
    """Ask a host; None if it has to be asked the ordinary way."""

    def unconnected() -> None:
        if not (question.path and os.path.exists(question.path)):  # `ssh` makes it once it is connected
            step_aside()

    end = time.monotonic() + question.observation.seconds
    for stream in question.observation.streams():
        ended = _exchanged(question, stream, end - time.monotonic() + GRACE, unconnected)
        if ended is None or ended.code == LOST and question.route.retries:
            return None
        outcome = _ending(question, ended)
        if outcome is not None:
            return outcome
        try:
            result = answered(to_text(ended.stdout, errors="surrogate_then_replace"))
        except Unusable as wrong:
            result = None
            if time.monotonic() < end:
                return partial(_raised, wrong)
        if result is not None and not lacks(result):
            return partial(_answered, result)
        if time.monotonic() >= end:  # the host has ended it, and would end it again
            return partial(_cut, f"it took longer than {shown(question.observation.seconds)}")
    return None


def _exchanged(question: _Question, stream: bytes, seconds: float, silent: Callable[[], None]) -> Ended | None:
    """What a host prints: over the connection that is open, else by `ssh`. None if that needs a password, or was
    lost.
    """
    route, host = question.route, question.observation.host
    limits = Limits(MOST, seconds)
    try:
        if os.path.exists(question.path):
            with contextlib.suppress(NoSession):
                display.vvv(f"SSH: over {question.path}: {route.remote}", host=host)
                start = over_connection(question.path, route.remote)
                ended = exchange(start, stream, limits, route.password, silent)
                return None if ended.code == LOST else ended
        if route.login:
            return None
        display.vvv(f"SSH: EXEC {shlex.join(map(to_text, question.client))}", host=host)
        return exchange(by_client(question.client), stream, limits, route.password, silent)
    except OSError as error:  # of this machine: no descriptors, no processes
        display.vvv(f"asked the ordinary way: {error}", host=host)
        return None


def _ending(question: _Question, ended: Ended) -> Outcome | None:
    """What it means that a command ended as it did; None if that is for its answer to say."""
    if ended.cut:
        return partial(_cut, ended.cut)
    if ended.refused:
        return partial(_raised, AnsibleError(ended.refused))
    if ended.code == LOST:
        said = to_text(ended.stderr)
        return partial(_raised, AnsibleConnectionFailure(f"{UNREACHABLE.format(question.address)}: {said}"))
    return None


def _answered(result: dict[str, Any], _leash: Leash) -> dict[str, Any]:
    return result


def _raised(error: Exception, _leash: Leash) -> dict[str, Any]:
    raise error


def _cut(why: str, leash: Leash) -> dict[str, Any]:
    leash.cut(why)
    return {}
