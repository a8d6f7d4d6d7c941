"""What earlier runs saw of waivers, so that approvals which are not found any more are never taken for ones that ended.

A run that reads an empty place compiles plans in which nothing is waived, and would enforce against what was approved.
So each run notes in the plan store which waivers it had; one that finds none of those of a folder stops. A waiver that
is revoked, or that has ended, is not missed.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from ....base.duration import format_moment
from ....wire.store import PlanStore
from ...policy_errors import Described, PolicyError, PolicyErrors
from ...report.text.wording import counted, some
from ..inventory.inventory import Question
from ..inventory.policy_folders import SIGNERS, WAIVERS
from ..restrictions import ALL, PREFIX, Restrictions
from .reading import Judged
from .revocations import Memories, RevocationMemory, merge_revocations
from .seen_notes import (
    GROUPS,
    HOSTS,
    KINDS,
    Notes,
    Revoked,
    Seen,
    SeenNames,
    is_same_inventory,
    make_notes,
    read_notes,
    write_notes,
)
from .signatures import signature_of, signers_of
from .standing import OVER

REMOVED = PREFIX + "waivers_removed"
RELEVANT = ("active", "not_yet_valid")  # what somebody may rely on, now or soon
CLOCKS_DIFFER = datetime.timedelta(minutes=10)
FEW = 10  # ids that are named one by one


def require_found(
    store: PlanStore,
    question: Question,
    restrictions: Mapping[str, Restrictions],
    waivers: Sequence[Judged],
    folders: Sequence[Path],
    memory: RevocationMemory | None,
    run: str,
    now: datetime.datetime,
) -> list[str]:
    """Compare the waivers of a run with those that the last run of the same inventory had, and note them in its place.

    Returns warnings: which single waivers are gone, and which memories could not be read. Raises PolicyErrors where
    none of a folder's is found any more, or where what they are judged by is not. Then nothing is noted. Those that
    proscribe_waivers_removed names are no loss.
    """
    inventories = read_notes(store)
    memories = memory.content_if_read if memory else Memories({}, {})
    here = make_notes(question)
    same = [notes for notes in inventories if is_same_inventory(notes, here)]
    in_run = {host.name for host in question.hosts}
    removed = {id_ for own in restrictions.values() for id_ in own.waivers_removed}
    relevant = {judged.waiver.id: judged for judged in waivers if judged.standing.status in RELEVANT}
    warnings: list[str] = []
    carried: list[Seen] = []
    for notes in same[-1:]:
        open_ = [seen for seen in notes.waivers if seen.ends > format_moment(now)]
        missed = [seen for seen in open_ if _missed(seen, waivers, relevant, removed)]
        lost = [seen for seen in missed if seen.hosts & in_run and _all_of_its_folder(seen, open_, missed)]
        if lost:
            raise PolicyErrors([_error(notes, lost, folders, {judged.waiver.id for judged in waivers})])
        gone = [seen for seen in missed if seen.hosts & in_run]
        warnings = [
            f"waiver {one.id} is gone since run {notes.run}: what it opened is closed [{one.file}]" for one in gone
        ]
        warnings += [
            text for seen in open_ if seen.id in relevant and (text := _growth(relevant[seen.id], seen, notes))
        ]
        others = [seen for seen in open_ if seen.id not in relevant and not seen.hosts & in_run]
        carried = [seen for seen in others if not removed & {seen.id, ALL}]
    warnings += [_clock(notes, now) for notes in same[-1:] if _clock(notes, now)]
    here.run = run
    here.waivers = sorted([*carried, *map(_seen, relevant.values())], key=lambda seen: seen.id)
    here.names = _seen_names(question, waivers, format_moment(now))
    here.commits = {**(same[-1].commits if same else {}), **memories.commits}
    here.revoked = _revoked(waivers, memories, same, format_moment(now))
    if same or waivers or here.waivers or here.revoked:
        write_notes(store, [*(notes for notes in inventories if notes not in same), here])
    return [*warnings, *memories.problems]


def _clock(notes: Notes, now: datetime.datetime) -> str:
    """Return the warning about a clock that is behind the last run; "" for one that is not."""
    if notes.run[:16] <= f"{now + CLOCKS_DIFFER:%Y%m%dT%H%M%SZ}":
        return ""
    behind = f"the clock of this machine is behind run {notes.run}"
    return f"{behind}: waivers and keys that had ended then may count again. Set the clock, and run again"


def _growth(judged: Judged, seen: Seen, notes: Notes) -> str:
    """Return the warning about a waiver that opens more hosts than in the run before; "" where it does not.

    A waiver whose file says for which hosts it was signed has its own warning.
    """
    waiver, worth = judged
    new = sorted({*worth.hosts} - seen.hosts - {*waiver.hosts})
    if waiver.signed_hosts or not new:
        return ""
    more = f"opens {counted(len(new), 'host')} more than in run {notes.run}: {some(new, FEW)}"
    why = "The file does not say for which hosts it was signed; sign it again, if these are meant"
    return f"waiver {waiver.id} {more}. {why} [{waiver.file}]"


def _revoked(waivers: Iterable[Judged], memories: Memories, same: Sequence[Notes], now: str) -> list[Revoked]:
    """Return the revocations that the next run has to know."""
    remembered = [one for listed in memories.revoked.values() for one in listed]
    noted = [one for notes in same[-1:] for one in notes.revoked]
    files = [
        Revoked(waiver.id, waiver.revoked.by, format_moment(waiver.revoked.on), waiver.revoked.why)
        for waiver, _ in waivers
        if waiver.revoked
    ]
    merged = merge_revocations([*noted, *remembered, *files], now)
    return [one for listed in merged.values() for one in listed]


def _seen_names(question: Question, waivers: Iterable[Judged], now: str) -> SeenNames:
    """Return the hosts and groups that waivers name, each with when a run last had it in its inventory. Those of
    waivers that are over are forgotten.
    """
    present = {HOSTS: question.groups.get("all", frozenset()), GROUPS: question.groups.keys()}
    last_seen: SeenNames = {kind: {} for kind in KINDS}
    for waiver, standing in waivers:
        if standing.status not in OVER:
            for kind in KINDS:
                last_seen[kind] |= {name: now for name in getattr(waiver, kind) if name in present[kind]}
            for departure in standing.departed:
                last_seen[departure.kind][departure.name] = departure.at
    return last_seen


def _missed(seen: Seen, waivers: Iterable[Judged], relevant: Collection[str], removed: Collection[str]) -> bool:
    """Whether a waiver that was there is not, for no reason that its own file gives."""
    if seen.id in relevant or seen.id in removed or ALL in removed:
        return False
    judged = next((judged for judged in waivers if judged.waiver.id == seen.id), None)
    return judged is None or _unsupported(judged)


def _unsupported(judged: Judged) -> bool:
    """Whether a waiver waives nothing since what it is judged by is not there: the register, or the approvers' keys."""
    file = Path(judged.waiver.file)
    if judged.standing.status == "unauthorised":
        return judged.standing.unregistered
    return judged.standing.status == "bad_signature" and signature_of(file).exists() and not signers_of(file).exists()


def _all_of_its_folder(seen: Seen, noted: Iterable[Seen], missed: Collection[Seen]) -> bool:
    return all(other in missed for other in noted if other.folder == seen.folder)


def _error(notes: Notes, lost: Sequence[Seen], folders: Sequence[Path], there: Collection[str]) -> PolicyError:
    ids = [seen.id for seen in lost]
    named = ", ".join(ids[:FEW]) + (f" and {len(ids) - FEW} more" if ids[FEW:] else "")
    places = ", ".join(dict.fromkeys(seen.folder for seen in lost))
    searched = ", ".join(map(str, folders)) or "no folder, since there is none beside the inventory"
    option = ",".join(ids) if len(ids) <= FEW else ALL
    if ids[0] in there:
        found = f"waivers without their approvers.yml or {SIGNERS} beside the folder: {named}"
    else:
        found = f"none of the waivers {named}"
    expected = (
        f"the waivers that run {notes.run} found there; this run searched {searched}. Set {WAIVERS} to their"
        f" folder, or, if they were removed on purpose, add: -e {REMOVED}={option}"
    )
    return PolicyError(places, "", Described(found), expected)


def _seen(judged: Judged) -> Seen:
    waiver, worth = judged
    return Seen(waiver.id, waiver.file, format_moment(waiver.ends), frozenset(worth.hosts))
