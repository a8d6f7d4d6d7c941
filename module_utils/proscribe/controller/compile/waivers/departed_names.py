"""Hosts and groups of waivers that the inventory no longer has.

A host that left the inventory is no mistake in a waiver: the waiver waives nothing there, and is reported. A name that
no run has ever seen is a typing error. Three records distinguish the cases: the note of earlier runs in the plan store,
the history, and the fleet state. Only the note has groups.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from typing import NamedTuple

from ....wire.plan_store import PLANS_DIRECTORY, PlanStore
from ...policy_errors import PolicyErrors
from ...report.history import History, HistoryError, open_history
from ...report.storage import fleet_state_file
from ..inventory.host_variables import CompileInput
from ..inventory.report_settings import get_common_setting
from ..inventory.reports_folder import guess_reports_folder
from ..restrictions import Restrictions
from .document import MalformedWaiver
from .waiver import Waiver
from .waiver_notes import GROUPS, HOSTS, KINDS, read_waiver_notes

MAX_NAMES_SHOWN = 3  # names in a message

# A function of (kind, name). It returns the time (UTC) of the last run whose inventory had the name. "" means that the
# time is unknown; None means that no run had the name.
LastSeen = Callable[[str, str], str | None]


class Departure(NamedTuple):
    """A host or a group that the inventory no longer has."""

    kind: str  # one of KINDS
    name: str
    at: str  # time (UTC) of the last run that had it; "" if unknown

    def __str__(self) -> str:
        name = f"the group {self.name}" if self.kind == GROUPS else self.name
        return f"{name} (last seen on {self.at[:10]})" if self.at else name


def make_departure_reader(compile_input: CompileInput, restrictions: Mapping[str, Restrictions]) -> LastSeen:
    """Return a function that returns the time (UTC) of the last run whose inventory had a host or group.

    Its arguments are the kind (hosts or groups) and the name. Its result is "" for an unknown time, and None for a name
    that no run had. The records of earlier runs are read at its first call.
    """

    @functools.cache
    def read_noted_names() -> dict[tuple[str, str], str]:
        """Return the names in the notes of all inventories.

        Key: (kind, name); value: the last time.
        """
        inventories = read_waiver_notes(PlanStore(find_reports() / PLANS_DIRECTORY))
        times_by_name: dict[tuple[str, str], str] = {}
        for notes in inventories:
            for kind, names in notes.names.items():
                times_by_name |= {
                    (kind, name): max(at, times_by_name.get((kind, name), "")) for name, at in names.items()
                }
        return times_by_name

    @functools.cache
    def read_observed_names() -> dict[str, str]:
        """Return the hosts of the fleet state, each with the time of its last observation; "" for none."""
        fleet_state, _ = fleet_state_file.read_fleet_state(find_reports())
        return {
            host.name: max((observation.observed_at for observation in host.observations.values()), default="")
            for host in fleet_state.hosts.values()
        }

    unreachable: list[str] = []  # not empty if the database of the history did not answer

    def open_run_history() -> History | None:
        """Return the history of runs; None if it is off or cannot be opened."""
        with contextlib.suppress(HistoryError, PolicyErrors, KeyError):
            history_setting = "off" if unreachable else get_common_setting("history", compile_input.hosts, restrictions)
            return open_history(history_setting, find_reports())
        return None

    @functools.cache
    def find_reports() -> Path:
        return compile_input.reports or guess_reports_folder(compile_input.hosts, compile_input.inventory)

    @functools.cache
    def find_last_seen(kind: str, name: str) -> str | None:
        """Search the note, then the history, then the fleet state; the last two know only hosts."""
        at = read_noted_names().get((kind, name))
        if at is None and kind == HOSTS and (past := open_run_history()):
            try:
                at = past.read_last_expected(name)
            except HistoryError:  # do not try again for other names: they would wait for the same server
                unreachable.append(name)
        return read_observed_names().get(name) if at is None and kind == HOSTS else at

    return find_last_seen


def find_departures(
    waiver: Waiver | MalformedWaiver, groups: Mapping[str, Set[str]], last_seen: LastSeen
) -> tuple[Departure, ...]:
    """Return the hosts and groups in a waiver that an earlier run's inventory had and the present inventory lacks.

    `groups` has the hosts of each group of the inventory, including `all`.
    """
    present: Mapping[str, Set[str]] = {HOSTS: groups.get("all", frozenset()), GROUPS: groups.keys()}
    missing = ((kind, name) for kind in KINDS for name in getattr(waiver, kind) if name not in present[kind])
    return tuple(Departure(kind, name, at) for kind, name in missing if (at := last_seen(kind, name)) is not None)


def describe_departures(departures: Sequence[Departure]) -> str:
    """Return a clause for a message about names that the inventory no longer has; "" if there are none."""
    if not departures:
        return ""
    shown = [
        *map(str, departures[:MAX_NAMES_SHOWN]),
        *([f"{len(departures) - MAX_NAMES_SHOWN} more"] if len(departures) > MAX_NAMES_SHOWN else []),
    ]
    *first, last = shown
    verb = "are" if first else "is"
    return f"{', '.join(first)}{' and ' if first else ''}{last} {verb} not in the inventory any more"
