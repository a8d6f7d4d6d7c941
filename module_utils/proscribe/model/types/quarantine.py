"""Types for the quarantines of hosts: lists from hosts, items that an operator selects, and JSON output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...base.typed_dict import TypedDict

if TYPE_CHECKING:
    from typing import Annotated

    from ..vocabulary import OUTLOOKS, QUARANTINE_LIST_SCHEMA
    from .annotations import (
        AnswerKeywords,
        Count,
        Line,
        Name,
        QuarantinedKind,
        QuarantineGroup,
        QuarantineId,
        SchemaKeywords,
        Token,
    )


class QuarantineItem(TypedDict):
    """An item in the quarantine of a host, as the host lists it."""

    id: QuarantineId
    group: QuarantineGroup  # the common id of parts that were taken together; "" for an item that was taken whole
    services: Annotated[list[Token], AnswerKeywords(item="a service", maxItems=100)]
    bytes: Count
    finished: bool  # whether the move into quarantine was completed
    path: Name  # the path before the item was taken
    whole: Name  # the original path of the whole (such as an app's directory) of which the item is a part
    kind: Token
    taken_at: Annotated[Token, "Time at which the item was taken, by the host's clock: ISO 8601, UTC"]
    owner: Token
    place_of: Token  # the account in whose home directory the item was; "" if it was in none
    kept_until: Annotated[
        Token,
        "End of the retention: ISO 8601, UTC. The first enforcing run after it deletes the item. Empty "
        "for an item that is stored forever.",
    ]


class BrokenItem(TypedDict):
    """A directory in a quarantine whose manifest cannot be read."""

    id: Annotated[Token, "Name of the directory in the quarantine"]
    why: Line


class ItemOutcome(TypedDict):
    """The result of restoring or pruning an item on a host."""

    id: QuarantineId
    done: bool
    why: Line  # the reason why the operation was not done on the item


class NextRunOutlook(TypedDict):
    """Prediction: the effect of the next enforcing run on an item, if it is restored."""

    state: Annotated[
        str,
        "Effect of the next enforcing run. `taken`: it takes the item again. `waived`: a waiver covers "
        "the item. `left`: it leaves the item in place.",
        SchemaKeywords(enum=OUTLOOKS),
    ]
    waiver: str | None
    why: Annotated[str, "Reason for the prediction, as a short text"]


class ChosenItem(TypedDict):
    """Quarantined item that matches the operator's selectors."""

    host: Annotated[str, "Name of the host in the inventory"]
    id: Annotated[QuarantineId, "Id by which the item can be restored or deleted"]
    group: Annotated[str, "Common id of the parts that were taken together; empty for an item that was taken whole"]
    services: list[str]
    bytes: Annotated[Count, "Size on disk, in bytes"]
    finished: Annotated[
        bool, "False if the move into the quarantine was interrupted. The next enforcing run completes the move."
    ]
    path: Annotated[str, "Path before the item was taken. Characters that do not print are escaped."]
    kind: QuarantinedKind
    taken_at: Annotated[str, "Time at which the item was taken, by the host's clock: ISO 8601, UTC"]
    user: Annotated[str, "Account that owned the item"]
    kept_until: Annotated[
        str,
        "End of the retention: ISO 8601, UTC. The first enforcing run after it deletes the item. Empty "
        "for an item that is stored forever.",
    ]
    next_run: Annotated[NextRunOutlook, "Predicted effect of the next enforcing run on the item, if it is restored now"]


class HostQuarantine(TypedDict):
    """Result for a host: whether its quarantine could be listed."""

    host: Annotated[str, "Name of the host in the inventory"]
    state: Annotated[
        str,
        "`listed`: the host listed its quarantine. `unknown`: the content of the quarantine is not known.",
        SchemaKeywords(enum=("listed", "unknown")),
    ]
    reason: Annotated[str | None, "Reason why the quarantine is unknown; null for a listed quarantine"]
    broken: Annotated[list[BrokenItem], "Directories in the quarantine whose manifests cannot be read"]
    left_out: Annotated[Count, "Number of further entries for which the host's answer had no room"]


class QuarantineList(TypedDict):
    """The output of `./proscribe quarantine list --format json`."""

    schema: Annotated[str, SchemaKeywords(const=QUARANTINE_LIST_SCHEMA)]
    hosts: Annotated[list[HostQuarantine], "All hosts whose quarantine was to be listed"]
    items: Annotated[list[ChosenItem], "Quarantined items that match the options of the command, such as --user"]
