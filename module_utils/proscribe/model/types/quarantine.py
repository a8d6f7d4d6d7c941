"""Types for the quarantines of hosts: lists from hosts, items that an operator selects, and JSON output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...base.typed_dict import TypedDict

if TYPE_CHECKING:
    from typing import Annotated

    from ..vocabulary import OUTLOOKS, QUARANTINE_LIST_SCHEMA
    from .annotations import Count, QuarantinedKind, QuarantineId, SchemaKeywords


class QuarantineItem(TypedDict):
    """An item in the quarantine of a host, as the host lists it."""

    id: str
    group: str  # the common id of parts that were taken into quarantine together; "" for an item that was taken whole
    services: list[str]
    bytes: int
    finished: bool  # whether the move into quarantine was completed
    path: str  # the path before the item was taken
    whole: str  # the original path of the whole (such as an app's directory) of which the item is a part
    kind: str
    taken_at: Annotated[str, "When it was taken, by the host's clock"]
    owner: str
    place_of: str  # the account in whose home directory the item was; "" if it was in none
    kept_until: Annotated[str, "The first enforcing run after that prunes it; empty for ever"]


class BrokenItem(TypedDict):
    """A directory in a quarantine whose manifest cannot be read."""

    id: Annotated[str, "The folder's name"]
    why: str


class ItemOutcome(TypedDict):
    """The result of restoring or pruning an item on a host."""

    id: str
    done: bool
    why: str  # the reason why the operation was not done on the item


class NextRunOutlook(TypedDict):
    """Prediction: the effect of the next enforcing run on an item, if it is restored."""

    state: Annotated[
        str,
        "The next enforcing run takes it again; a waiver covers it; nothing takes it there",
        SchemaKeywords(enum=OUTLOOKS),
    ]
    waiver: str | None
    why: Annotated[str, "In words"]


class ChosenItem(TypedDict):
    """Quarantined item that matches the operator's selectors."""

    host: Annotated[str, "The inventory name"]
    id: Annotated[QuarantineId, "What it is restored or pruned by"]
    group: Annotated[str, "What parts that were taken together share; empty for a thing that was taken whole"]
    services: list[str]
    bytes: Annotated[Count, "What it takes on the disk"]
    finished: Annotated[bool, "False where a move was cut short, which the next enforcing run completes"]
    path: Annotated[str, "Where it was, with escapes for what does not print"]
    kind: QuarantinedKind
    taken_at: Annotated[str, "When it was taken, by the host's clock"]
    user: Annotated[str, "The account whose it was"]
    kept_until: Annotated[str, "The first enforcing run after that prunes it; empty for ever"]
    next_run: Annotated[NextRunOutlook, "Once it is restored"]


class HostQuarantine(TypedDict):
    """Result for a host: whether its quarantine could be listed."""

    host: Annotated[str, "The inventory name"]
    state: Annotated[str, "unknown: nobody has seen its quarantine", SchemaKeywords(enum=("listed", "unknown"))]
    reason: Annotated[str | None, "Why it is unknown"]
    broken: Annotated[list[BrokenItem], "Folders whose manifests cannot be read"]
    left_out: Annotated[Count, "How many more things there are than one answer has room for"]


class QuarantineList(TypedDict):
    """The output of `./proscribe quarantine list --format json`."""

    schema: Annotated[str, SchemaKeywords(const=QUARANTINE_LIST_SCHEMA)]
    hosts: Annotated[list[HostQuarantine], "Every host that was asked"]
    items: Annotated[list[ChosenItem], "What fits the selectors"]
