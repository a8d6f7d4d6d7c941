"""The actions of a lift on disk: `reports/lifts/<run>/lift.json`. A lift observes nothing, so it has no report.

With the lift a host forgets the packages that were removed from it. So this file has them, with the command that
installs them again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ....model.types.run import CompiledRun
from ...files import replace_file
from ..collection.collector import HostRunState
from ..text.reinstall_commands import build_reinstall_command
from .pruning import LIFTS_FOLDER
from .report_directory import DIRECTORY_MODE, FILE_MODE

SCHEMA = "proscribe/lift/1"
LIFT_FILE = "lift.json"


def write_lift(
    reports: Path, run: CompiledRun, host_states: Mapping[str, HostRunState], lifted_hosts: Sequence[str]
) -> Path:
    """Write the file about a run that removed the ban from hosts (a lift), and return its path.

    `host_states` has the collected events by host. `lifted_hosts` are the hosts whose lift succeeded. Raises OSError.
    """
    lift_directory = reports / LIFTS_FOLDER / run["id"]
    for directory in (reports, lift_directory.parent, lift_directory):
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    hosts = [
        _make_host_entry(host, host_states.get(host) or HostRunState(), host in lifted_hosts) for host in run["hosts"]
    ]
    run_facts = {
        "id": run["id"],
        "started": run["started"],
        "inventory": run["inventory"],
        "limit": run["limit"],
        "controls": run["controls"],
    }
    with replace_file(lift_directory / LIFT_FILE, FILE_MODE) as stream:
        json.dump({"schema": SCHEMA, "run": run_facts, "hosts": hosts}, stream, indent=1)
    return lift_directory / LIFT_FILE


def _make_host_entry(host: str, host_state: HostRunState, is_lifted: bool) -> dict[str, object]:
    """Make the entry of a host: its actions, its errors, and its removed packages.

    The key `command` has the command that installs these packages again; None if there are none.
    """
    return {
        "host": host,
        "lifted": is_lifted,
        "reason": host_state.reason or None,
        "actions": host_state.actions,
        "errors": host_state.errors,
        "removed": [{key: text for key, text in package._asdict().items() if text} for package in host_state.removed],
        "command": build_reinstall_command(host_state.removed) or None,
    }
