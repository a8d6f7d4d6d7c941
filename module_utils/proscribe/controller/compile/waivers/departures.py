"""Hosts and groups that waivers name and the inventory does not have any more.

A host that left the inventory is no mistake in a waiver: the waiver waives nothing there, and is reported. A name that
no run has ever seen is a typo. Three memories distinguish the two: the note of earlier runs in the plan store, which
alone knows groups, the history, and the fleet state.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from typing import NamedTuple

from ....wire.store import PLANS_DIRECTORY, PlanStore
from ...policy_errors import PolicyErrors
from ...report.history import History, HistoryError, open_history
from ...report.storage import fleet_state_file
from ..inventory.inventory import Question
from ..inventory.reporting import one_for_all
from ..inventory.reports_place import likely_reports
from ..restrictions import Restrictions
from .document import Named
from .seen_notes import GROUPS, HOSTS, KINDS, read_notes
from .waiver import Waiver

SHOWN = 3  # names in a message

# Looks up a kind and a name: the time (UTC) of the last run that had it. "" is an unknown time, None no run.
LastSeen = Callable[[str, str], str | None]


class Departure(NamedTuple):
    """A host or a group that the inventory does not have any more."""

    kind: str  # one of KINDS
    name: str
    at: str  # when a run last had it (UTC); "" where that is not known

    def __str__(self) -> str:
        name = f"the group {self.name}" if self.kind == GROUPS else self.name
        return f"{name} (last seen on {self.at[:10]})" if self.at else name


def make_departure_reader(question: Question, restrictions: Mapping[str, Restrictions]) -> LastSeen:
    """Return what looks a name up in the memories of earlier runs. It reads nothing until then."""

    @functools.cache
    def noted() -> dict[tuple[str, str], str]:
        inventories = read_notes(PlanStore(reports() / PLANS_DIRECTORY))
        found: dict[tuple[str, str], str] = {}
        for notes in inventories:
            for kind, names in notes.names.items():
                found |= {(kind, name): max(at, found.get((kind, name), "")) for name, at in names.items()}
        return found

    @functools.cache
    def observed() -> dict[str, str]:
        fleet_state, _ = fleet_state_file.read(reports())
        return {
            host.name: max((observation.at for observation in host.observations.values()), default="")
            for host in fleet_state.hosts.values()
        }

    unreachable: list[str] = []

    def history() -> History | None:
        with contextlib.suppress(HistoryError, PolicyErrors, KeyError):
            where = "off" if unreachable else one_for_all("history", question.hosts, restrictions)
            return open_history(where, reports())
        return None

    @functools.cache
    def reports() -> Path:
        return question.reports or likely_reports(question.hosts, question.inventory)

    @functools.cache
    def last_seen(kind: str, name: str) -> str | None:
        at = noted().get((kind, name))
        if at is None and kind == HOSTS and (past := history()):
            try:
                at = past.last_expected(name)
            except HistoryError:  # each further name would wait for the same server
                unreachable.append(name)
        return observed().get(name) if at is None and kind == HOSTS else at

    return last_seen


def find_departures(
    waiver: Waiver | Named, groups: Mapping[str, Set[str]], last_seen: LastSeen
) -> tuple[Departure, ...]:
    """Return what a waiver names that an earlier run had in its inventory and this one does not have. `groups` are the
    inventory's, `all` among them.
    """
    present: Mapping[str, Set[str]] = {HOSTS: groups.get("all", frozenset()), GROUPS: groups.keys()}
    missing = ((kind, name) for kind in KINDS for name in getattr(waiver, kind) if name not in present[kind])
    return tuple(Departure(kind, name, at) for kind, name in missing if (at := last_seen(kind, name)) is not None)


def describe_departures(departed: Sequence[Departure]) -> str:
    """Return a clause for people about some departures; "" for none."""
    if not departed:
        return ""
    shown = [*map(str, departed[:SHOWN]), *([f"{len(departed) - SHOWN} more"] if len(departed) > SHOWN else [])]
    *first, last = shown
    verb = "are" if first else "is"
    return f"{', '.join(first)}{' and ' if first else ''}{last} {verb} not in the inventory any more"
