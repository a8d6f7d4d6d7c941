"""The answers of the modules on hosts (host/host_operations.py), as wire/answers/results.py returns them."""

from __future__ import annotations

from ...base.typed_dict import TypedDict
from .quarantine import BrokenItem, ItemOutcome, QuarantineItem
from .record import FindingRecord, ObservedRecord


class TurnEntry(TypedDict):
    """The process that changes or changed a host, and since when."""

    by: str
    since: str


class SharedTurn(TurnEntry):
    """Another run that changed the host, too. `waited` is 0 if it came between two changes of this run."""

    waited: int  # seconds


class ModuleAnswer(TypedDict, total=False):
    """The keys that the answer of any module may have."""

    changed: bool
    failed: bool
    msg: str
    # the other run that holds the host's lock, if waiting for the lock timed out; nothing was changed then
    busy: TurnEntry
    other_runs: list[SharedTurn]
    ansible_facts: dict[str, str]  # the interpreter that the action discovered; no host reports it


class ObservationAnswer(ModuleAnswer, total=False):
    """The answer of `compliance_state`. Without a record it has the reason."""

    record: ObservedRecord
    drifted: list[str]
    privileged: bool
    not_installed: str  # why the program for audits without root is not installed
    unwatched: list[str]  # controls that the host's own watch does not correct after this run
    lacking: bool  # True if the host lacks code or a plan of which the controller sent only the name
    system: str  # the system of a Mac that received code for Linux
    # True if only users' own files make the gate fail; set by the controller, which then does not fail the host.
    set_aside: bool
    cached: bool  # True if the host has code and plan in its cache now; only in the answer to a stream


class FileDifference(TypedDict):
    """A change of a file, in the form of Ansible's diff."""

    before_header: str
    after_header: str
    before: str
    after: str


class RefusedChange(TypedDict):
    """A change that enforcing called for and that was refused."""

    rule: str
    subject: str
    reason: str


class PendingChange(TypedDict):
    """A change of the firewall that waits `within` seconds for its confirmation."""

    token: str
    within: int


class ChangeAnswer(ModuleAnswer, total=False):
    """The answer of a module that changes a host."""

    actions: list[str]
    refused: list[RefusedChange]
    findings: list[FindingRecord]
    diff: list[FileDifference]
    notes: list[str]
    removed: list[dict[str, str]]  # packages that a lift does not install again, in the form of model/removal_record.py
    pending: PendingChange | str  # the controller reads only the token


class QuarantineAnswer(ModuleAnswer, total=False):
    """The answer of `quarantine`: to a list, or to a restore or prune."""

    quarantined: list[QuarantineItem]
    broken: list[BrokenItem]
    left_out: int
    outcomes: list[ItemOutcome]
    actions: list[str]
    diff: list[FileDifference]


class StoredAnswer(ModuleAnswer, total=False):
    """The answer of `collect_record`: the record that a host has stored."""

    record: ObservedRecord
