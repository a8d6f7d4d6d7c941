"""What the worker of a batch does: it asks all its hosts, and hands on what each answered (sweep.py).

For one of the hosts that are reached alike (connection_groups.py), its executor runs until the action would ask.
The others are asked the same, at their own addresses.
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
from proscribe.base.duration import shown
from proscribe.controller.report.text.layout import warning as in_lines
from proscribe.model.finding import LARGEST_ANSWER
from proscribe.model.types.answer import ObservationAnswer
from proscribe.wire.observation import Observation, answered, compiled_run, lacks
from proscribe.wire.replies.output_limits import Leash
from proscribe.wire.replies.shapes import Unusable
from proscribe.wire.sweep import thread_pool
from proscribe.wire.sweep.exchange import Ended, Limits, Password, by_client, exchange, over_connection
from proscribe.wire.sweep.multiplexing import LOST, NoSession, path_in

from proscribe_ansible.action import GRACE, observe_timeout
from proscribe_ansible.connection_groups import ADDRESSES, USUAL, alike, names_of, value_of, values
from proscribe_ansible.executor import Results, run_inside
from proscribe_ansible.handover import Captured, Member, Outcome, handover
from proscribe_ansible.private_names import SWEEP, complete

SILENT = 64  # hosts of a batch that may be waited for beside those that `forks` allows
AROUND = 64 * 1024  # bytes: no login shell prints more around an answer
MODELS = ("a.invalid", "b.invalid")  # the addresses at which the plugin is asked for the command

# What ssh's plugin says where `ssh` has no connection and there was something to be written.
UNREACHABLE = 'Data could not be sent to remote host "{}". Make sure this host can be reached over ssh'

display = Display()


Client = Callable[[str], tuple[bytes, ...]]  # `ssh` with all its arguments, at an address


class _Route(NamedTuple):
    """How hosts that are reached alike are asked."""

    action: Any
    connection: Any
    remote: str  # the command, with what becomes root
    client: Client
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


def observe(batch: Any, members: Sequence[Member], width: int) -> None:
    """Observe the hosts, `width` at a time, and send their results as the answers come. Who has none at the end is
    asked the ordinary way.
    """
    by_name = {member.name: member for member in members}
    try:
        questions = dict(question for group in alike(members) for question in _questions(batch, group))
        results = Results(batch)
        for come in thread_pool.answers(questions.items(), _answer, width, SILENT):
            try:
                for name, outcome in come:
                    if outcome is None:
                        batch.give_up([name])
                    else:
                        results.send(by_name[name], questions[name], _answer_in(outcome), outcome)
            finally:
                results.flush()
    except Exception as error:  # whatever it was, the ordinary way may be free of it
        why = f"hosts are observed one by one, which takes longer: {type(error).__name__}: {error}"
        display.warning(in_lines(why))


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
        run_inside(batch, member)
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
    if not complete(SWEEP, {"Connection()": connection}):
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
    client = _client(connection, remote, sudoable)
    return _Route(action, connection, remote, client, password, bool(login), retries)


def _question(route: _Route, member: Member, model: Member) -> _Question | None:
    """What a host is asked; None if that is another question than that of the `model`, or it has none."""
    connection, variables = route.connection, member.variables
    plugins = [("connection", connection._load_name), ("shell", connection._shell._load_name)]
    plugins += [("become", connection.become._load_name)] if connection.become else []
    names = names_of(*plugins)
    # What the usual plugins take was compared before, of all members.
    if member is not model and not names <= names_of(*USUAL) and values(member, names) != values(model, names):
        return None
    run = compiled_run(variables)
    try:
        observation = route.action.observation(run, member.name, observe_timeout(variables))
    except AnsibleError:
        return None
    address = str(next((value_of(variables, name) for name in ADDRESSES if name in variables), member.name))
    client = route.client(address)
    return _Question(observation, route, address, client, path_in(client))


def _client(connection: Any, remote: str, sudoable: bool) -> Client:
    """How `ssh` is started at an address. Ansible's plugin makes it for two addresses. What differs between them is the
    address and the socket of the connection that is kept open, and for the rest these are put in.
    """

    def made(address: str) -> tuple[bytes, ...]:
        taken: list[list[bytes]] = []

        def take(client: list[bytes], _data: object, sudoable: bool = True) -> tuple[int, bytes, bytes]:
            taken.append(client)
            return 0, b"", b""

        connection.set_option("host", address)
        connection._run = take
        connection.exec_command(remote, in_data=b"-", sudoable=sudoable)
        del connection._run
        for descriptor in connection.sshpass_pipe or ():  # of a program that will not be started
            os.close(descriptor)
        connection.sshpass_pipe = None
        return tuple(map(to_bytes, taken[0]))

    def socket_of(address: str) -> bytes:
        path = connection._create_control_path(address, connection.port, connection.user)
        return bytes(to_bytes(os.path.basename(path)))

    first, second = (made(address) for address in MODELS)
    differing = [place for place, two in enumerate(zip(first, second)) if two[0] != two[1]]
    model, socket = to_bytes(MODELS[0]), socket_of(MODELS[0])

    def filled(address: str) -> tuple[bytes, ...]:
        client, own = list(first), socket_of(address)
        for place in differing:
            client[place] = to_bytes(address) if first[place] == model else first[place].replace(socket, own)
        return tuple(client)

    return filled if filled(MODELS[1]) == second else made


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
            result = answered(ended.stdout)
        except Unusable as wrong:
            result = None
            if time.monotonic() < end:
                return partial(_raised, wrong)
        if result is not None and not lacks(result):
            return partial(_answered, result)
        if time.monotonic() >= end:  # the host has ended it, and would end it again
            return partial(_cut, f"it took longer than {shown(question.observation.seconds)}", False)
        if result is None and len(ended.stdout) > AROUND:
            return partial(_raised, Unusable(f"it printed {len(ended.stdout) // 1024} KiB without an answer"))
    return None


def _exchanged(question: _Question, stream: bytes, seconds: float, silent: Callable[[], None]) -> Ended | None:
    """What a host prints: over the connection that is open, else by `ssh`. None if that needs a password, or was
    lost.
    """
    route, host = question.route, question.observation.host
    limits = Limits(LARGEST_ANSWER, seconds)
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
        return partial(_cut, ended.cut, ended.gone)
    if ended.refused:
        return partial(_raised, AnsibleError(ended.refused))
    if ended.code == LOST:
        said = to_text(ended.stderr)
        return partial(_raised, AnsibleConnectionFailure(f"{UNREACHABLE.format(question.address)}: {said}"))
    return None


def _answered(result: ObservationAnswer, _leash: Leash) -> ObservationAnswer:
    return result


def _answer_in(outcome: Any) -> ObservationAnswer | None:
    """What a host answered well; None for another outcome."""
    answer: ObservationAnswer | None = None
    if isinstance(outcome, partial) and outcome.func is _answered:
        (answer,) = outcome.args
    return answer


def _raised(error: Exception, _leash: Leash) -> ObservationAnswer:
    raise error


def _cut(why: str, gone: bool, leash: Leash) -> ObservationAnswer:
    leash.cut(why)
    leash.gone = gone
    return {}
