"""Limits of a run: the settings proscribe_batches, proscribe_max_change and proscribe_max_failures.

This module reads and applies the settings. Pure; controller only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..policy_errors import UnexpectedValue, propose_similar_names

AUTO = "auto"
UNLIMITED = "unlimited"

# Most hosts that `batches: auto` corrects in a single batch. For so few hosts, a small first batch (canary) would cost
# more time than it saves.
MAX_SINGLE_BATCH = 5
# Size of the first batch. Two hosts show the difference between a single faulty host and a change that fails
# everywhere.
CANARY_HOSTS = 2
# The ratio of a batch to the batch before it: 2, 10, 50, 250, ... A hundred thousand hosts are eight batches.
BATCH_GROWTH_FACTOR = 5
# If the limit is a share, at least this many hosts may change. So the first run in a small fleet needs no higher limit.
MIN_ALLOWED_HOSTS = 10
# With `removals: auto`, the most removals if more than MIN_ALLOWED_HOSTS hosts would change. For fewer hosts there is
# no limit.
MAX_AUTO_REMOVALS = 200

CHANGED_PARTS = ("hosts", "removals")
_PERCENT = re.compile(r"(100|[1-9]?[0-9])%")


def read_batches(setting: object) -> str | tuple[int | str, ...]:
    """Read the setting `batches`: `auto`, or the sizes of the batches. Raises UnexpectedValue.

    A size is a number of hosts, or a share ("10%") of the hosts to correct. The last size repeats.
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
    """Read the setting `max_change`. Raises UnexpectedValue.

    Its form is {hosts: number | share | unlimited, removals: number | auto | unlimited}. A value without a key is the
    limit of `hosts`. `unlimited` without a key is the limit of both.
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
    """Read the setting `max_failures`: a share of the hosts, such as "10%". Raises UnexpectedValue."""
    amount = _parse_amount(setting)
    if not isinstance(amount, str):
        raise UnexpectedValue("", setting, "a share of the hosts such as '10%'")
    return amount


def _parse_amount(setting: object) -> int | str | None:
    """Parse a number or a share ("10%"); None for any other value.

    A number may be a text, as -e options give it.
    """
    if isinstance(setting, int) and not isinstance(setting, bool) and setting >= 0:
        return int(setting)
    if isinstance(setting, str) and setting.isascii() and setting.isdigit():
        return int(setting)
    return str(setting) if isinstance(setting, str) and _PERCENT.fullmatch(setting) else None


def compute_share(amount: int | str, total: int) -> int:
    """Return a number: `amount` if it is a number, else that share ("10%") of `total`, rounded down."""
    return amount if isinstance(amount, int) else total * int(amount.removesuffix("%")) // 100


def compute_batch_sizes(batches: str | Sequence[int | str], total: int) -> list[int]:
    """Compute the sizes of the batches for `total` hosts; `batches` is the setting. No batch is empty."""
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
    """Return the most hosts that a run may change, if `answered_count` hosts answered; None for no limit."""
    limit = max_change["hosts"]
    if limit == UNLIMITED:
        return None
    return limit if isinstance(limit, int) else max(MIN_ALLOWED_HOSTS, compute_share(limit, answered_count))


def count_allowed_removals(max_change: Mapping[str, int | str], changing_count: int) -> int | None:
    """Return the most programs that a run may remove if it changes `changing_count` hosts; None for no limit."""
    limit = max_change["removals"]
    if limit == AUTO:
        return MAX_AUTO_REMOVALS if changing_count > MIN_ALLOWED_HOSTS else None
    return None if limit == UNLIMITED else int(limit)
