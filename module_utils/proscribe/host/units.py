"""What systemd's files say of a unit."""

from __future__ import annotations

from .files import Files

NOWHERE = "/dev/null"


def masked(host: Files, path: str) -> bool:
    """Whether a unit's file is a mask."""
    return host.target(path) == NOWHERE


def unit_text(host: Files, path: str) -> str | None:
    """The text of a unit's file, "" for a unit that is masked (systemctl(1): a link to nowhere; an empty file is the
    same), None where there is none. Raises as `Files.read`.
    """
    return "" if masked(host, path) else host.text(path)
