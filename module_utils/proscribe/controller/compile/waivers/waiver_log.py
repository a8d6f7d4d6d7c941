"""What earlier runs saw of waivers, so that approvals which are not found any more are never taken for ones that ended.

A run that reads an empty place compiles plans in which nothing is waived, and would enforce against what was approved.
So each run notes in the plan store which waivers it had; one that finds none of those of a folder stops. A waiver that
is revoked, or that has ended, is not missed.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ....base.duration import spelled
from ....wire.store import Store
from ...policy_errors import Described, PolicyError, PolicyErrors
from ..inventory.inventory import Question
from ..inventory.policy_folders import SIGNERS, WAIVERS
from ..restrictions import ALL, PREFIX, Restrictions
from .reading import Judged
from .signatures import signature_of, signers_of

NOTES = "seen-waivers"  # in the plan store
SCHEMA = "proscribe/waivers-seen/1"
MOST = 100  # inventories that are noted, those of the last runs
REMOVED = PREFIX + "waivers_removed"
RELEVANT = ("active", "not_yet_valid")  # what somebody may rely on, now or soon
FEW = 10  # ids that are named one by one


@dataclass(frozen=True)
class Seen:
    """A waiver as an earlier run had it."""

    id: str
    file: str
    ends: str  # UTC, 2026-12-31T10:00:00Z
    hosts: frozenset[str]

    @property
    def folder(self) -> str:
        return str(Path(self.file).parent)


@dataclass
class Notes:
    """What the last run of an inventory noted."""

    sources: list[str]
    hosts: str  # digest of the names of all its hosts
    run: str = ""
    waivers: list[Seen] = field(default_factory=list)


def require_found(
    store: Store,
    question: Question,
    restrictions: Mapping[str, Restrictions],
    waivers: Sequence[Judged],
    folders: Sequence[Path],
    run: str,
    now: datetime.datetime,
) -> list[str]:
    """Compare the waivers of a run with those that the last run of the same inventory had, and note them in its place.

    Returns warnings: which single waivers are gone. Raises PolicyErrors where none of a folder's is found any more, or
    where what they are judged by is not. Then nothing is noted. Those that proscribe_waivers_removed names are no loss.
    """
    inventories = _read(store)
    here = _of(question)
    same = [notes for notes in inventories if _same(notes, here)]
    in_run = {host.name for host in question.hosts}
    removed = {id_ for own in restrictions.values() for id_ in own.waivers_removed}
    relevant = {judged.waiver.id: judged for judged in waivers if judged.standing.status in RELEVANT}
    warnings: list[str] = []
    carried: list[Seen] = []
    for notes in same[-1:]:
        open_ = [seen for seen in notes.waivers if seen.ends > spelled(now)]
        missed = [seen for seen in open_ if _missed(seen, waivers, relevant, removed)]
        lost = [seen for seen in missed if seen.hosts & in_run and _all_of_its_folder(seen, open_, missed)]
        if lost:
            raise PolicyErrors([_error(notes, lost, folders, {judged.waiver.id for judged in waivers})])
        gone = [seen for seen in missed if seen.hosts & in_run]
        warnings = [
            f"waiver {one.id} is gone since run {notes.run}: what it opened is closed [{one.file}]" for one in gone
        ]
        others = [seen for seen in open_ if seen.id not in relevant and not seen.hosts & in_run]
        carried = [seen for seen in others if not removed & {seen.id, ALL}]
    here.run = run
    here.waivers = sorted([*carried, *map(_seen, relevant.values())], key=lambda seen: seen.id)
    if same or here.waivers:
        _write(store, [*(notes for notes in inventories if notes not in same), here])
    return warnings


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


def _of(question: Question) -> Notes:
    names = {host.name for host in question.hosts} | set(question.groups.get("all", ()))
    digest = hashlib.sha256("\n".join(sorted(names)).encode("utf-8", "surrogatepass")).hexdigest()
    # Every controller's own machine is called so, in inventories that have nothing else in common.
    return Notes(list(question.inventory), "" if names == {"localhost"} else digest)


def _same(one: Notes, other: Notes) -> bool:
    """Whether two runs were of one inventory: of the same sources, or of the very same hosts, which an automation
    controller writes to another file.
    """
    return one.sources == other.sources or bool(one.hosts) and one.hosts == other.hosts


def _seen(judged: Judged) -> Seen:
    waiver, worth = judged
    return Seen(waiver.id, waiver.file, spelled(waiver.ends), frozenset(worth.hosts))


def _read(store: Store) -> list[Notes]:
    content = store.noted(NOTES)
    if not content:
        return []
    try:
        return list(_parsed(json.loads(content)))
    except (ValueError, KeyError, TypeError, RecursionError):
        place = f"{store.directory}/{NOTES}"
        expected = "what the last runs noted of waivers; delete the file if no approval can have been lost"
        raise PolicyErrors([PolicyError(place, "", Described("something else"), expected)]) from None


def _parsed(data: Any) -> Iterator[Notes]:
    if data["schema"] != SCHEMA:
        raise ValueError(data["schema"])
    for entry in data["inventories"]:
        waivers = [
            Seen(str(one["id"]), str(one["file"]), str(one["ends"]), frozenset(map(str, one["hosts"])))
            for one in entry["waivers"]
        ]
        yield Notes([str(source) for source in entry["sources"]], str(entry["hosts"]), str(entry["run"]), waivers)


def _write(store: Store, inventories: Sequence[Notes]) -> None:
    data = {
        "schema": SCHEMA,
        "inventories": [
            {
                "sources": notes.sources,
                "hosts": notes.hosts,
                "run": notes.run,
                "waivers": [
                    {"id": seen.id, "file": seen.file, "ends": seen.ends, "hosts": sorted(seen.hosts)}
                    for seen in notes.waivers
                ],
            }
            for notes in inventories[-MOST:]
            if notes.waivers
        ],
    }
    store.note_down(NOTES, json.dumps(data, separators=(",", ":")).encode())
