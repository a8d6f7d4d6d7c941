"""Who is logged in, as systemd-logind has it in its files. Read only where something has drifted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .types import Unseen

if TYPE_CHECKING:
    from . import Host

SESSIONS = "/run/systemd/sessions"
MOST = 50  # names


def users(host: Host) -> list[str]:
    """The names of those with a session, but for the session that this run itself came over; [] where nobody knows."""
    ours = host.lineage()
    found: set[str] = set()
    try:
        for name in host.list(SESSIONS):
            if name.endswith(".ref"):  # a pipe that belongs to the session of that name
                continue
            lines = (host.text(f"{SESSIONS}/{name}") or "").splitlines()
            session = dict(line.split("=", 1) for line in lines if "=" in line)
            leader = session.get("LEADER", "")
            if session.get("CLASS") == "user" and not (leader.isdigit() and int(leader) in ours):
                found.add(session.get("USER", ""))
    except Unseen:
        return []
    return sorted(found - {""})[:MOST]
