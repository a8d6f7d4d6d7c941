"""Types of the data that the parts of the watch exchange on a host (host/watch)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...base.typed_dict import TypedDict

if TYPE_CHECKING:
    from typing import NotRequired


class JournalLine(TypedDict):
    """A line of the watch's journal: the time, the event, and the event's fields (journal.EVENTS)."""

    at: str
    event: str
    rules: NotRequired[list[str]]
    users: NotRequired[list[str]]
    cause: NotRequired[str]
    control: NotRequired[str]
    message: NotRequired[str]
    rule: NotRequired[str]
    program: NotRequired[str]
    user: NotRequired[str]
    times: NotRequired[int]
    until: NotRequired[str]
    reason: NotRequired[str]
    by: NotRequired[str]
    renewed: NotRequired[str]
    back: NotRequired[int]
    plan: NotRequired[str]
    opened: NotRequired[list[str]]
    closed: NotRequired[list[str]]
    file: NotRequired[str]
    waiver: NotRequired[str]
    about: NotRequired[str]


class UncorrectedControl(TypedDict):
    """A control that the host could not correct by itself, for the whole host or for a user."""

    control: str
    user: str  # the user to whom the part belongs; "" for the host
    reason: str


class LastObservation(TypedDict, total=False):
    """Data that the watch stores after each observation for the next (`watch_files.read_last_observation`)."""

    last: str  # time of the observation, UTC
    plan: str  # digest of the plan
    drifted: list[str]
    uncorrected: list[UncorrectedControl]
    unmet: list[str]  # the rules in `drifted` that were never compliant since this plan took effect
    reported: list[str]  # the defects that are already in the journal, so they are not written again
    unwritten: list[JournalLine]  # the lines that could not be written to the journal
    clock: int  # seconds since 1970 by the host's clock
    up: int  # seconds that the host was awake since it was started
    boot: str  # id of that start of the host
    journal: list[int]  # [inode, size] of the journal; [] without a journal


class VerifierSets(TypedDict, total=False):
    """The selection of program starts that the daemon passes to the verifier.

    The daemon listens for all starts on the host. The verifier decides whether the started program is restricted.
    """

    parts: list[str]  # names of programs and directories; a path matches if one of its parts is such a name
    exact: list[str]  # whole paths of programs
    stems: list[str]  # first parts of the names of portable apps, in a form without case
    modules: list[str]  # Go modules from which restricted programs are built
    store: list[str]  # names of restricted packages in the stores of Nix and Guix
    sandboxes: bool  # whether starts of Flatpak apps are passed to the verifier
    files: list[str]  # files; when one changes, the sets must be made again
    again: float  # seconds until another plan takes effect; 0 for never
    read: str  # identity of the settings from which the sets were made (`watch_files.identify_settings`)
    every: float  # seconds between two observations of the host by itself


class VerifierVerdicts(TypedDict, total=False):
    """The verifier's answer to the daemon about starts of programs."""

    sets: VerifierSets
    innocent: list[tuple[int | str, ...]]  # the daemon's keys of starts whose program is not restricted
    again: list[int]  # process ids that could not be verified
    later: dict[int, float]  # key: process id that must be verified later; value: seconds until then
    failed: str
    used: float  # seconds of processor time that the verifier used


class GatheredIncident(TypedDict):
    """An incident whose data are collected while the journal is read (state/summary.py)."""

    cause: str
    rules: dict[str, None]
    users: dict[str, None]
    seen: str  # time of the last drift; if many rules drifted, several lines of the journal have this time
    closed: str  # time of the last correction
    first: str
    last: str
    times: int
    corrected: int
