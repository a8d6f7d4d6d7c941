"""Limits of a run by the settings proscribe_batches, proscribe_max_change and proscribe_max_failures.

Pure; controller only. compile/restrictions/rollout_values.py reads the settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
