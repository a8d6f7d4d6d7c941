"""Revocations that earlier runs saw, so that a waiver whose old bytes were restored waives nothing.

A signature says nothing of its own time. Whoever can write to an inventory can put a revoked waiver back as it was
signed. Three memories are out of their reach: the note in the plan store, the history of the runs, and the commits of
the inventory's git repository. A revocation counts against each approval that is not later (`approved_on`): only the
approver can sign a later one.

Revocations count whoever made them, as those in a file do.
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
from ....wire.store import PLANS_DIRECTORY, PlanStore
from ...policy_errors import PolicyErrors
from ...report.evaluation.fleet_state import name_inventory
from ...report.history import HistoryError, open_history
from ...report.history.exceptions import revoked
from ..inventory.inventory import Question
from ..inventory.policy_folders import folders_of_waivers
from ..inventory.reporting import one_for_all
from ..inventory.reports_place import likely_reports
from ..restrictions import Restrictions
from .committed import Committed, read_committed
from .seen_notes import Notes, Revoked, is_same_inventory, make_notes, read_notes, write_notes
from .waiver import Revocation

# Looks up a waiver's id and a time: the newest revocation that has begun by then.
RevokedBefore = Callable[[str, datetime.datetime], Revocation | None]


class Memories(NamedTuple):
    """What is remembered of revocations: by waivers' ids, the commits that were read, and what could not be read."""

    revoked: Mapping[str, Sequence[Revoked]]
    commits: Mapping[str, str]  # by folder
    problems: tuple[str, ...] = ()


class RevocationMemory:
    """The memories of a run. They are read once, and only for a waiver that would waive."""

    def __init__(self, question: Question, restrictions: Mapping[str, Restrictions]) -> None:
        self._question, self._restrictions = question, restrictions

    @property
    def content_if_read(self) -> Memories:
        """All that is remembered; nothing where no waiver of this run would waive."""
        return self.content if "content" in vars(self) else Memories({}, {})

    @functools.cached_property
    def content(self) -> Memories:
        """All that is remembered."""
        return _read_memories(self._question, self._restrictions)

    def find(self, id_: str, now: datetime.datetime) -> Revocation | None:
        """Return the newest revocation of a waiver that has begun by then."""
        begun = [one for one in self.content.revoked.get(id_, ()) if parse_moment(one.on) <= now]
        newest = max(begun, key=lambda one: one.on, default=None)
        return Revocation(parse_moment(newest.on), newest.by, newest.why) if newest else None


def note_revocation(store: PlanStore, question: Question, revoked: Revoked, now: str) -> None:
    """Note a revocation for the next run of this inventory, where runs note anything. Raises PolicyErrors."""
    here = make_notes(question)
    inventories = read_notes(store)
    notes = next((notes for notes in reversed(inventories) if is_same_inventory(notes, here)), here)
    merged = merge_revocations([*notes.revoked, revoked], now)
    notes.revoked = [one for listed in merged.values() for one in listed]
    write_notes(store, inventories if notes in inventories else [*inventories, notes])


def merge_revocations(revocations: Iterable[Revoked], now: str) -> dict[str, list[Revoked]]:
    """Return for each waiver the newest revocation that has begun at `now` (UTC), and the next one that has not. No
    later one can be missed through the others: each closes at least as much.
    """
    of_waiver: dict[str, list[Revoked]] = {}
    for one in revocations:
        of_waiver.setdefault(one.id, []).append(one)
    selected: dict[str, list[Revoked]] = {}
    for id_, listed in of_waiver.items():
        listed.sort(key=lambda one: one.on)
        begun = [one for one in listed if one.on <= now]
        selected[id_] = [*begun[-1:], *listed[len(begun) :][:1]]
    return selected


def _read_memories(question: Question, restrictions: Mapping[str, Restrictions]) -> Memories:
    reports = question.reports or likely_reports(question.hosts, question.inventory)
    noted = _noted(question, reports)
    committed = [_committed(folder, noted) for folder in _folders(question, restrictions)]
    found = [
        *noted.revoked,
        *_of_history(question, restrictions, reports),
        *(one for part in committed for one in part.revoked),
    ]
    of_waiver: dict[str, list[Revoked]] = {}
    for one in dict.fromkeys(found):
        of_waiver.setdefault(one.id, []).append(one)
    commits = {str(part.folder): part.head for part in committed if part.head}
    return Memories(of_waiver, commits, tuple(part.problem for part in committed if part.problem))


def _noted(question: Question, reports: Path) -> Notes:
    """Return the note of the last run of the same inventory; an empty one for none."""
    here = make_notes(question)
    with contextlib.suppress(PolicyErrors):  # a run stops for such a note before it compares anything
        for notes in reversed(read_notes(PlanStore(reports / PLANS_DIRECTORY))):
            if is_same_inventory(notes, here):
                return notes
    return here


def _folders(question: Question, restrictions: Mapping[str, Restrictions]) -> list[Path]:
    """Return the folders with signed waivers. In any other one, who can write there decides anyhow."""
    return [folder for folder in folders_of_waivers(question, restrictions) if next(folder.glob("*.sig"), None)]


def _committed(folder: Path, noted: Notes) -> Committed:
    try:
        return read_committed(folder, noted.commits.get(str(folder), ""))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        why = f"git did not read the commits of {folder} ({error}): a revocation that only they have is not noticed"
        return Committed(folder, "", (), " ".join(why.split()))


def _of_history(question: Question, restrictions: Mapping[str, Restrictions], reports: Path) -> list[Revoked]:
    """Return what the history has; nothing where it cannot be read, which each run says at its end."""
    with contextlib.suppress(HistoryError, PolicyErrors, KeyError):
        history = open_history(one_for_all("history", question.hosts, restrictions), reports)
        if history:
            with history.database.reading() as session:
                return [Revoked(*row) for row in revoked(session, name_inventory(question.inventory))]
    return []
