"""Logged-in users, by the session files of systemd-logind. They are read only if a rule has drifted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .types import ObservationError

if TYPE_CHECKING:
    from . import Host

SESSIONS_DIRECTORY = "/run/systemd/sessions"
MAX_NAMES = 50


def list_logged_in_users(host: Host) -> list[str]:
    """Return the sorted names of users with a login session, at most MAX_NAMES.

    Returns [] if the sessions cannot be read. The session that started this run is left out.
    """
    ancestor_pids = host.list_ancestor_pids()
    names: set[str] = set()
    try:
        for session_name in host.list_directory(SESSIONS_DIRECTORY):
            if session_name.endswith(".ref"):  # not a session: systemd has a pipe with this suffix for each session
                continue
            lines = (host.read_text(f"{SESSIONS_DIRECTORY}/{session_name}") or "").splitlines()
            session = dict(line.split("=", 1) for line in lines if "=" in line)
            leader = session.get("LEADER", "")
            if session.get("CLASS") == "user" and not (leader.isdigit() and int(leader) in ancestor_pids):
                names.add(session.get("USER", ""))
    except ObservationError:
        return []
    return sorted(names - {""})[:MAX_NAMES]
