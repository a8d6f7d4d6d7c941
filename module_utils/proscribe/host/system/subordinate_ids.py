"""Numbers that users have besides their own (subuid(5)): what a user owns as one of them is that user's."""

from __future__ import annotations

import contextlib
from typing import Callable

from .processes import Processes
from .types import ControlError, Unseen

FILE = "/etc/subuid"
MOST_RANGES = 10_000


def read_subordinate_ids(host: Processes) -> Callable[[int], int]:
    """Return the function that gives the number of the user to whom a subordinate number belongs; the number itself
    where it is none, or root's.
    """
    text = ""
    with contextlib.suppress(ControlError, Unseen):
        text = host.text(FILE) or ""
    users = {user.name: user.uid for user in host.users()} if text else {}
    ranges: list[tuple[int, int, int]] = []
    for line in text.splitlines()[:MOST_RANGES]:
        name, _, numbers = line.partition(":")
        first, _, count = numbers.partition(":")
        owner = int(name) if _is_number(name) else users.get(name, 0)
        if owner and _is_number(first) and _is_number(count):
            ranges.append((int(first), int(first) + int(count), owner))

    def owner_of(uid: int) -> int:
        return next((owner for first, end, owner in ranges if first <= uid < end), uid)

    return owner_of


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10
