"""The fleet state on disk: `whole.jsonl` beside the reports, read, brought up to date and replaced whole by each run.

Runs that end at once take their turns. What is written there is ours. If the file cannot be read any more, the report
warns of it, and a new fleet state begins. There, what no run has observed since is unknown.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from ....model.finding import EXTRA_RULE_GROUPS, LIFTED
from ....model.plan import CONTROLS
from ...waiting import holder, locked
from ..evaluation.fleet_state import FleetState, Host, Observation, Rules
from ..evaluation.lifts import Lift
from .files import FILE_MODE, opened, whole

SCHEMA = "proscribe/whole/1"
FILE = "whole.jsonl"
LOCK = ".whole.lock"
PATIENCE = 300  # seconds that a run waits for its turn


class Busy(OSError):
    """Another run has had the fleet state for too long."""


@contextlib.contextmanager
def turn(reports: Path, patience: float = PATIENCE) -> Iterator[None]:
    """The fleet state for this run alone; a run that is killed lets go. Raises OSError."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(reports / LOCK, flags, FILE_MODE)
    try:
        if not locked(descriptor, patience):
            raise Busy(f"{holder(descriptor)} has had {reports / LOCK} for {patience:g} s")
        yield
    finally:
        os.close(descriptor)


def read(reports: Path) -> tuple[FleetState, str]:
    """The fleet state, and what was wrong with the file ("" for nothing); an empty one where there is none."""
    fleet_state = FleetState()
    number = 0
    try:
        with opened(reports / FILE) as lines:
            rules: dict[int, Rules] = {}
            for number, line in enumerate(lines, 1):
                _line(fleet_state, rules, json.loads(line), first=number == 1)
    except FileNotFoundError:
        return fleet_state, ""
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        problem = f"{reports / FILE}:{number} cannot be read ({type(error).__name__}: {error})"
        return FleetState(), f"{problem}; hosts that no later run checks are unknown"
    return fleet_state, ""


def read_lifts(reports: Path) -> dict[str, dict[str, Lift]]:
    """Return the lifted controls of each host; nothing where the file cannot be read. Other hosts cost no time."""
    lifts: dict[str, dict[str, Lift]] = {}
    mark = f'"{LIFTED}"'
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, IndexError), opened(reports / FILE) as lines:
        state = FleetState()
        for line in lines:
            if mark in line and "looks" in (host := json.loads(line)):
                _line(state, defaultdict(tuple), host, first=False)
        lifts = {name: host.lifts for name, host in state.hosts.items() if host.lifts}
    return lifts


def _line(fleet_state: FleetState, rules: MutableMapping[int, Rules], line: Mapping[str, Any], first: bool) -> None:
    if first:
        if line["schema"] != SCHEMA:
            raise ValueError(f"schema is {line['schema']!r}, expected {SCHEMA!r}")
        fleet_state.whole, fleet_state.waivers = dict(line["whole"]), dict(line["waivers"])
        fleet_state.used = line.get("used") is True
    elif "of" in line:
        rules[line["rules"]] = fleet_state.same((str(rule), str(state)) for rule, state in line["of"])
    else:
        observations = {
            name: _observation(observation, rules) for name, observation in zip(CONTROLS, line["looks"], strict=True)
        }
        for name in EXTRA_RULE_GROUPS:
            if f"{name}_look" in line:
                observations[name] = _observation(line[f"{name}_look"], rules)
        fleet_state.hosts[line["host"]] = Host(
            line["host"],
            line["inventory"],
            observations,
            line.get("attempts") or {},
            line["stale_after"],
            line.get("watch", {}),
            line.get("requests") or 0,
        )


def _observation(fields: list[Any], rules: Mapping[int, Rules]) -> Observation:
    return Observation._make([*fields[:-1], rules[fields[-1]] if fields[-1] >= 0 else ()])


def write(reports: Path, fleet_state: FleetState) -> None:
    """Replace the fleet state. Raises OSError."""
    with whole(reports / FILE) as stream:
        stream.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in _lines(fleet_state))


def _lines(fleet_state: FleetState) -> Iterator[dict[str, object]]:
    yield {"schema": SCHEMA, "whole": fleet_state.whole, "waivers": fleet_state.waivers, "used": fleet_state.used}
    numbers: dict[Rules, int] = {}
    for host in fleet_state.hosts.values():
        observations = {}
        for name in (*CONTROLS, *(name for name in EXTRA_RULE_GROUPS if name in host.observations)):
            *said, rules = host.observations.get(name) or Observation()
            if rules and rules not in numbers:
                numbers[rules] = len(numbers)
                yield {"rules": numbers[rules], "of": rules}
            observations[name] = [*said, numbers[rules] if rules else -1]
        by_control = [observations.pop(name) for name in CONTROLS]
        beside: dict[str, object] = {"attempts": host.attempts} if host.attempts else {}
        beside |= {f"{name}_look": observation for name, observation in observations.items()}
        beside |= {"watch": host.watch} if host.watch else {}
        beside |= {"requests": host.requests} if host.requests else {}
        line = {"host": host.name, "inventory": host.inventory, "looks": by_control, "stale_after": host.stale_after}
        yield {**line, **beside}
