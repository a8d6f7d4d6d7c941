"""The fleet state on disk: `whole.jsonl` beside the reports. Each run reads, updates and replaces it.

Runs that end at the same time update the file one after the other. The content of the file is trusted. If the file
cannot be read any more, the report has a warning, and a new fleet state begins. In it, hosts and controls are unknown
until a run observes them.
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
from ...file_lock import describe_holder, lock_file
from ...files import replace_file
from ..evaluation.fleet_state import ControlObservation, FleetHost, FleetState, RuleStatePairs
from ..evaluation.lifts import Lift
from .report_directory import FILE_MODE, open_report_file

SCHEMA = "proscribe/whole/1"
FLEET_STATE_FILE = "whole.jsonl"
LOCK_FILE = ".whole.lock"
LOCK_TIMEOUT_SECONDS = 300  # seconds that a run waits for the lock of another run


class FleetStateBusyError(OSError):
    """An error: another run has locked the fleet state for too long."""


@contextlib.contextmanager
def lock_fleet_state(reports: Path, timeout: float = LOCK_TIMEOUT_SECONDS) -> Iterator[None]:
    """Lock the fleet state while the `with` body runs. Raises OSError.

    `timeout` is in seconds. The system releases the lock of a killed run.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(reports / LOCK_FILE, flags, FILE_MODE)
    try:
        if not lock_file(descriptor, timeout):
            raise FleetStateBusyError(f"{describe_holder(descriptor)} has had {reports / LOCK_FILE} for {timeout:g} s")
        yield
    finally:
        os.close(descriptor)


def read_fleet_state(reports: Path) -> tuple[FleetState, str]:
    """Read the fleet state, and return it with a text about the defect of its file ("" for none).

    The fleet state is empty without a file, and also for a defective file.
    """
    fleet_state = FleetState()
    line_number = 0
    try:
        with open_report_file(reports / FLEET_STATE_FILE) as lines:
            rules: dict[int, RuleStatePairs] = {}
            for line_number, line in enumerate(lines, 1):
                _load_line(fleet_state, rules, json.loads(line), is_first=line_number == 1)
    except FileNotFoundError:
        return fleet_state, ""
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        problem = f"{reports / FLEET_STATE_FILE}:{line_number} cannot be read ({type(error).__name__}: {error})"
        return FleetState(), f"{problem}; hosts that no later run checks are unknown"
    return fleet_state, ""


def read_lifts(reports: Path) -> dict[str, dict[str, Lift]]:
    """Return by host the controls from which the ban was removed (lifted); {} if the file cannot be read.

    Lines of other hosts are not parsed.
    """
    lifts: dict[str, dict[str, Lift]] = {}
    lift_mark = f'"{LIFTED}"'  # every line of a host with a lift contains this text
    with (
        contextlib.suppress(OSError, ValueError, KeyError, TypeError, IndexError),
        open_report_file(reports / FLEET_STATE_FILE) as lines,
    ):
        fleet_state = FleetState()
        for line in lines:
            if lift_mark in line and "looks" in (host_fields := json.loads(line)):
                _load_line(fleet_state, defaultdict(tuple), host_fields, is_first=False)
        lifts = {name: host_fields.lifts for name, host_fields in fleet_state.hosts.items() if host_fields.lifts}
    return lifts


def _load_line(
    fleet_state: FleetState, rules: MutableMapping[int, RuleStatePairs], line: Mapping[str, Any], is_first: bool
) -> None:
    """Add a line of the file to the fleet state: the header, a list of rules, or a host.

    `rules` are the lists of rules so far, by number. Only the line of a list has the key `of`. A host has its
    observations in `looks`, in the order of CONTROLS. A header with another schema raises ValueError.
    """
    if is_first:
        if line["schema"] != SCHEMA:
            raise ValueError(f"schema is {line['schema']!r}, expected {SCHEMA!r}")
        fleet_state.whole_run_ends, fleet_state.waivers = dict(line["whole"]), dict(line["waivers"])
        fleet_state.is_example_used = line.get("used") is True
    elif "of" in line:
        rules[line["rules"]] = fleet_state.reuse_rule_states((str(rule), str(state)) for rule, state in line["of"])
    else:
        observations = {
            name: _parse_observation(observation, rules)
            for name, observation in zip(CONTROLS, line["looks"], strict=True)
        }
        for name in EXTRA_RULE_GROUPS:
            if f"{name}_look" in line:
                observations[name] = _parse_observation(line[f"{name}_look"], rules)
        fleet_state.hosts[line["host"]] = FleetHost(
            line["host"],
            line["inventory"],
            observations,
            line.get("attempts") or {},
            line["stale_after"],
            line.get("watch", {}),
            line.get("requests") or 0,
        )


def _parse_observation(fields: list[Any], rules: Mapping[int, RuleStatePairs]) -> ControlObservation:
    """Make an observation from its fields in the file, which are in the order of ControlObservation.

    Instead of its rules, the last field has the number of the list with these rules; -1 for no rules.
    """
    return ControlObservation._make([*fields[:-1], rules[fields[-1]] if fields[-1] >= 0 else ()])


def write_fleet_state(reports: Path, fleet_state: FleetState) -> None:
    """Replace the file of the fleet state. Raises OSError."""
    with replace_file(reports / FLEET_STATE_FILE, FILE_MODE) as stream:
        stream.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in _iterate_lines(fleet_state))


def _iterate_lines(fleet_state: FleetState) -> Iterator[dict[str, object]]:
    """Yield the lines of the file: a header, and each host after the lists of rules that it needs."""
    yield {
        "schema": SCHEMA,
        "whole": fleet_state.whole_run_ends,
        "waivers": fleet_state.waivers,
        "used": fleet_state.is_example_used,
    }
    numbers: dict[RuleStatePairs, int] = {}
    for host in fleet_state.hosts.values():
        observations = {}
        for name in (*CONTROLS, *(name for name in EXTRA_RULE_GROUPS if name in host.observations)):
            *fields, rules = host.observations.get(name) or ControlObservation()
            if rules and rules not in numbers:
                numbers[rules] = len(numbers)
                yield {"rules": numbers[rules], "of": rules}
            observations[name] = [*fields, numbers[rules] if rules else -1]
        control_observations = [observations.pop(name) for name in CONTROLS]
        optional_fields: dict[str, object] = {"attempts": host.attempts} if host.attempts else {}
        optional_fields |= {f"{name}_look": observation for name, observation in observations.items()}
        optional_fields |= {"watch": host.watch} if host.watch else {}
        optional_fields |= {"requests": host.request_count} if host.request_count else {}
        host_fields = {
            "host": host.name,
            "inventory": host.inventory,
            "looks": control_observations,
            "stale_after": host.stale_after,
        }
        yield {**host_fields, **optional_fields}
