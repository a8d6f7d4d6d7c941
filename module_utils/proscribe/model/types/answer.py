"""What the modules of hosts answer (host/run.py), as results.py of wire/replies lets it through."""

from __future__ import annotations

from ...base.mappings import TypedDict
from .quarantine import BrokenItem, ItemOutcome, QuarantineItem
from .record import FindingRecord, ObservedRecord


class TurnEntry(TypedDict):
    """Who changes a host, or did, and since when."""

    by: str
    since: str


class SharedTurn(TurnEntry):
    """With whom a run shared a host; `waited` is 0 where the other one came between two changes."""

    waited: int  # seconds


class ModuleAnswer(TypedDict, total=False):
    """What any module may answer."""

    changed: bool
    failed: bool
    msg: str
    busy: TurnEntry  # who has the host, for whom there was no more time to wait; nothing was changed then
    other_runs: list[SharedTurn]
    ansible_facts: dict[str, str]  # the interpreter that the action has found, which no host says


class ObservationAnswer(ModuleAnswer, total=False):
    """What `compliance_state` answers. Without a record it says why there is none."""

    record: ObservedRecord
    drifted: list[str]
    privileged: bool
    not_installed: str  # why the program for audits without root is not
    unwatched: list[str]  # controls that the host's own watch leaves alone after this run
    lacking: bool  # whether it has not got what was only named
    system: str  # of a Mac that was sent code for Linux
    set_aside: bool  # whether users alone keep the host from its gate; of the controller, which then does not fail it
    cached: bool  # whether it has code and plan in its cache now; of a stream only


class FileDifference(TypedDict):
    """What changed in a file, as Ansible shows it."""

    before_header: str
    after_header: str
    before: str
    after: str


class RefusedChange(TypedDict):
    """What enforcing called for and was not done."""

    rule: str
    subject: str
    reason: str


class PendingChange(TypedDict):
    """A change of the firewall that waits for its confirmation, for so many seconds."""

    token: str
    within: int


class ChangeAnswer(ModuleAnswer, total=False):
    """What a module that changes a host answers."""

    actions: list[str]
    refused: list[RefusedChange]
    findings: list[FindingRecord]
    diff: list[FileDifference]
    notes: list[str]
    removed: list[dict[str, str]]  # what a lift leaves removed, as model/removed.py has it
    pending: PendingChange | str  # the controller takes the token alone


class QuarantineAnswer(ModuleAnswer, total=False):
    """What `quarantine` answers: of a list, or of what was done."""

    items: list[QuarantineItem]
    broken: list[BrokenItem]
    left_out: int
    outcomes: list[ItemOutcome]
    actions: list[str]
    diff: list[FileDifference]


class StoredAnswer(ModuleAnswer, total=False):
    """What `collect_record` answers: the record that a host has kept."""

    record: ObservedRecord
