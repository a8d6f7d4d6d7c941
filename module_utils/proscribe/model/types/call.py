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
    now: str


class ObservationCall(TypedDict):
    """Arguments of the function `run.compliance_state`, which observes the host."""

    controls: list[str]
    gate: str
    will_correct: bool
    probe: bool
    remember: bool
    program: NotRequired[str]
    watch: NotRequired[ExpectedWatch]
    macos: NotRequired[bool]


class StreamHead(TypedDict):
    """Head of the stream to a host: digests of the code and the plan, the call, and a time limit in seconds."""

    code: str
    plan: str
    call: ObservationCall
    seconds: NotRequired[int]


class AuditRequest(TypedDict):
    """The input of the program on a host that makes audits possible without the rights of root.

    `seconds` is the time limit.
    """

    code: str
    plan: str
    controls: list[str]
    gate: str
    seconds: int


class WatchInput(TypedDict):
    """The input of the Ansible module `host_watch`, which sets up the watch on a host."""

    program: str
    code: bytes
    plans: list[Plan]
    now: str
