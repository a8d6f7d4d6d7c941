"""The note of earlier runs about waivers: the waivers, the last time of each name in them, and the revocations.

The note is in the plan store, with an entry for each inventory that had waivers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ....wire.plan_store import PlanStore
from ...policy_errors import DescribedValue, PolicyError, PolicyErrors
from ..inventory.host_variables import CompileInput

NOTES_NAME = "seen-waivers"  # name in the plan store
SCHEMA = "proscribe/waivers-seen/1"
MAX_INVENTORIES = 100  # most recorded inventories; the inventories of the last runs stay
MAX_REVOCATIONS = 5000  # most recorded revocations of an inventory; the newest stay
KINDS = HOSTS, GROUPS = "hosts", "groups"  # keys of a waiver

# Keys: kind (hosts or groups), then name. Value: the time (UTC) of the last run whose inventory had the name.
SeenNames = dict[str, dict[str, str]]


@dataclass(frozen=True)
class SeenWaiver:
    """A waiver as an earlier run had it."""

    id: str
    file: str
    ends: str  # UTC, 2026-12-31T10:00:00Z
    hosts: frozenset[str]

    @property
    def folder(self) -> str:
        return str(Path(self.file).parent)


class SeenRevocation(NamedTuple):
    """A revocation from an earlier run, the history or a commit. `on` is UTC."""

    id: str
    by: str
    on: str
    why: str


@dataclass
class WaiverNotes:
    """The record of the last run of an inventory."""

    sources: list[str]  # the values of -i
    hosts_digest: str  # digest of the names of all hosts; "" for an inventory with only localhost
    run: str = ""
    waivers: list[SeenWaiver] = field(default_factory=list)
    names: SeenNames = field(default_factory=dict)
    revocations: list[SeenRevocation] = field(default_factory=list)
    # key: a folder of waivers; value: the newest commit that was searched for revocations
    commits: dict[str, str] = field(default_factory=dict)


def make_waiver_notes(compile_input: CompileInput) -> WaiverNotes:
    """Return an empty record for the inventory of a run."""
    names = {host.name for host in compile_input.hosts} | set(compile_input.groups.get("all", ()))
    digest = hashlib.sha256("\n".join(sorted(names)).encode("utf-8", "surrogatepass")).hexdigest()
    # Inventories with only localhost may be unrelated, so their hosts cannot identify them: no digest.
    return WaiverNotes(list(compile_input.inventory), "" if names == {"localhost"} else digest)


def is_same_inventory(first: WaiverNotes, second: WaiverNotes) -> bool:
    """Return True if two runs had the same inventory: the same sources, or exactly the same hosts.

    An automation controller writes the same hosts to another file.
    """
    return first.sources == second.sources or bool(first.hosts_digest) and first.hosts_digest == second.hosts_digest


def read_waiver_notes(store: PlanStore) -> list[WaiverNotes]:
    """Read the notes of earlier runs, one for each inventory; the inventory of the last run comes last.

    Raises PolicyErrors for a file that is no note.
    """
    content = store.read_note(NOTES_NAME)
    if not content:
        return []
    try:
        return list(_parse_notes(json.loads(content)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        place = f"{store.directory}/{NOTES_NAME}"
        expected = "what the last runs noted of waivers; delete the file if no approval can have been lost"
        raise PolicyErrors([PolicyError(place, "", DescribedValue("something else"), expected)]) from None


def _parse_notes(data: Any) -> Iterator[WaiverNotes]:
    """Yield the record of each inventory in the file.

    An exception of any kind means that the file is no note.
    """
    if data["schema"] != SCHEMA:
        raise ValueError(data["schema"])
    for entry in data["inventories"]:
        waivers = [
            SeenWaiver(
                str(waiver_entry["id"]),
                str(waiver_entry["file"]),
                str(waiver_entry["ends"]),
                frozenset(map(str, waiver_entry["hosts"])),
            )
            for waiver_entry in entry["waivers"]
        ]
        names_by_kind: Mapping[str, Mapping[str, str]] = entry.get("names", {})  # earlier versions recorded none
        names = {kind: {str(name): str(at) for name, at in names_by_kind.get(kind, {}).items()} for kind in KINDS}
        sources = [str(source) for source in entry["sources"]]
        revocations = [SeenRevocation(*map(str, row)) for row in entry.get("revoked", ())]
        commits = {str(folder): str(commit) for folder, commit in entry.get("commits", {}).items()}
        yield WaiverNotes(sources, str(entry["hosts"]), str(entry["run"]), waivers, names, revocations, commits)


def write_waiver_notes(store: PlanStore, inventories: Sequence[WaiverNotes]) -> None:
    """Replace the notes of earlier runs in the plan store."""
    data = {
        "schema": SCHEMA,
        "inventories": [
            {
                "sources": notes.sources,
                "hosts": notes.hosts_digest,
                "run": notes.run,
                "waivers": [
                    {"id": seen.id, "file": seen.file, "ends": seen.ends, "hosts": sorted(seen.hosts)}
                    for seen in notes.waivers
                ],
                "names": {kind: dict(sorted(notes.names.get(kind, {}).items())) for kind in KINDS},
                "revoked": sorted(notes.revocations, key=lambda revocation: (revocation.on, revocation))[
                    -MAX_REVOCATIONS:
                ],
                "commits": dict(sorted(notes.commits.items())),
            }
            for notes in inventories[-MAX_INVENTORIES:]
        ],
    }
    store.write_note(NOTES_NAME, json.dumps(data, separators=(",", ":")).encode())
