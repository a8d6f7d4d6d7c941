"""Subordinate user ids (subuid(5)): a file whose owner is such an id belongs to the user who has the id."""

from __future__ import annotations

import contextlib
from typing import Callable

from .processes import Processes
from .types import ControlError, ObservationError

SUBUID_PATH = "/etc/subuid"
MAX_RANGES = 10_000


def read_subordinate_ids(host: Processes) -> Callable[[int], int]:
    """Read /etc/subuid, and return a function that maps a subordinate user id to the id of its user.

    The function returns any other id unchanged. Ranges of root are ignored.
    """
    text = ""
    with contextlib.suppress(ControlError, ObservationError):
        text = host.read_text(SUBUID_PATH) or ""
    users = {user.name: user.uid for user in host.list_users()} if text else {}
    ranges: list[tuple[int, int, int]] = []
    for line in text.splitlines()[:MAX_RANGES]:
        name, _, numbers = line.partition(":")
        first, _, count = numbers.partition(":")
        owner = int(name) if _is_number(name) else users.get(name, 0)
        if owner and _is_number(first) and _is_number(count):
            ranges.append((int(first), int(first) + int(count), owner))

    def find_owner_uid(uid: int) -> int:
        return next((owner for first, end, owner in ranges if first <= uid < end), uid)

    return find_owner_uid


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10
