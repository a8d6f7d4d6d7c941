"""What systemd's files say of a unit. A call of systemctl costs as much as Python's start."""

from __future__ import annotations

from .files import Files

NOWHERE = "/dev/null"
INVOCATIONS = "/run/systemd/units/invocation"  # for journald: a link for each unit that has started processes


def masked(host: Files, path: str) -> bool:
    """Whether a unit's file is a mask."""
    return host.target(path) == NOWHERE


def evidently_active(host: Files, name: str) -> bool:
    """Whether it shows without systemctl that a service is active. Only for a host that systemd runs.

    systemd notes the invocation of what it starts, and deletes that once the unit is inactive or has failed
    (unit_notify in systemd's src/core/unit.c). Of a unit without processes, a timer, it notes none.
    """
    return host.stat(f"{INVOCATIONS}:{name}") is not None


def unit_text(host: Files, path: str) -> str | None:
    """The text of a unit's file, "" for a unit that is masked (systemctl(1): a link to nowhere; an empty file is the
    same), None where there is none. Raises as `Files.read`.
    """
    return "" if masked(host, path) else host.text(path)
