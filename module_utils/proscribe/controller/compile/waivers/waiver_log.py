"""The comparison with the waivers of earlier runs, so that missing approvals never count as ended.

A run that reads an empty folder would compile plans without waivers, and enforce against approved exceptions. So each
run records its waivers in the plan store. A later run stops if none of a folder's recorded waivers exists any more. A
waiver that is revoked, or that has ended, is not missed.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from ....base.duration import format_moment
from ....wire.plan_store import PlanStore
from ...policy_errors import DescribedValue, PolicyError, PolicyErrors
from ...report.text.wording import format_count, summarise_names
from ..inventory.host_variables import CompileInput
from ..inventory.policy_folders import SIGNERS_FILE, WAIVERS_VARIABLE
from ..restrictions import ALL_WAIVERS, PREFIX, Restrictions
from .judged_waivers import JudgedWaiver
from .revocations import RevocationMemory, RevocationRecords, merge_revocations
from .signatures import get_signature_path, get_signers_path
from .waiver_notes import (
    GROUPS,
    HOSTS,
    KINDS,
    SeenNames,
    SeenRevocation,
    SeenWaiver,
    WaiverNotes,
    is_same_inventory,
    make_waiver_notes,
    read_waiver_notes,
    write_waiver_notes,
)
from .waiver_status import ENDED_STATUSES

REMOVED_VARIABLE = PREFIX + "waivers_removed"
RELEVANT_STATUSES = ("active", "not_yet_valid")  # statuses of waivers on which users rely, now or soon
CLOCK_TOLERANCE = datetime.timedelta(minutes=10)
MAX_IDS_SHOWN = 10  # ids in a message


def require_earlier_waivers(
    store: PlanStore,
    compile_input: CompileInput,
    restrictions: Mapping[str, Restrictions],
    waivers: Sequence[JudgedWaiver],
    folders: Sequence[Path],
    memory: RevocationMemory | None,
    run: str,
    now: datetime.datetime,
) -> list[str]:
    """Compare the waivers of a run with those of the last run of the same inventory, and record them.

    Returns warnings: single missing waivers, waivers that cover more hosts than before, a slow clock, and records that
    could not be read. Raises PolicyErrors if none of a folder's waivers exists any more, or if their approver list or
    signers are missing. Then nothing is recorded. Waivers in proscribe_waivers_removed are not missed.

    `folders` are the folders of waivers that this run has searched. `memory` has the revocations that earlier runs saw.
    `run` is the id of this run.
    """
    inventories = read_waiver_notes(store)
    records = memory.content_if_read if memory else RevocationRecords({}, {})
    current_notes = make_waiver_notes(compile_input)
    same_inventory_notes = [notes for notes in inventories if is_same_inventory(notes, current_notes)]
    in_run = {host.name for host in compile_input.hosts}
    removed_ids = {id_ for host_restrictions in restrictions.values() for id_ in host_restrictions.waivers_removed}
    relevant_by_id = {judged.waiver.id: judged for judged in waivers if judged.judgement.status in RELEVANT_STATUSES}
    warnings: list[str] = []
    carried_waivers: list[SeenWaiver] = []
    for notes in same_inventory_notes[-1:]:  # the last run of this inventory, if there was one
        open_waivers = [seen for seen in notes.waivers if seen.ends > format_moment(now)]
        missed_waivers = [seen for seen in open_waivers if _is_missed(seen, waivers, relevant_by_id, removed_ids)]
        lost_waivers = [
            seen
            for seen in missed_waivers
            if seen.hosts & in_run and _is_whole_folder_missed(seen, open_waivers, missed_waivers)
        ]
        if lost_waivers:
            raise PolicyErrors(
                [_make_lost_waivers_error(notes, lost_waivers, folders, {judged.waiver.id for judged in waivers})]
            )
        gone_waivers = [seen for seen in missed_waivers if seen.hosts & in_run]
        warnings = [
            f"waiver {gone_waiver.id} is gone since run {notes.run}: what it opened is closed [{gone_waiver.file}]"
            for gone_waiver in gone_waivers
        ]
        warnings += [
            text
            for seen in open_waivers
            if seen.id in relevant_by_id and (text := _warn_of_growth(relevant_by_id[seen.id], seen, notes))
        ]
        # Waivers for hosts outside this run (--limit) may be unknown here. They are noted again for later runs.
        waivers_elsewhere = [seen for seen in open_waivers if seen.id not in relevant_by_id and not seen.hosts & in_run]
        carried_waivers = [seen for seen in waivers_elsewhere if not removed_ids & {seen.id, ALL_WAIVERS}]
    warnings += [
        _warn_of_slow_clock(notes, now) for notes in same_inventory_notes[-1:] if _warn_of_slow_clock(notes, now)
    ]
    current_notes.run = run
    current_notes.waivers = sorted(
        [*carried_waivers, *map(_make_seen_waiver, relevant_by_id.values())], key=lambda seen: seen.id
    )
    current_notes.names = _collect_seen_names(compile_input, waivers, format_moment(now))
    current_notes.commits = {**(same_inventory_notes[-1].commits if same_inventory_notes else {}), **records.commits}
    current_notes.revocations = _collect_revocations(waivers, records, same_inventory_notes, format_moment(now))
    if same_inventory_notes or waivers or current_notes.waivers or current_notes.revocations:
        write_waiver_notes(
            store, [*(notes for notes in inventories if notes not in same_inventory_notes), current_notes]
        )
    return [*warnings, *records.problems]


def _warn_of_slow_clock(notes: WaiverNotes, now: datetime.datetime) -> str:
    """Return the warning that the clock is more than CLOCK_TOLERANCE behind the last run; "" if it is not."""
    if notes.run[:16] <= f"{now + CLOCK_TOLERANCE:%Y%m%dT%H%M%SZ}":
        return ""
    behind = f"the clock of this machine is behind run {notes.run}"
    return f"{behind}: waivers and keys that had ended then may count again. Set the clock, and run again"


def _warn_of_growth(judged: JudgedWaiver, seen: SeenWaiver, notes: WaiverNotes) -> str:
    """Return a warning if a waiver now applies to more hosts than in the previous run; "" otherwise.

    Hosts that the waiver itself names are expected, and do not count. If the file lists its signed hosts,
    `waiver_status.py` describes the new hosts instead.
    """
    waiver, judgement = judged
    new_hosts = sorted({*judgement.hosts} - seen.hosts - {*waiver.hosts})
    if waiver.signed_hosts or not new_hosts:
        return ""
    more = (
        f"opens {format_count(len(new_hosts), 'host')} more than in run {notes.run}: "
        f"{summarise_names(new_hosts, MAX_IDS_SHOWN)}"
    )
    explanation = "The file does not say for which hosts it was signed; sign it again, if these are meant"
    return f"waiver {waiver.id} {more}. {explanation} [{waiver.file}]"


def _collect_revocations(
    waivers: Iterable[JudgedWaiver], records: RevocationRecords, same_inventory_notes: Sequence[WaiverNotes], now: str
) -> list[SeenRevocation]:
    """Return the revocations that the next run needs: from the last note, the records, and the waivers' files."""
    remembered_revocations = [
        revocation for waiver_revocations in records.revocations_by_id.values() for revocation in waiver_revocations
    ]
    noted_revocations = [revocation for notes in same_inventory_notes[-1:] for revocation in notes.revocations]
    files = [
        SeenRevocation(waiver.id, waiver.revoked.by, format_moment(waiver.revoked.on), waiver.revoked.why)
        for waiver, _ in waivers
        if waiver.revoked
    ]
    merged = merge_revocations([*noted_revocations, *remembered_revocations, *files], now)
    return [revocation for waiver_revocations in merged.values() for revocation in waiver_revocations]


def _collect_seen_names(compile_input: CompileInput, waivers: Iterable[JudgedWaiver], now: str) -> SeenNames:
    """Return the hosts and groups in waivers, each with the time of the last run whose inventory had it.

    Names in ended waivers are dropped.
    """
    present = {HOSTS: compile_input.groups.get("all", frozenset()), GROUPS: compile_input.groups.keys()}
    last_seen: SeenNames = {kind: {} for kind in KINDS}
    for waiver, judgement in waivers:
        if judgement.status not in ENDED_STATUSES:
            for kind in KINDS:
                last_seen[kind] |= {name: now for name in getattr(waiver, kind) if name in present[kind]}
            for departure in judgement.departures:
                last_seen[departure.kind][departure.name] = departure.at
    return last_seen


def _is_missed(
    seen: SeenWaiver, waivers: Iterable[JudgedWaiver], relevant_ids: Collection[str], removed_ids: Collection[str]
) -> bool:
    """Return True if an earlier waiver is missing, or lacks its approver list or the approvers' keys.

    A waiver in `removed_ids` (proscribe_waivers_removed) was removed on purpose, so it is not missed. A
    waiver that waives nothing for a reason in its own file, such as its end, is not missed either.
    """
    if seen.id in relevant_ids or seen.id in removed_ids or ALL_WAIVERS in removed_ids:
        return False
    judged = next((judged for judged in waivers if judged.waiver.id == seen.id), None)
    return judged is None or _is_unsupported(judged)


def _is_unsupported(judged: JudgedWaiver) -> bool:
    """Return True if a waiver waives nothing because the approver list or the approvers' keys are missing."""
    file = Path(judged.waiver.file)
    if judged.judgement.status == "unauthorised":
        return judged.judgement.is_unregistered
    return (
        judged.judgement.status == "bad_signature"
        and get_signature_path(file).exists()
        and not get_signers_path(file).exists()
    )


def _is_whole_folder_missed(
    seen: SeenWaiver, noted_waivers: Iterable[SeenWaiver], missed_waivers: Collection[SeenWaiver]
) -> bool:
    """Return True if every waiver that the last run noted in the folder of `seen` is missed now."""
    return all(other_waiver in missed_waivers for other_waiver in noted_waivers if other_waiver.folder == seen.folder)


def _make_lost_waivers_error(
    notes: WaiverNotes, lost_waivers: Sequence[SeenWaiver], folders: Sequence[Path], present_ids: Collection[str]
) -> PolicyError:
    """Return the error about waivers of an earlier run that are lost, with the folders where they were expected.

    `present_ids` are the ids of all waivers that this run has read, also of those that waive nothing.
    """
    ids = [seen.id for seen in lost_waivers]
    shown_ids = ", ".join(ids[:MAX_IDS_SHOWN]) + (
        f" and {len(ids) - MAX_IDS_SHOWN} more" if ids[MAX_IDS_SHOWN:] else ""
    )
    places = ", ".join(dict.fromkeys(seen.folder for seen in lost_waivers))
    searched = ", ".join(map(str, folders)) or "no folder, since there is none beside the inventory"
    option = ",".join(ids) if len(ids) <= MAX_IDS_SHOWN else ALL_WAIVERS
    # The file of the first lost waiver is still there, so its approver list or the approvers' keys are missing.
    if ids[0] in present_ids:
        description = f"waivers without their approvers.yml or {SIGNERS_FILE} beside the folder: {shown_ids}"
    else:
        description = f"none of the waivers {shown_ids}"
    expected = (
        f"the waivers that run {notes.run} found there; this run searched {searched}. Set {WAIVERS_VARIABLE} to their"
        f" folder, or, if they were removed on purpose, add: -e {REMOVED_VARIABLE}={option}"
    )
    return PolicyError(places, "", DescribedValue(description), expected)


def _make_seen_waiver(judged: JudgedWaiver) -> SeenWaiver:
    """Return the data of a waiver that a run notes for the next run."""
    waiver, judgement = judged
    return SeenWaiver(waiver.id, waiver.file, format_moment(waiver.ends), frozenset(judgement.hosts))
