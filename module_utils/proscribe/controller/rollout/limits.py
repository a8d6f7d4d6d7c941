"""The limits of a run: proscribe_batches, proscribe_max_change and proscribe_max_failures.

They are read and applied here. Pure; controller only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..policy_errors import UnexpectedValue, propose_similar_names

AUTO = "auto"
UNLIMITED = "unlimited"

# Up to so many hosts are corrected at once. For so few hosts, a canary would cost more time than it saves.
MAX_SINGLE_BATCH = 5
# With two hosts, a single failed host is distinguished from a change that fails everywhere.
CANARY_HOSTS = 2
# The ratio of a batch to the batch before it: 2, 10, 50, 250, ... A hundred thousand hosts are eight batches.
BATCH_GROWTH_FACTOR = 5
# So many hosts may change, whatever their share of the fleet. So a small fleet's first run needs no approval.
MIN_ALLOWED_HOSTS = 10
# The limit of `removals: auto` if more than MIN_ALLOWED_HOSTS hosts would change.
MAX_AUTO_REMOVALS = 200

CHANGED_PARTS = ("hosts", "removals")
_PERCENT = re.compile(r"(100|[1-9]?[0-9])%")


def read_batches(setting: object) -> str | tuple[int | str, ...]:
    """Read `auto`, or the sizes of the batches. Raises UnexpectedValue.

    Sizes are numbers of hosts, or shares ("10%") of the hosts to correct. The last size repeats.
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
    """Read {hosts: number | share | unlimited, removals: number | auto | unlimited}. Raises UnexpectedValue.

    A single value belongs to `hosts`; a single `unlimited` belongs to both.
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
    """Read a share of the hosts, such as "10%". Raises UnexpectedValue."""
    amount = _parse_amount(setting)
    if not isinstance(amount, str):
        raise UnexpectedValue("", setting, "a share of the hosts such as '10%'")
    return amount


def _parse_amount(setting: object) -> int | str | None:
    """Parse a number (as text too, from -e) or a share; None for other values."""
    if isinstance(setting, int) and not isinstance(setting, bool) and setting >= 0:
        return int(setting)
    if isinstance(setting, str) and setting.isascii() and setting.isdigit():
        return int(setting)
    return str(setting) if isinstance(setting, str) and _PERCENT.fullmatch(setting) else None


def compute_share(amount: int | str, total: int) -> int:
    """Compute a share of `total`, rounded down. A number stays as it is."""
    return amount if isinstance(amount, int) else total * int(amount.removesuffix("%")) // 100


def compute_batch_sizes(batches: str | Sequence[int | str], total: int) -> list[int]:
    """Compute the sizes of the batches for `total` hosts. No batch is empty, and their sum is `total`."""
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
    """Count the hosts that a run may change, by the number of hosts that answered; None for no limit."""
    limit = max_change["hosts"]
    if limit == UNLIMITED:
        return None
    return limit if isinstance(limit, int) else max(MIN_ALLOWED_HOSTS, compute_share(limit, answered_count))


def count_allowed_removals(max_change: Mapping[str, int | str], changing_count: int) -> int | None:
    """Count the programs that a run may remove, by the number of changing hosts; None for no limit."""
    limit = max_change["removals"]
    if limit == AUTO:
        return MAX_AUTO_REMOVALS if changing_count > MIN_ALLOWED_HOSTS else None
    return None if limit == UNLIMITED else int(limit)
