"""Revocations that earlier runs saw. They prevent a waiver with restored old bytes from waiving.

A signature has no trusted time. A writer of an inventory can restore a revoked waiver as it was signed. Such a writer
cannot change three records: the note in the plan store, the history of the runs, and the commits of the inventory's git
repository. A revocation counts against each approval that is not later (`approved_on`). Only the approver can sign a
later approval.

A revocation counts without regard to its author, as in a file.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ....base.duration import parse_moment
from ....wire.plan_store import PLANS_DIRECTORY, PlanStore
from ...policy_errors import PolicyErrors
from ...report.evaluation.fleet_state import name_inventory
from ...report.history import HistoryError, open_history
from ...report.history.waiver_history import list_revocations
from ..inventory.host_variables import CompileInput
from ..inventory.policy_folders import find_waiver_folders
from ..inventory.report_settings import get_common_setting
from ..inventory.reports_folder import guess_reports_folder
from ..restrictions import Restrictions
from .committed_revocations import CommittedRevocations, read_committed
from .waiver import Revocation
from .waiver_notes import (
    SeenRevocation,
    WaiverNotes,
    is_same_inventory,
    make_waiver_notes,
    read_waiver_notes,
    write_waiver_notes,
)

# A function of (id of a waiver, time). It returns the newest revocation in effect at the time; None if there is none.
RevokedBefore = Callable[[str, datetime.datetime], Revocation | None]


class RevocationRecords(NamedTuple):
    """The recorded revocations by waivers' ids, the commits that were read, and the problems in reading them."""

    revocations_by_id: Mapping[str, Sequence[SeenRevocation]]
    commits: Mapping[str, str]  # key: a folder of waivers; value: its newest commit that was read
    problems: tuple[str, ...] = ()


class RevocationMemory:
    """The revocations that earlier runs and commits have, for a run.

    They are read once, and only if a waiver would waive.
    """

    def __init__(self, compile_input: CompileInput, restrictions: Mapping[str, Restrictions]) -> None:
        self._compile_input, self._restrictions = compile_input, restrictions

    @property
    def content_if_read(self) -> RevocationRecords:
        """The recorded revocations; empty if nothing was read, because no waiver of this run would waive."""
        return self.content if "content" in vars(self) else RevocationRecords({}, {})

    @functools.cached_property
    def content(self) -> RevocationRecords:
        """The recorded revocations, which are read at the first access."""
        return _read_revocation_records(self._compile_input, self._restrictions)

    def find_revocation(self, id_: str, now: datetime.datetime) -> Revocation | None:
        """Return the newest revocation of a waiver that is in effect at `now`; None if there is none."""
        begun = [
            revocation
            for revocation in self.content.revocations_by_id.get(id_, ())
            if parse_moment(revocation.on) <= now
        ]
        newest = max(begun, key=lambda revocation: revocation.on, default=None)
        return Revocation(parse_moment(newest.on), newest.by, newest.why) if newest else None


def note_revocation(store: PlanStore, compile_input: CompileInput, new_revocation: SeenRevocation, now: str) -> None:
    """Record a revocation in the plan store for the next run of this inventory. Raises PolicyErrors."""
    current_notes = make_waiver_notes(compile_input)
    inventories = read_waiver_notes(store)
    notes = next((notes for notes in reversed(inventories) if is_same_inventory(notes, current_notes)), current_notes)
    merged = merge_revocations([*notes.revocations, new_revocation], now)
    notes.revocations = [
        merged_revocation for waiver_revocations in merged.values() for merged_revocation in waiver_revocations
    ]
    write_waiver_notes(store, inventories if notes in inventories else [*inventories, notes])


def merge_revocations(revocations: Iterable[SeenRevocation], now: str) -> dict[str, list[SeenRevocation]]:
    """Return for each waiver id the newest revocation in effect at `now` (UTC), and the next later revocation.

    A revocation cancels all approvals before it. So the newest one makes earlier revocations unnecessary.
    """
    by_waiver: dict[str, list[SeenRevocation]] = {}
    for revocation in revocations:
        by_waiver.setdefault(revocation.id, []).append(revocation)
    selected: dict[str, list[SeenRevocation]] = {}
    for id_, waiver_revocations in by_waiver.items():
        waiver_revocations.sort(key=lambda revocation: revocation.on)
        begun = [revocation for revocation in waiver_revocations if revocation.on <= now]
        selected[id_] = [*begun[-1:], *waiver_revocations[len(begun) :][:1]]
    return selected


def _read_revocation_records(
    compile_input: CompileInput, restrictions: Mapping[str, Restrictions]
) -> RevocationRecords:
    """Read the revocations in the last run's note, the history, and the commits of folders with signed waivers."""
    reports = compile_input.reports or guess_reports_folder(compile_input.hosts, compile_input.inventory)
    notes = _find_last_notes(compile_input, reports)
    committed = [_read_folder_commits(folder, notes) for folder in _list_signed_folders(compile_input, restrictions)]
    revocations = [
        *notes.revocations,
        *_read_history(compile_input, restrictions, reports),
        *(revocation for part in committed for revocation in part.revocations),
    ]
    by_waiver: dict[str, list[SeenRevocation]] = {}
    for revocation in dict.fromkeys(revocations):
        by_waiver.setdefault(revocation.id, []).append(revocation)
    commits = {str(part.folder): part.head for part in committed if part.head}
    return RevocationRecords(by_waiver, commits, tuple(part.problem for part in committed if part.problem))


def _find_last_notes(compile_input: CompileInput, reports: Path) -> WaiverNotes:
    """Return the note of the last run of the same inventory; an empty note if there is none."""
    current_notes = make_waiver_notes(compile_input)
    with contextlib.suppress(PolicyErrors):  # a wrong note stops a run elsewhere (read_waiver_notes)
        for notes in reversed(read_waiver_notes(PlanStore(reports / PLANS_DIRECTORY))):
            if is_same_inventory(notes, current_notes):
                return notes
    return current_notes


def _list_signed_folders(compile_input: CompileInput, restrictions: Mapping[str, Restrictions]) -> list[Path]:
    """Return the folders with signed waivers. In other folders each writer can grant waivers anyway."""
    return [folder for folder in find_waiver_folders(compile_input, restrictions) if next(folder.glob("*.sig"), None)]


def _read_folder_commits(folder: Path, notes: WaiverNotes) -> CommittedRevocations:
    """Return the revocations in the commits of a folder since the last run.

    If git fails, `problem` has the reason.
    """
    try:
        return read_committed(folder, notes.commits.get(str(folder), ""))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        problem = f"git did not read the commits of {folder} ({error}): a revocation that only they have is not noticed"
        return CommittedRevocations(folder, "", (), " ".join(problem.split()))


def _read_history(
    compile_input: CompileInput, restrictions: Mapping[str, Restrictions], reports: Path
) -> list[SeenRevocation]:
    """Return the revocations in the history; [] if the history cannot be read. Each run reports that at its end."""
    with contextlib.suppress(HistoryError, PolicyErrors, KeyError):
        history = open_history(get_common_setting("history", compile_input.hosts, restrictions), reports)
        if history:
            with history.database.open_for_reading() as session:
                return [
                    SeenRevocation(*row) for row in list_revocations(session, name_inventory(compile_input.inventory))
                ]
    return []
