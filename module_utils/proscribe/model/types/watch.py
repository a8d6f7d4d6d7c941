"""What the parts of the watch on a host hand each other (host/watch)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...base.mappings import TypedDict

if TYPE_CHECKING:
    from typing import NotRequired


class JournalLine(TypedDict):
    """A line of the journal: an event, with the fields that journal.EVENTS has for it."""

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
    """What an own observation could not correct of a control."""

    control: str
    user: str  # whose it is; "" for the host's
    reason: str


class LastObservation(TypedDict, total=False):
    """What an own observation leaves for the next one (files.state)."""

    last: str
    plan: str
    drifted: list[str]
    uncorrected: list[UncorrectedControl]
    unmet: list[str]  # of `drifted`, rules that were never in line by this plan
    reported: list[str]
    unwritten: list[JournalLine]
    clock: int
    up: int
    boot: str
    journal: list[int]


class VerifierSets(TypedDict, total=False):
    """What the daemon lets through to the verifier, and what that follows from."""

    parts: list[str]  # names of programs and directories, anywhere in a path
    exact: list[str]  # whole paths
    stems: list[str]  # how the names of portable apps begin, folded
    modules: list[str]  # of Go, from which restricted programs are built
    store: list[str]  # names of packages of Nix and Guix
    sandboxes: bool  # whether apps of flatpak's matter
    files: list[str]  # what a change of calls for new sets
    again: float  # seconds until other plans matter; 0 for never
    read: str  # which settings they follow (files.identity)
    every: float  # seconds between two own observations of the host


class VerifierVerdicts(TypedDict, total=False):
    """What the verifier answers to the daemon."""

    sets: VerifierSets
    innocent: list[tuple[int | str, ...]]  # by the keys of their starts
    again: list[int]  # processes that could not be verified
    later: dict[int, float]  # processes that have to wait, and for how many seconds
    failed: str
    used: float  # seconds of processor time


class GatheredIncident(TypedDict):
    """An incident while the journal is read (state/summary.py)."""

    cause: str
    rules: dict[str, None]
    users: dict[str, None]
    seen: str  # when it drifted last: many rules are several lines of one moment
    closed: str  # when it was corrected last
    first: str
    last: str
    times: int
    corrected: int
