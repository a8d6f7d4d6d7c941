"""The note of the last runs about waivers: which there were, when the inventory last had what they name, and which were
revoked.

It lies in the plan store, for each inventory that had waivers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ....wire.store import PlanStore
from ...policy_errors import Described, PolicyError, PolicyErrors
from ..inventory.inventory import Question

NOTES = "seen-waivers"  # in the plan store
SCHEMA = "proscribe/waivers-seen/1"
MOST = 100  # inventories that are noted, those of the last runs
MOST_REVOKED = 5000  # revocations of an inventory that are noted, the newest
KINDS = HOSTS, GROUPS = "hosts", "groups"  # keys of a waiver

# By kind and name: when a run last had it in its inventory (UTC).
SeenNames = dict[str, dict[str, str]]


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


class Revoked(NamedTuple):
    """A revocation as an earlier run, the history or a commit had it. `on` is UTC."""

    id: str
    by: str
    on: str
    why: str


@dataclass
class Notes:
    """What the last run of an inventory noted."""

    sources: list[str]
    hosts: str  # digest of the names of all its hosts
    run: str = ""
    waivers: list[Seen] = field(default_factory=list)
    names: SeenNames = field(default_factory=dict)
    revoked: list[Revoked] = field(default_factory=list)
    commits: dict[str, str] = field(default_factory=dict)  # by folder of waivers, the newest that was searched


def make_notes(question: Question) -> Notes:
    """Return an empty note of the inventory of a run."""
    names = {host.name for host in question.hosts} | set(question.groups.get("all", ()))
    digest = hashlib.sha256("\n".join(sorted(names)).encode("utf-8", "surrogatepass")).hexdigest()
    # Every controller's own machine is called so, in inventories that have nothing else in common.
    return Notes(list(question.inventory), "" if names == {"localhost"} else digest)


def is_same_inventory(one: Notes, other: Notes) -> bool:
    """Return whether two runs were of one inventory: of the same sources, or of the very same hosts, which an
    automation controller writes to another file.
    """
    return one.sources == other.sources or bool(one.hosts) and one.hosts == other.hosts


def read_notes(store: PlanStore) -> list[Notes]:
    """Read the note, the last run's inventory last. Raises PolicyErrors for a file that is no note."""
    content = store.read_note(NOTES)
    if not content:
        return []
    try:
        return list(_parse_notes(json.loads(content)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        place = f"{store.directory}/{NOTES}"
        expected = "what the last runs noted of waivers; delete the file if no approval can have been lost"
        raise PolicyErrors([PolicyError(place, "", Described("something else"), expected)]) from None


def _parse_notes(data: Any) -> Iterator[Notes]:
    if data["schema"] != SCHEMA:
        raise ValueError(data["schema"])
    for entry in data["inventories"]:
        waivers = [
            Seen(str(one["id"]), str(one["file"]), str(one["ends"]), frozenset(map(str, one["hosts"])))
            for one in entry["waivers"]
        ]
        named: Mapping[str, Mapping[str, str]] = entry.get("names", {})  # earlier versions noted none
        names = {kind: {str(name): str(at) for name, at in named.get(kind, {}).items()} for kind in KINDS}
        sources = [str(source) for source in entry["sources"]]
        revoked = [Revoked(*map(str, row)) for row in entry.get("revoked", ())]
        commits = {str(folder): str(commit) for folder, commit in entry.get("commits", {}).items()}
        yield Notes(sources, str(entry["hosts"]), str(entry["run"]), waivers, names, revoked, commits)


def write_notes(store: PlanStore, inventories: Sequence[Notes]) -> None:
    """Replace the note."""
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
                "names": {kind: dict(sorted(notes.names.get(kind, {}).items())) for kind in KINDS},
                "revoked": sorted(notes.revoked, key=lambda one: (one.on, one))[-MOST_REVOKED:],
                "commits": dict(sorted(notes.commits.items())),
            }
            for notes in inventories[-MOST:]
        ],
    }
    store.write_note(NOTES, json.dumps(data, separators=(",", ":")).encode())
