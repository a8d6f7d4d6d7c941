"""The checked answers of the modules on hosts, as the readers of wire/answers/results.py return them.

host/host_operations.py makes the answers on a host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...base.typed_dict import TypedDict
from .quarantine import BrokenItem, ItemOutcome, QuarantineItem
from .record import FindingRecord, ObservedRecord

if TYPE_CHECKING:
    from typing import Annotated

    from ..quarantine_ids import MAX_ITEMS
    from .annotations import AnswerKeywords, ControlNames, Count, FileText, Line, Name


class TurnEntry(TypedDict):
    """A run that changes or has changed a host: its name (`by`), and the UTC time (`since`)."""

    by: Line
    since: Line


class SharedTurn(TurnEntry):
    """Another run that changed the host while this run was in progress."""

    waited: Count  # seconds that this run waited for the other run; 0 for a run between two changes of this run


class ModuleAnswer(TypedDict, total=False):
    """The keys that the answer of any module may have."""

    changed: bool
    failed: bool
    msg: str  # the message of a failure
    # the other run that holds the host's lock, if waiting for the lock timed out; nothing was changed then
    busy: TurnEntry
    other_runs: Annotated[list[SharedTurn], AnswerKeywords(item="a run", maxItems=16)]
    ansible_facts: dict[str, str]  # the path of Python, added by the action; no host reports it


class ObservationAnswer(ModuleAnswer, total=False):
    """The answer of the module `compliance_state`, which observes a host.

    An answer without `record` has the reason: a failure, or `lacking`.
    """

    record: ObservedRecord
    drifted: Annotated[ControlNames, AnswerKeywords(default=())]  # controls that an enforcing run would correct
    privileged: Annotated[bool, AnswerKeywords(default=False)]  # whether the host was observed as root
    not_installed: Line  # why the program for audits without root is not installed
    unwatched: ControlNames  # controls that the host's own watch does not correct after this run
    lacking: bool  # True if the host lacks code or a plan of which the controller sent only the name
    system: str  # the system of a Mac that received code for Linux
    # True if only users' own files make the gate fail. The controller sets it, and does not fail the host then.
    set_aside: bool
    cached: bool  # True if the host has code and plan in its cache now; only in the answer to a stream


class FileDifference(TypedDict):
    """A change of a file, in the form of Ansible's diff."""

    before_header: Name
    after_header: Name
    before: FileText
    after: FileText


class RefusedChange(TypedDict):
    """A change that the plan requires and that the host did not make, with the reason."""

    rule: Name
    subject: Name
    reason: Name


class PendingChange(TypedDict):
    """A firewall change that waits `within` seconds for its confirmation.

    `token` identifies the change. Without the confirmation, the host takes the change back.
    """

    token: str
    within: int


class ChangeAnswer(ModuleAnswer, total=False):
    """The answer of a module that changes a host."""

    actions: Annotated[list[Name], AnswerKeywords(item="an action", default=())]  # the changes, as texts
    refused: Annotated[list[RefusedChange], AnswerKeywords(item="a refusal", default=())]
    findings: Annotated[list[FindingRecord], AnswerKeywords(item="a finding", default=())]
    diff: Annotated[list[FileDifference], AnswerKeywords(item="a difference", default=())]
    notes: Annotated[list[Name], AnswerKeywords(item="a note", maxItems=20)]
    removed: list[dict[str, str]]  # packages that a lift does not install again, in the form of model/removal_record.py
    pending: PendingChange | str  # a host sends the mapping; the reader leaves only the token


class QuarantineAnswer(ModuleAnswer, total=False):
    """The answer of `quarantine`: the items if listed, the outcomes if items were restored or pruned."""

    quarantined: Annotated[list[QuarantineItem], AnswerKeywords(item="an item", maxItems=MAX_ITEMS)]
    broken: Annotated[list[BrokenItem], AnswerKeywords(item="a broken item", maxItems=MAX_ITEMS, default=())]
    left_out: Annotated[Count, AnswerKeywords(default=0)]  # number of items beyond the limits of a list
    outcomes: Annotated[list[ItemOutcome], AnswerKeywords(item="an outcome", maxItems=MAX_ITEMS)]
    actions: list[str]
    diff: list[FileDifference]


class StoredAnswer(ModuleAnswer, total=False):
    """The answer of `collect_record`: the record that a host has stored."""

    record: ObservedRecord
