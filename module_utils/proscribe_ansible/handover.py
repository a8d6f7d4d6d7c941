"""What the modules of the sweep hand each other, and the action that runs in it (sweep.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from proscribe.model.types.answer import ObservationAnswer
from proscribe.model.types.run import Variables
from proscribe.wire.observation import HostObservation
from proscribe.wire.replies.output_limits import OutputLimiter

ANSWER_KEYS = {"record", "drifted", "privileged"}  # in what the answers of two hosts may differ


class TaskMember(NamedTuple):
    """A host that a strategy queues for a task."""

    host: Any
    task: Any
    variables: Variables
    play_context: Any

    @property
    def name(self) -> str:
        """The name of the host."""
        return str(self.host.name)


HostAnswers = Sequence[tuple[str, Mapping[str, object]]]  # hosts, and what each answered
HostOutcome = Callable[[OutputLimiter], ObservationAnswer]  # returns the answer, or raises what was wrong with it


class ActionHandover:
    """What the process of a batch and the actions that run in it hand each other."""

    def __init__(self) -> None:
        # By the names of hosts, until the action has taken them.
        self.outcomes: dict[str, tuple[HostObservation, HostOutcome]] = {}
        self.capturing = False  # whether the action is to raise Captured instead of asking its host


handover = ActionHandover()


class CapturedAction(BaseException):
    """The action of a task, just before it would ask its host. It is no Exception, since Ansible's executor makes a
    result of each of those.
    """

    def __init__(self, action: Any, command: str) -> None:
        self.action, self.command = action, command
