"""What a host is asked (wire/observation.py and wire/stream.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...base.mappings import TypedDict

if TYPE_CHECKING:
    from typing import NotRequired

from .plan import Plan


class ExpectedWatch(TypedDict, total=False):
    """What a run knows of the watch that its hosts should have."""

    release: str
    now: str


class ObservationCall(TypedDict):
    """The arguments of `run.compliance_state`."""

    controls: list[str]
    gate: str
    will_correct: bool
    probe: bool
    remember: bool
    program: NotRequired[str]
    watch: NotRequired[ExpectedWatch]
    macos: NotRequired[bool]


class StreamHead(TypedDict):
    """The head of a stream: the names of code and plan, the call, and the seconds that the host has for it."""

    code: str
    plan: str
    call: ObservationCall
    seconds: NotRequired[int]


class AuditRequest(TypedDict):
    """What the program for audits without root is asked."""

    code: str
    plan: str
    controls: list[str]
    gate: str
    seconds: int


class WatchInput(TypedDict):
    """What the module `host_watch` is given."""

    program: str
    code: bytes
    plans: list[Plan]
    now: str
