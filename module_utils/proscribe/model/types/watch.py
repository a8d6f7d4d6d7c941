"""The data that parts of the watch on a host exchange (host/watch)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...base.typed_dict import TypedDict

if TYPE_CHECKING:
    from typing import NotRequired


class JournalLine(TypedDict):
    """A line of the journal: an event, with the fields of journal.EVENTS."""

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
    """A part of a control that the host could not correct by itself."""

    control: str
    user: str  # the user that it belongs to; "" for the host
    reason: str


class LastObservation(TypedDict, total=False):
    """The state that an observation of the host by itself stores for the next (`files.read_last_observation`)."""

    last: str
    plan: str
    drifted: list[str]
    uncorrected: list[UncorrectedControl]
    unmet: list[str]  # the rules of `drifted` that were never compliant under this plan
    reported: list[str]
    unwritten: list[JournalLine]
    clock: int
    up: int
    boot: str
    journal: list[int]


class VerifierSets(TypedDict, total=False):
    """The starts of programs that the daemon passes to the verifier, and the sources of this selection."""

    parts: list[str]  # names of programs and directories that match anywhere in a path
    exact: list[str]  # whole paths that match
    stems: list[str]  # the beginnings of the names of portable apps, folded
    modules: list[str]  # Go modules that restricted programs are built from
    store: list[str]  # package names of Nix and Guix
    sandboxes: bool  # whether apps of flatpak matter
    files: list[str]  # files whose change calls for new sets
    again: float  # seconds until another plan is in effect; 0 for never
    read: str  # the identity of the settings that the sets follow (`files.identify_settings`)
    every: float  # seconds between two observations of the host by itself


class VerifierVerdicts(TypedDict, total=False):
    """The answer of the verifier to the daemon."""

    sets: VerifierSets
    innocent: list[tuple[int | str, ...]]  # the keys of starts whose program is not restricted
    again: list[int]  # processes that could not be verified
    later: dict[int, float]  # processes that have to wait, and their seconds
    failed: str
    used: float  # seconds of processor time that were used


class GatheredIncident(TypedDict):
    """An incident, while the journal is read (state/summary.py)."""

    cause: str
    rules: dict[str, None]
    users: dict[str, None]
    seen: str  # when it drifted last; many rules make several lines with the same time
    closed: str  # the last time that it was corrected
    first: str
    last: str
    times: int
    corrected: int
