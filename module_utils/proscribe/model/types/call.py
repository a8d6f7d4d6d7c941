"""Types of the calls that a controller sends to a host (wire/observation.py and wire/stream.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...base.typed_dict import TypedDict

if TYPE_CHECKING:
    from typing import NotRequired

from .plan import Plan


class ExpectedWatch(TypedDict, total=False):
    """The release of the watch (Proscribe's service on hosts) that is expected, and the time of the run."""

    release: str
    now: str  # the controller's time, UTC


class ObservationCall(TypedDict):
    """Arguments of the function `host_operations.compliance_state`, which observes the host."""

    controls: list[str]  # the controls to observe; [] for all
    gate: str  # the exit gate: the states with which the host fails
    will_correct: bool  # True if the same run corrects drifted controls next, so the gate is not applied to them
    probe: bool  # True if the browsers are probed, too
    remember: bool  # True in an enforcing run: the host stores data for later runs
    program: NotRequired[str]  # the text of the program for audits without root; "" removes the program from the host
    watch: NotRequired[ExpectedWatch]
    macos: NotRequired[bool]  # True if the sent code was made for a Mac


class StreamHead(TypedDict):
    """Head of the stream to a host: digests of the code and the plan, the call, and a time limit in seconds."""

    code: str
    plan: str
    call: ObservationCall
    seconds: NotRequired[int]


class AuditRequest(TypedDict):
    """The input of the program on a host that makes audits possible without the rights of root."""

    code: str  # SHA-256 of the code that the host has stored
    plan: str  # digest of the plan that the host has stored, without `sha256:`
    controls: list[str]
    gate: str
    seconds: int  # the time limit


class WatchInput(TypedDict):
    """The input of the Ansible module `host_watch`, which sets up the watch on a host."""

    program: str  # the text of the program that loads the code
    code: bytes
    plans: list[Plan]  # the plan of the host, and the plans that take effect later
    now: str  # the controller's time, UTC
