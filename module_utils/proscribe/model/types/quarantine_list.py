"""What `./proscribe quarantine list --format json` prints (controller/custody/outcome.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...base.mappings import TypedDict

if TYPE_CHECKING:
    from typing import Annotated

    from ..words import OUTLOOKS, QUARANTINE_LIST_SCHEMA
    from .annotations import Count, Keywords, QuarantinedKind, QuarantineId


class NextRun(TypedDict):
    """What the next enforcing run makes of a thing that is restored."""

    state: Annotated[
        str,
        "The next enforcing run takes it again; a waiver covers it; nothing takes it there",
        Keywords(enum=OUTLOOKS),
    ]
    waiver: str | None
    why: Annotated[str, "In words"]


class QuarantinedItem(TypedDict):
    """A thing in the quarantine of a host."""

    host: Annotated[str, "The inventory name"]
    id: Annotated[QuarantineId, "What it is restored or pruned by"]
    group: Annotated[str, "What parts that were taken together share; empty for a thing that was taken whole"]
    taken_at: Annotated[str, "When it was taken, by the host's clock"]
    user: Annotated[str, "The account whose it was"]
    services: list[str]
    kind: QuarantinedKind
    path: Annotated[str, "Where it was, with escapes for what does not print"]
    bytes: Annotated[Count, "What it takes on the disk"]
    kept_until: Annotated[str, "The first enforcing run after that prunes it; empty for ever"]
    finished: Annotated[bool, "False where a move was cut short, which the next enforcing run completes"]
    next_run: Annotated[NextRun, "Once it is restored"]


class BrokenFolder(TypedDict):
    """A folder of a quarantine whose manifest cannot be read."""

    id: Annotated[str, "The folder's name"]
    why: str


class HostQuarantine(TypedDict):
    """What a host answered."""

    host: Annotated[str, "The inventory name"]
    state: Annotated[str, "unknown: nobody has seen its quarantine", Keywords(enum=("listed", "unknown"))]
    reason: Annotated[str | None, "Why it is unknown"]
    broken: Annotated[list[BrokenFolder], "Folders whose manifests cannot be read"]
    left_out: Annotated[Count, "How many more things there are than one answer has room for"]


class QuarantineList(TypedDict):
    """The quarantines of the hosts that were asked."""

    schema: Annotated[str, Keywords(const=QUARANTINE_LIST_SCHEMA)]
    hosts: Annotated[list[HostQuarantine], "Every host that was asked"]
    items: Annotated[list[QuarantinedItem], "What fits the selectors"]
