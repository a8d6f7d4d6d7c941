"""The worker of a batch: it contacts all hosts of the batch, and passes on the answer of each (parallel_run.py).

Hosts that are reached alike form a group (connection_groups.py). For the first host of a group, Ansible's executor runs
until the action would contact the host. The other hosts of the group get the same question, at their own addresses.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.text.converters import to_bytes, to_text
from ansible.utils.display import Display
from proscribe.base.duration import format_duration
from proscribe.controller.report.text.terminal_layout import fit_warning as in_lines
from proscribe.model.finding import MAX_ANSWER_BYTES
from proscribe.model.types.answer import ObservationAnswer
from proscribe.wire.answers.output_limits import OutputLimiter
from proscribe.wire.answers.value_readers import UnusableAnswer
from proscribe.wire.observation import HostObservation, get_compiled_run, has_no_answer, parse_observation
from proscribe.wire.parallel import thread_pool
from proscribe.wire.parallel.exchange import (
    BecomePassword,
    ExchangeLimits,
    ExchangeResult,
    run_exchange,
    start_by_client,
    start_over_connection,
)
from proscribe.wire.parallel.multiplexing import LOST_EXIT_CODE, NoMultiplexSession, find_control_path

from proscribe_ansible.action import GRACE_SECONDS, get_observe_timeout
from proscribe_ansible.connection_groups import (
    ADDRESS_VARIABLES,
    USUAL_PLUGINS,
    evaluate_variable,
    format_values,
    group_alike,
    list_plugin_variables,
)
from proscribe_ansible.executor import MemberResults, run_executor
from proscribe_ansible.private_names import SWEEP, has_all_names
from proscribe_ansible.result_transfer import CapturedAction, HostOutcome, TaskMember, transfer

# A batch contacts `forks` hosts at a time. A host that is silent before it is connected gives its place to another
# host. The batch waits for at most this many such hosts.
MAX_SILENT_HOSTS = 64
MAX_SHELL_OUTPUT_BYTES = 64 * 1024  # bytes; no login shell prints more around an answer
MODEL_ADDRESSES = ("a.invalid", "b.invalid")  # examples for which Ansible's plugin builds the `ssh` command

# The message of Ansible's ssh plugin if `ssh` has no connection to which it could write the input.
UNREACHABLE = 'Data could not be sent to remote host "{}". Make sure this host can be reached over ssh'

display = Display()


MakeClientCommand = Callable[[str], tuple[bytes, ...]]  # returns `ssh` with all its arguments, for an address


class _HostRoute(NamedTuple):
    """The connection data that the hosts of a group share: Ansible's plugins, the command and the passwords."""

    action: Any
    connection: Any
    remote_command: str  # the command with the escalation to root
    make_client: MakeClientCommand
    password: BecomePassword | None
    needs_login_password: bool  # True if a new connection needs a password, which only Ansible's plugin can give
    has_retries: bool  # True if Ansible retries a lost connection


class _HostQuestion(NamedTuple):
    """A host to contact in a thread: the data to send, and the connection or the command to send them."""

    observation: HostObservation
    route: _HostRoute
    address: str
    client: tuple[bytes, ...]  # `ssh` with all its arguments
    path: str  # the socket of the open connection; "" for none


def observe_hosts(batch: Any, members: Sequence[TaskMember], width: int) -> None:
    """Observe the hosts of a batch, and send each host's result to the strategy when its answer comes.

    `batch` is the worker of the batch. `width` is the number of hosts that are contacted at a time. A host without a
    result at the end gets a worker of its own from Ansible.
    """
    by_name = {member.name: member for member in members}
    try:
        questions = dict(question for group in group_alike(members) for question in _list_questions(batch, group))
        results = MemberResults(batch)
        for outcomes in thread_pool.run_tasks(questions.items(), _ask_host, width, MAX_SILENT_HOSTS):
            try:
                for name, outcome in outcomes:
                    if outcome is None:
                        batch.give_up([name])
                    else:
                        results.send(by_name[name], questions[name], _get_answer(outcome), outcome)
            finally:
                results.flush()
    except Exception as error:  # the separate workers may not have this error
        message = f"hosts are observed one by one, which takes longer: {type(error).__name__}: {error}"
        display.warning(in_lines(message))


# -- questions to hosts -----------------------------------------------------------------------------------------------


def _list_questions(batch: Any, group: list[TaskMember]) -> Iterator[tuple[str, _HostQuestion]]:
    """Yield the name of each host of a group, with the question to the host.

    A host has no question if its task ended with a result before any contact. Hosts that the batch cannot reach have
    none either.
    """
    members_left = list(group)
    while members_left:
        # The action of the first host gives the connection data that the whole group shares.
        captured = _capture_action(batch, members_left[0])
        if captured is not None:
            if route := _make_route(captured):
                questions = ((member.name, _make_question(route, member, members_left[0])) for member in members_left)
                yield from ((name, question) for name, question in questions if question)
            return
        members_left.pop(0)  # its task has ended with a result, so the next host is captured


def _capture_action(batch: Any, member: TaskMember) -> CapturedAction | None:
    """Run Ansible's executor for a host until the action would contact the host, and return that action.

    Returns None if the task has ended with a result instead.
    """
    transfer.capturing = True
    try:
        run_executor(batch, member)
    except CapturedAction as captured:
        return captured
    finally:
        transfer.capturing = False
    return None


def _make_route(captured: CapturedAction) -> _HostRoute | None:
    """Build the route that this host shares with its group; None if only Ansible's plugin can reach these hosts."""
    action, connection = captured.action, captured.action._connection
    become = connection.become
    if type(connection).__module__ != "ansible.plugins.connection.ssh" or not action.can_stream():
        return None
    if not has_all_names(SWEEP, {"Connection()": connection}):
        return None
    # Ansible's own code builds the command with the escalation to root. Its last step is replaced, so that the command
    # is noted instead of executed.
    captured_commands: list[tuple[str, bool]] = []

    def capture_command(command: str, in_data: object = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        captured_commands.append((command, sudoable))
        return 0, b"", b""

    connection.exec_command = capture_command
    action._low_level_execute_command(captured.command, in_data=b"-")
    del connection.exec_command
    [(remote, sudoable)] = captured_commands
    password = None
    if become is not None and become.expect_prompt():
        text = to_bytes(become.get_option("become_pass", playcontext=connection._play_context))

        def describe_refusal(output: bytes) -> str:
            """Return the problem if the host refuses the password; "" otherwise."""
            if become.check_incorrect_password(output):
                return f"Incorrect {become.name} password"
            return f"Missing {become.name} password" if become.check_missing_password(output) else ""

        password = BecomePassword(text, become.check_password_prompt, become.check_success, describe_refusal)
    login_password = connection._play_context.password
    needs_login_password = login_password or any(
        connection.get_option(name) for name in ("password", "pkcs11_provider")
    )
    retries = bool(connection.get_option("reconnection_retries"))
    client = _make_client(connection, remote, sudoable)
    return _HostRoute(action, connection, remote, client, password, bool(needs_login_password), retries)


def _make_question(route: _HostRoute, member: TaskMember, model: TaskMember) -> _HostQuestion | None:
    """Build the question to a host; None if the host needs a worker of its own.

    `model` is the first host of the group, for which the route was made. A worker is needed if the connection variables
    of the host differ from those of `model`. It is also needed if the action refuses the host.
    """
    connection, variables = route.connection, member.variables
    plugins = [("connection", connection._load_name), ("shell", connection._shell._load_name)]
    plugins += [("become", connection.become._load_name)] if connection.become else []
    names = list_plugin_variables(*plugins)
    # `group_alike` has compared the variables of the usual plugins, so only those of other plugins are compared here.
    if (
        member is not model
        and not names <= list_plugin_variables(*USUAL_PLUGINS)
        and format_values(member, names) != format_values(model, names)
    ):
        return None
    run = get_compiled_run(variables)
    try:
        observation = route.action.make_observation(run, member.name, get_observe_timeout(variables))
    except AnsibleError:
        return None
    address = str(
        next((evaluate_variable(variables, name) for name in ADDRESS_VARIABLES if name in variables), member.name)
    )
    client = route.make_client(address)
    return _HostQuestion(observation, route, address, client, find_control_path(client))


def _make_client(connection: Any, remote: str, sudoable: bool) -> MakeClientCommand:
    """Return a function that builds the command of `ssh`, with all arguments, for an address.

    Ansible's plugin builds the command for two example addresses. These commands differ only in the address and in the
    socket of the open connection. For other addresses the function replaces these two parts. If the replacement does
    not give the second command, the plugin builds the command for every address.
    """

    def make_command(address: str) -> tuple[bytes, ...]:
        """Build the command with Ansible's plugin, which is slow."""
        captured_commands: list[list[bytes]] = []

        def capture_command(client: list[bytes], _data: object, sudoable: bool = True) -> tuple[int, bytes, bytes]:
            captured_commands.append(client)
            return 0, b"", b""

        connection.set_option("host", address)
        connection._run = capture_command
        connection.exec_command(remote, in_data=b"-", sudoable=sudoable)
        del connection._run
        for descriptor in connection.sshpass_pipe or ():  # pipe to the program sshpass, which is never started
            os.close(descriptor)
        connection.sshpass_pipe = None
        return tuple(map(to_bytes, captured_commands[0]))

    def name_socket(address: str) -> bytes:
        """Return the file name of the socket of an open connection to an address."""
        path = connection._create_control_path(address, connection.port, connection.user)
        return bytes(to_bytes(os.path.basename(path)))

    first, second = (make_command(address) for address in MODEL_ADDRESSES)
    differing_places = [place for place, pair in enumerate(zip(first, second)) if pair[0] != pair[1]]
    model, socket = to_bytes(MODEL_ADDRESSES[0]), name_socket(MODEL_ADDRESSES[0])

    def fill_command(address: str) -> tuple[bytes, ...]:
        """Build the command from that of the first example address, which is fast."""
        client, own_socket = list(first), name_socket(address)
        for place in differing_places:
            client[place] = to_bytes(address) if first[place] == model else first[place].replace(socket, own_socket)
        return tuple(client)

    return fill_command if fill_command(MODEL_ADDRESSES[1]) == second else make_command


# -- contact with hosts, in threads -----------------------------------------------------------------------------------


def _ask_host(question: _HostQuestion, step_aside: Callable[[], None]) -> HostOutcome | None:
    """Send the question to a host, and return the outcome; None if the host needs a separate worker.

    The question is a stream, which the host's Python reads. A host that has stored the code and the plan first gets a
    stream with only their names. If the host has lost them, a stream with both follows.

    `step_aside` gives the thread's place to another host. It is called if the host is silent before it is connected.
    """

    def step_aside_unconnected() -> None:
        if not (question.path and os.path.exists(question.path)):  # `ssh` creates the socket once it is connected
            step_aside()

    end = time.monotonic() + question.observation.seconds
    for stream in question.observation.list_streams():
        ended = _exchange_stream(question, stream, end - time.monotonic() + GRACE_SECONDS, step_aside_unconnected)
        if ended is None or ended.code == LOST_EXIT_CODE and question.route.has_retries:
            return None
        outcome = _judge_ending(question, ended)
        if outcome is not None:
            return outcome
        try:
            result = parse_observation(ended.stdout)
        except UnusableAnswer as wrong:
            result = None
            if time.monotonic() < end:
                return partial(_raise_error, wrong)
        if result is not None and not has_no_answer(result):
            return partial(_return_answer, result)
        if time.monotonic() >= end:  # the host ended the call at its limit, and would do so again
            return partial(
                _end_for_limit, f"it took longer than {format_duration(question.observation.seconds)}", False
            )
        if result is None and len(ended.stdout) > MAX_SHELL_OUTPUT_BYTES:
            return partial(
                _raise_error, UnusableAnswer(f"it printed {len(ended.stdout) // 1024} KiB without an answer")
            )
    return None


def _exchange_stream(
    question: _HostQuestion, stream: bytes, seconds: float, report_silence: Callable[[], None]
) -> ExchangeResult | None:
    """Send a stream to a host over the open connection, else by `ssh`, and return the output of the host.

    Returns None if `ssh` needs a password, if the open connection was lost, or if this machine lacks resources.
    `report_silence` is called once if the host prints nothing for a while.
    """
    route, host = question.route, question.observation.host
    limits = ExchangeLimits(MAX_ANSWER_BYTES, seconds)
    try:
        if os.path.exists(question.path):
            with contextlib.suppress(NoMultiplexSession):
                display.vvv(f"SSH: over {question.path}: {route.remote_command}", host=host)
                start = start_over_connection(question.path, route.remote_command)
                ended = run_exchange(start, stream, limits, route.password, report_silence)
                return None if ended.code == LOST_EXIT_CODE else ended
        if route.needs_login_password:
            return None
        display.vvv(f"SSH: EXEC {shlex.join(map(to_text, question.client))}", host=host)
        return run_exchange(start_by_client(question.client), stream, limits, route.password, report_silence)
    except OSError as error:  # this machine lacks descriptors or processes
        display.vvv(f"asked the ordinary way: {error}", host=host)
        return None


def _judge_ending(question: _HostQuestion, ended: ExchangeResult) -> HostOutcome | None:
    """Return the outcome if a limit, a refused password or a lost connection ended the command; else None.

    After None, the output of the command decides.
    """
    if ended.cut_reason:
        return partial(_end_for_limit, ended.cut_reason, ended.has_ended)
    if ended.refusal:
        return partial(_raise_error, AnsibleError(ended.refusal))
    if ended.code == LOST_EXIT_CODE:
        output = to_text(ended.stderr)
        return partial(_raise_error, AnsibleConnectionFailure(f"{UNREACHABLE.format(question.address)}: {output}"))
    return None


# The following functions, with their first arguments given (functools.partial), are outcomes of hosts. The action of
# a host calls its outcome with a limiter.
def _return_answer(result: ObservationAnswer, _limiter: OutputLimiter) -> ObservationAnswer:
    return result


def _get_answer(outcome: Any) -> ObservationAnswer | None:
    """Return the answer of a host from its outcome; None if the outcome is an error or an exceeded limit."""
    answer: ObservationAnswer | None = None
    if isinstance(outcome, partial) and outcome.func is _return_answer:
        (answer,) = outcome.args
    return answer


def _raise_error(error: Exception, _limiter: OutputLimiter) -> ObservationAnswer:
    raise error


def _end_for_limit(reason: str, has_ended: bool, limiter: OutputLimiter) -> ObservationAnswer:
    """End the local processes of a host whose command exceeded a limit, and return an empty answer.

    The limiter keeps the reason, and with `has_ended` that the session on the host has ended, too.
    """
    limiter.end_processes(reason)
    limiter.has_ended = has_ended
    return {}
