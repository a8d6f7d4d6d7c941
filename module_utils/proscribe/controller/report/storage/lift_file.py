"""What a lift did, on disk: `reports/lifts/<run>/lift.json`. It observes nothing, so it writes no report.

A host forgets with the lift what was removed from it. So this file has it, with the command that brings it back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ....model.types.run import CompiledRun
from ..collection.events import Heard
from ..text.reinstalling import command
from .files import DIRECTORY_MODE, whole
from .pruning import LIFTS

SCHEMA = "proscribe/lift/1"
FILE = "lift.json"


def write(reports: Path, run: CompiledRun, heard: Mapping[str, Heard], lifted: Sequence[str]) -> Path:
    """Write what a run lifted; returns the file. Raises OSError."""
    folder = reports / LIFTS / run["id"]
    for directory in (reports, folder.parent, folder):
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    hosts = [_host(host, heard.get(host) or Heard(), host in lifted) for host in run["hosts"]]
    about = {
        "id": run["id"],
        "started": run["started"],
        "inventory": run["inventory"],
        "limit": run["limit"],
        "controls": run["controls"],
    }
    with whole(folder / FILE) as stream:
        json.dump({"schema": SCHEMA, "run": about, "hosts": hosts}, stream, indent=1)
    return folder / FILE


def _host(host: str, heard: Heard, lifted: bool) -> dict[str, object]:
    return {
        "host": host,
        "lifted": lifted,
        "reason": heard.reason or None,
        "actions": heard.actions,
        "errors": heard.errors,
        "removed": [{key: text for key, text in one._asdict().items() if text} for one in heard.removed],
        "command": command(heard.removed) or None,
    }
