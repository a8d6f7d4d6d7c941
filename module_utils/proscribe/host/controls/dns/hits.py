"""How often the filter has answered for a service since the boot, out of the journal of the resolver's unit.

What a resolver logs has the name that was queried, or the blocked one above it; which service that belongs to, only
the plan knows. The newest MAX_JOURNAL_LINES lines are read: a journal may be large, and more tries than that say nothing more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, AbstractSet, Iterator, Mapping

from ...system import ControlError, Host
from .desired import find_covering_name
from .effect import is_observation_query

if TYPE_CHECKING:
    from typing import Pattern

MAX_JOURNAL_LINES = 5000
JOURNAL_TIMEOUT_SECONDS = 5  # seconds


def count_service_hits(
    host: Host, unit: str, hit_pattern: Pattern[str] | None, names_by_service: Mapping[str, AbstractSet[str]]
) -> dict[str, int]:
    """The hits of each service that had any; `names_by_service` are the names that are blocked for each, `hit_pattern` is of the
    resolver's language.
    """
    journalctl = host.find_tool("journalctl")
    if journalctl is None or not host.privileged:
        return {}
    journal_options = [
        f"--unit={unit}",
        "--boot",
        "--quiet",
        "--no-pager",
        "--output=cat",
        f"--lines={MAX_JOURNAL_LINES}",
    ]
    try:
        text = host.run_command([journalctl, *journal_options], timeout=JOURNAL_TIMEOUT_SECONDS).out
    except ControlError:  # evidence of attempts is worth no failure
        return {}
    blocked_names = {name for names in names_by_service.values() for name in names}
    hit_counts: dict[str, int] = {}
    for name in list_hit_names(text, hit_pattern):
        covering_name = find_covering_name(name.lower(), blocked_names)
        for service_id in (service_id for service_id, names in names_by_service.items() if covering_name in names):
            hit_counts[service_id] = hit_counts.get(service_id, 0) + 1
    return hit_counts


def list_hit_names(text: str, hit_pattern: Pattern[str] | None) -> Iterator[str]:
    """The names in the lines about hits, without those that observations have asked for."""
    for line in text.splitlines():
        if (
            hit_pattern
            and (match := hit_pattern.search(line))
            and not is_observation_query(match[match.lastindex or 0])
        ):
            yield match[1]
