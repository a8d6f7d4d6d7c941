"""The calls that a host receives (wire/observation.py and wire/stream.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...base.typed_dict import TypedDict

if TYPE_CHECKING:
    from typing import NotRequired

from .plan import Plan


class ExpectedWatch(TypedDict, total=False):
    """The release of the watch that hosts should have, and the time of the run."""

    release: str
    now: str


class ObservationCall(TypedDict):
    """Arguments of `run.compliance_state`."""

    controls: list[str]
    gate: str
    will_correct: bool
    probe: bool
    remember: bool
    program: NotRequired[str]
    watch: NotRequired[ExpectedWatch]
    macos: NotRequired[bool]


class StreamHead(TypedDict):
    """Head of a stream: the names of code and plan, the call, and the host's time limit in seconds."""

    code: str
    plan: str
    call: ObservationCall
    seconds: NotRequired[int]


class AuditRequest(TypedDict):
    """The input of the program for audits without root."""

    code: str
    plan: str
    controls: list[str]
    gate: str
    seconds: int


class WatchInput(TypedDict):
    """The input of the module `host_watch`."""

    program: str
    code: bytes
    plans: list[Plan]
    now: str
