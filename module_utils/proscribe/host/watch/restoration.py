"""Restoration of the watch's programs and units by the host itself, without a run of the controller.

Both are made from the watch's code, whose hash was verified. The host has no second copy of the code, the plans and the
settings. So only a run can restore these.
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
from . import watch_units
from .drift_causes import describe_findings
from .installation import make_link_actions, make_programs, make_start_actions, make_write_actions
from .program_text import WATCH_TEXT
from .state import journal, watch_files
from .state.reservations import SupersededError, is_being_installed
from .watch_observation import list_wrong_units

# Longest wait until the daemon has read the plan. A run of the controller waits longer. After a timeout, the next
# observation tries again.
READY_TIMEOUT_SECONDS = 20.0


def restore(
    host: Host, settings: watch_files.WatchSettings, names: Collection[str] = watch_units.ALL_UNITS
) -> list[str]:
    """Restore the watch's programs, and those of its units that are in `names`. Return the completed actions.

    Raises ControlError, ObservationError and DamagedFileError. Raises SupersededError if a run has installed other
    settings.
    """
    with host.lock_host():
        if watch_files.read_settings(host) != settings:
            # a run of the controller has installed another watch while this process waited for the lock
            raise SupersededError
        actions = [
            *_make_program_actions(host, settings),
            *make_link_actions(host),
            *make_start_actions(host, settings, names, READY_TIMEOUT_SECONDS),
        ]
        return list(apply_changes(Changes(actions))["done"])


def _make_program_actions(host: Host, settings: watch_files.WatchSettings) -> list[ControlAction]:
    """Return the actions that write the watch's programs.

    A program is written only if its text has the hash in the settings. Then a run has installed this text.
    """
    programs = make_programs(format_program(WATCH_TEXT).encode())
    return make_write_actions(
        host,
        {path: text for path, text in programs.items() if watch_files.hash_content(text) == settings.files.get(path)},
    )


def restore_units(host: Host, settings: watch_files.WatchSettings, names: Collection[str]) -> None:
    """Restore wrong units of the watch, and write the drift into the journal.

    For a caller that observes nothing else of the host. Raises the errors of `restore`, except SupersededError.
    """
    texts = {name: text for name, text in watch_units.make_unit_texts(settings.every).items() if name in names}
    findings = list(list_wrong_units(host, texts))
    if not findings or is_being_installed(host) or watch_files.read_settings(host) != settings:
        return  # differences during an installation by a run of the controller are no drift
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
