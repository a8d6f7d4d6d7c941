"""What a host restores of its own watcher without a run: the programs, the units, and that they run. It is all made of
the code, which the watch has verified. The code, the plans and the settings are not on the host a second time.
"""

from __future__ import annotations

import contextlib
from typing import Collection

from ...model.finding import WATCHER
from ..audit_program import format_program
from ..controls.applying import apply_changes
from ..controls.base import Changes, ControlAction
from ..system import Host
from ..system.sessions import list_logged_in_users
from . import units
from .causes import describe_findings
from .installed import list_wrong_units
from .installing import make_link_actions, make_programs, make_start_actions, make_write_actions
from .program_text import WATCH_TEXT
from .state import files, journal
from .state.reservations import SupersededError, is_being_installed

READY_TIMEOUT_SECONDS = 20.0  # seconds in which the daemon has read the plan; a run waits longer, and this comes again


def restore(host: Host, settings: files.WatchSettings, names: Collection[str] = units.ALL_UNITS) -> list[str]:
    """Restore the watcher, of its units these; what was done. Raises ControlError, Unseen and Damaged."""
    with host.lock_host():
        if files.read_settings(host) != settings:
            raise SupersededError  # a run has installed another watch while this one waited for its turn
        actions = [
            *_make_program_actions(host, settings),
            *make_link_actions(host),
            *make_start_actions(host, settings, names, READY_TIMEOUT_SECONDS),
        ]
        return list(apply_changes(Changes(actions))["done"])


def _make_program_actions(host: Host, settings: files.WatchSettings) -> list[ControlAction]:
    """What puts the programs in place, as far as they are those that were installed."""
    programs = make_programs(format_program(WATCH_TEXT).encode())
    return make_write_actions(
        host, {path: text for path, text in programs.items() if files.hash_content(text) == settings.files.get(path)}
    )


def restore_units(host: Host, settings: files.WatchSettings, names: Collection[str]) -> None:
    """Restore units that are found wrong, and write that down: for who observes nothing else. Raises as `restore`."""
    texts = {name: text for name, text in units.make_unit_texts(settings.every).items() if name in names}
    findings = list(list_wrong_units(host, texts))
    if not findings or is_being_installed(host) or files.read_settings(host) != settings:
        return  # a run that is installing the watch is no tampering
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
