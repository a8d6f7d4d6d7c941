"""Number of refused queries for each service since the boot, from the journal of the resolver's unit.

A log line has the queried name, or the blocked name above it. Only the plan knows which service a name belongs to. The
newest MAX_JOURNAL_LINES lines are read: a journal may be large, and further attempts add no information.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, AbstractSet, Iterator, Mapping

from ...system import ControlError, Host
from .effect_test import is_observation_query
from .names_to_block import find_covering_name

if TYPE_CHECKING:
    from typing import Pattern

MAX_JOURNAL_LINES = 5000
JOURNAL_TIMEOUT_SECONDS = 5


def count_service_hits(
    host: Host, unit: str, hit_pattern: Pattern[str] | None, names_by_service: Mapping[str, AbstractSet[str]]
) -> dict[str, int]:
    """Return, by service, the number of refused queries. Services without any are left out.

    The result is also {} without root, without journalctl, or if journalctl fails. `unit` is the unit of the resolver.
    `hit_pattern` finds the log lines about refusals; None if the resolver logs none. `names_by_service` has the blocked
    names of each service.
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
    except ControlError:  # missing evidence of attempts is no failure
        return {}
    blocked_names = {name for names in names_by_service.values() for name in names}
    hit_counts: dict[str, int] = {}
    for name in list_hit_names(text, hit_pattern):
        covering_name = find_covering_name(name.lower(), blocked_names)
        for service_id in (service_id for service_id, names in names_by_service.items() if covering_name in names):
            hit_counts[service_id] = hit_counts.get(service_id, 0) + 1
    return hit_counts


def list_hit_names(text: str, hit_pattern: Pattern[str] | None) -> Iterator[str]:
    """Yield the name in each log line about a refusal, except in lines that Proscribe's own test caused.

    `hit_pattern` is the pattern of `ResolverLanguage`. Its first group is yielded. Its last group is the queried name.
    """
    for line in text.splitlines():
        if (
            hit_pattern
            and (match := hit_pattern.search(line))
            and not is_observation_query(match[match.lastindex or 0])
        ):
            yield match[1]
