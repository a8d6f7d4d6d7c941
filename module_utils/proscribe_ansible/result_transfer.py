"""The data that the modules of the sweep exchange, also with the action that runs in it (parallel_run.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from proscribe.model.types.answer import ObservationAnswer
from proscribe.model.types.run import Variables
from proscribe.wire.answers.output_limits import OutputLimiter
from proscribe.wire.observation import HostObservation

ANSWER_KEYS = {"record", "drifted", "privileged"}  # the keys in which answers that share a result may differ


class TaskMember(NamedTuple):
    """A host for which a strategy queues a task, with the arguments of that call."""

    host: Any
    task: Any
    variables: Variables
    play_context: Any

    @property
    def name(self) -> str:
        """The name of the host."""
        return str(self.host.name)


HostAnswers = Sequence[tuple[str, Mapping[str, object]]]  # names of hosts, each with its answer
HostOutcome = Callable[[OutputLimiter], ObservationAnswer]  # returns a host's answer, or raises the host's error


class ActionTransfer:
    """The data that the process of a batch and its actions exchange."""

    def __init__(self) -> None:
        # Answers that the batch has received, by the name of the host. The host's action takes its own.
        self.outcomes: dict[str, tuple[HostObservation, HostOutcome]] = {}
        self.capturing = False  # if True, an action raises CapturedAction instead of contacting its host


transfer = ActionTransfer()


class CapturedAction(BaseException):
    """The action of a task, raised where it would contact its host with `command`.

    This class is no Exception, because Ansible's executor turns every Exception into a result.
    """

    def __init__(self, action: Any, command: str) -> None:
        self.action, self.command = action, command
