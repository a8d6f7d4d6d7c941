"""How much one run may change, and in what portions: the values of proscribe_batches, proscribe_max_change and
proscribe_max_failures, read and applied. Pure; controller only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..policy_errors import Expected, close_to

AUTO = "auto"
UNLIMITED = "unlimited"

# So many hosts are corrected all at once; a canary for so few would cost more time than it saves.
ALL_AT_ONCE = 5
# With two hosts, a host that fails alone is distinguished from a change that fails everywhere.
CANARY = 2
# How much larger each batch is than the one before it: 2, 10, 50, 250, ... A hundred thousand hosts are eight batches.
GROWTH = 5
# So many hosts may change whatever share of the fleet they are, so that a small fleet's first run asks nothing.
FEW = 10
# What `removals: auto` allows where more than FEW hosts would change.
MANY_REMOVALS = 200

CHANGED_PARTS = ("hosts", "removals")
_PERCENT = re.compile(r"(100|[1-9]?[0-9])%")


def read_batches(value: object) -> str | tuple[int | str, ...]:
    """`auto`, or the sizes of the batches: numbers of hosts, or shares ("10%") of those that have to be corrected; the
    last one repeats. Raises Expected.
    """
    expected = "auto, or sizes such as [2, 10, '25%']"
    if value == AUTO:
        return AUTO
    if not isinstance(value, list | tuple) or not value:
        raise Expected("", value, expected)
    sizes: list[int | str] = []
    for index, item in enumerate(value):
        size = _amount(item)
        if size is None or size in (0, "0%"):
            raise Expected(f"[{index}]", item, "a number of hosts from 1, or a share such as '10%'")
        sizes.append(size)
    return tuple(sizes)


def read_max_change(value: object) -> dict[str, int | str]:
    """{hosts: number | share | unlimited, removals: number | auto | unlimited}; a bare value is that of `hosts`, and a
    bare `unlimited` is for both. Raises Expected.
    """
    limits: dict[str, int | str] = {"hosts": "25%", "removals": AUTO}
    if value == UNLIMITED:
        return dict.fromkeys(limits, UNLIMITED)
    if not isinstance(value, Mapping):
        value = {"hosts": value}
    for part, item in value.items():
        if part not in CHANGED_PARTS:
            raise Expected(f".{part}", part, f"one of {', '.join(CHANGED_PARTS)}{close_to(str(part), CHANGED_PARTS)}")
        if item == UNLIMITED or (item == AUTO and part == "removals"):
            limits[part] = str(item)
            continue
        amount = _amount(item)
        if amount is None or (part == "removals" and isinstance(amount, str)):
            expected = "a number of hosts, a share such as '25%'" if part == "hosts" else "a number of removals, auto"
            raise Expected(f".{part}" if len(value) > 1 or part != "hosts" else "", item, f"{expected}, or unlimited")
        limits[part] = amount
    return limits


def read_max_failures(value: object) -> str:
    """A share of the hosts, such as "10%". Raises Expected."""
    amount = _amount(value)
    if not isinstance(amount, str):
        raise Expected("", value, "a share of the hosts such as '10%'")
    return amount


def _amount(value: object) -> int | str | None:
    """A number of things (also as -e gives it, in text) or a share of them; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return int(value)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return str(value) if isinstance(value, str) and _PERCENT.fullmatch(value) else None


def share(amount: int | str, of: int) -> int:
    """A number as it is; a share as that part of `of`, rounded down."""
    return amount if isinstance(amount, int) else of * int(amount.removesuffix("%")) // 100


def batch_sizes(batches: str | Sequence[int | str], total: int) -> list[int]:
    """The sizes of the batches that `total` hosts are corrected in; none is empty, and they add up."""
    if total <= 0:
        return []
    if isinstance(batches, str):
        first_sizes: list[int | str] = [total] if total <= ALL_AT_ONCE else [CANARY]
    else:
        first_sizes = list(batches)
    sizes: list[int] = []
    left = total
    while left:
        if len(sizes) < len(first_sizes):
            size = max(1, share(first_sizes[len(sizes)], total))
        else:
            size = sizes[-1] * GROWTH if isinstance(batches, str) else sizes[-1]
        sizes.append(min(size, left))
        left -= sizes[-1]
    return sizes


def allowed_hosts(max_change: Mapping[str, int | str], answered: int) -> int | None:
    """How many hosts one run may change, of so many that answered; None for any number."""
    limit = max_change["hosts"]
    if limit == UNLIMITED:
        return None
    return limit if isinstance(limit, int) else max(FEW, share(limit, answered))


def allowed_removals(max_change: Mapping[str, int | str], changing: int) -> int | None:
    """How many programs one run may remove where it would change so many hosts; None for any number."""
    limit = max_change["removals"]
    if limit == AUTO:
        return MANY_REMOVALS if changing > FEW else None
    return None if limit == UNLIMITED else int(limit)
