"""What a host restores of its own watcher without a run: the programs, the units, and that they run. It is all made of
the code, which the watch has verified. The code, the plans and the settings are not on the host a second time.
"""

from __future__ import annotations

import contextlib
from typing import Collection

from ...model.finding import WATCHER
from ..audit_program import installable
from ..controls.applying import carry_out
from ..controls.base import Action, Changes
from ..system import Host
from ..system.sessions import users
from . import units
from .causes import named
from .installed import wrong_units
from .installing import in_place, linked, own_programs, starting
from .program_text import WATCH_TEXT
from .state import files, journal
from .state.reservations import Superseded, is_being_installed

READY_WITHIN = 20.0  # seconds in which the daemon has read the plan; a run waits longer, and this comes again


def restore(host: Host, known: files.Settings, names: Collection[str] = units.ALL) -> list[str]:
    """Restore the watcher, of its units these; what was done. Raises ControlError, Unseen and Damaged."""
    with host.exclusive():
        if files.settings(host) != known:
            raise Superseded  # a run has installed another watch while this one waited for its turn
        actions = [*_programs(host, known), *linked(host), *starting(host, known, names, READY_WITHIN)]
        return list(carry_out(Changes(actions))["done"])


def _programs(host: Host, known: files.Settings) -> list[Action]:
    """What puts the programs in place, as far as they are those that were installed."""
    made = own_programs(installable(WATCH_TEXT).encode())
    return in_place(host, {path: text for path, text in made.items() if files.hash_of(text) == known.files.get(path)})


def restored(host: Host, known: files.Settings, names: Collection[str]) -> None:
    """Restore units that are found wrong, and write that down: for who observes nothing else. Raises as `restore`."""
    texts = {name: text for name, text in units.texts(known.every).items() if name in names}
    found = list(wrong_units(host, texts))
    if not found or is_being_installed(host) or files.settings(host) != known:
        return  # a run that is installing the watch is no tampering
    journal.append(
        host, "drift", rules=[WATCHER], users=users(host), cause=named([one.convert_to_dict() for one in found])
    )
    with contextlib.suppress(Superseded):
        restore(host, known, names)
    if not list(wrong_units(host, texts)):
        journal.append(host, "corrected", rules=[WATCHER])
