"""Restoration of the watcher by its host without a run: the programs, the units, and their running state.

All of this is made from the code, which the watch has verified. The host has no second copy of the code, the plans and
the settings.
"""

from __future__ import annotations

import contextlib
from typing import Collection

from ...model.finding import WATCHER
from ..audit_program import format_program
from ..controls.base import Changes, ControlAction
from ..controls.change_execution import apply_changes
from ..system import Host
from ..system.sessions import list_logged_in_users
from . import units
from .drift_causes import describe_findings
from .installation import make_link_actions, make_programs, make_start_actions, make_write_actions
from .program_text import WATCH_TEXT
from .state import journal, watch_files
from .state.reservations import SupersededError, is_being_installed
from .watch_observation import list_wrong_units

# For the daemon to read the plan; a run waits longer, and the next observation tries again.
READY_TIMEOUT_SECONDS = 20.0


def restore(host: Host, settings: watch_files.WatchSettings, names: Collection[str] = units.ALL_UNITS) -> list[str]:
    """Restore the watcher and its units in `names`. Return the completed actions.

    Raises ControlError, ObservationError and DamagedFileError.
    """
    with host.lock_host():
        if watch_files.read_settings(host) != settings:
            raise SupersededError  # a run has installed another watch while this process waited for the lock
        actions = [
            *_make_program_actions(host, settings),
            *make_link_actions(host),
            *make_start_actions(host, settings, names, READY_TIMEOUT_SECONDS),
        ]
        return list(apply_changes(Changes(actions))["done"])


def _make_program_actions(host: Host, settings: watch_files.WatchSettings) -> list[ControlAction]:
    """Return the actions that write the programs whose texts have the hashes of the installed ones."""
    programs = make_programs(format_program(WATCH_TEXT).encode())
    return make_write_actions(
        host,
        {path: text for path, text in programs.items() if watch_files.hash_content(text) == settings.files.get(path)},
    )


def restore_units(host: Host, settings: watch_files.WatchSettings, names: Collection[str]) -> None:
    """Restore wrong units and write that down, for a caller that observes nothing else. Raises as `restore`."""
    texts = {name: text for name, text in units.make_unit_texts(settings.every).items() if name in names}
    findings = list(list_wrong_units(host, texts))
    if not findings or is_being_installed(host) or watch_files.read_settings(host) != settings:
        return  # an installation by a run is no tampering
    journal.append_event(
        host,
        "drift",
        rules=[WATCHER],
        users=list_logged_in_users(host),
        cause=describe_findings([finding.convert_to_dict() for finding in findings]),
    )
    with contextlib.suppress(SupersededError):
        restore(host, settings, names)
    if not list(list_wrong_units(host, texts)):
        journal.append_event(host, "corrected", rules=[WATCHER])
