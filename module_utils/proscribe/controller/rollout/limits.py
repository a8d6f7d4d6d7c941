"""How much one run may change, and in what portions: the values of proscribe_batches, proscribe_max_change and
proscribe_max_failures, read and applied. Pure; controller only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..policy_errors import UnexpectedValue, propose_similar_names

AUTO = "auto"
UNLIMITED = "unlimited"

# So many hosts are corrected all at once; a canary for so few would cost more time than it saves.
MAX_SINGLE_BATCH = 5
# With two hosts, a host that fails alone is distinguished from a change that fails everywhere.
CANARY_HOSTS = 2
# How much larger each batch is than the one before it: 2, 10, 50, 250, ... A hundred thousand hosts are eight batches.
BATCH_GROWTH_FACTOR = 5
# So many hosts may change whatever share of the fleet they are, so that a small fleet's first run asks nothing.
MIN_ALLOWED_HOSTS = 10
# What `removals: auto` allows where more than MIN_ALLOWED_HOSTS hosts would change.
MAX_AUTO_REMOVALS = 200

CHANGED_PARTS = ("hosts", "removals")
_PERCENT = re.compile(r"(100|[1-9]?[0-9])%")


def read_batches(setting: object) -> str | tuple[int | str, ...]:
    """`auto`, or the sizes of the batches: numbers of hosts, or shares ("10%") of those that have to be corrected; the
    last one repeats. Raises Expected.
    """
    expected = "auto, or sizes such as [2, 10, '25%']"
    if setting == AUTO:
        return AUTO
    if not isinstance(setting, list | tuple) or not setting:
        raise UnexpectedValue("", setting, expected)
    sizes: list[int | str] = []
    for index, entry in enumerate(setting):
        size = _parse_amount(entry)
        if size is None or size in (0, "0%"):
            raise UnexpectedValue(f"[{index}]", entry, "a number of hosts from 1, or a share such as '10%'")
        sizes.append(size)
    return tuple(sizes)


def read_max_change(setting: object) -> dict[str, int | str]:
    """{hosts: number | share | unlimited, removals: number | auto | unlimited}; a bare value is that of `hosts`, and a
    bare `unlimited` is for both. Raises Expected.
    """
    limits: dict[str, int | str] = {"hosts": "25%", "removals": AUTO}
    if setting == UNLIMITED:
        return dict.fromkeys(limits, UNLIMITED)
    if not isinstance(setting, Mapping):
        setting = {"hosts": setting}
    for part, entry in setting.items():
        if part not in CHANGED_PARTS:
            raise UnexpectedValue(
                f".{part}", part, f"one of {', '.join(CHANGED_PARTS)}{propose_similar_names(str(part), CHANGED_PARTS)}"
            )
        if entry == UNLIMITED or (entry == AUTO and part == "removals"):
            limits[part] = str(entry)
            continue
        amount = _parse_amount(entry)
        if amount is None or (part == "removals" and isinstance(amount, str)):
            expected = "a number of hosts, a share such as '25%'" if part == "hosts" else "a number of removals, auto"
            raise UnexpectedValue(
                f".{part}" if len(setting) > 1 or part != "hosts" else "", entry, f"{expected}, or unlimited"
            )
        limits[part] = amount
    return limits


def read_max_failures(setting: object) -> str:
    """A share of the hosts, such as "10%". Raises Expected."""
    amount = _parse_amount(setting)
    if not isinstance(amount, str):
        raise UnexpectedValue("", setting, "a share of the hosts such as '10%'")
    return amount


def _parse_amount(setting: object) -> int | str | None:
    """A number of things (also as -e gives it, in text) or a share of them; None for anything else."""
    if isinstance(setting, int) and not isinstance(setting, bool) and setting >= 0:
        return int(setting)
    if isinstance(setting, str) and setting.isascii() and setting.isdigit():
        return int(setting)
    return str(setting) if isinstance(setting, str) and _PERCENT.fullmatch(setting) else None


def compute_share(amount: int | str, total: int) -> int:
    """A number as it is; a share as that part of `total`, rounded down."""
    return amount if isinstance(amount, int) else total * int(amount.removesuffix("%")) // 100


def compute_batch_sizes(batches: str | Sequence[int | str], total: int) -> list[int]:
    """The sizes of the batches that `total` hosts are corrected in; none is empty, and they add up."""
    if total <= 0:
        return []
    if isinstance(batches, str):
        first_sizes: list[int | str] = [total] if total <= MAX_SINGLE_BATCH else [CANARY_HOSTS]
    else:
        first_sizes = list(batches)
    sizes: list[int] = []
    remaining_hosts = total
    while remaining_hosts:
        if len(sizes) < len(first_sizes):
            size = max(1, compute_share(first_sizes[len(sizes)], total))
        else:
            size = sizes[-1] * BATCH_GROWTH_FACTOR if isinstance(batches, str) else sizes[-1]
        sizes.append(min(size, remaining_hosts))
        remaining_hosts -= sizes[-1]
    return sizes


def count_allowed_hosts(max_change: Mapping[str, int | str], answered_count: int) -> int | None:
    """How many hosts one run may change, of so many that answered; None for any number."""
    limit = max_change["hosts"]
    if limit == UNLIMITED:
        return None
    return limit if isinstance(limit, int) else max(MIN_ALLOWED_HOSTS, compute_share(limit, answered_count))


def count_allowed_removals(max_change: Mapping[str, int | str], changing_count: int) -> int | None:
    """How many programs one run may remove where it would change so many hosts; None for any number."""
    limit = max_change["removals"]
    if limit == AUTO:
        return MAX_AUTO_REMOVALS if changing_count > MIN_ALLOWED_HOSTS else None
    return None if limit == UNLIMITED else int(limit)
