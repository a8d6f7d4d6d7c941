"""What the watch says of itself to who calls `proscribe-watch status`."""

from __future__ import annotations

from typing import Iterator

from ...base.duration import format_duration
from ..system import Host, escaped
from . import launches
from .state import effective, files
from .state.reservations import explain_reservation, read_reservations
from .state.summary import summary

LAST = 5  # incidents that are shown


def status(host: Host, known: files.Settings) -> str:
    """A few lines for people. Raises Damaged, Unseen and ControlError."""
    return "".join(f"{escaped(line)}\n" for line in _lines(host, known))


def _lines(host: Host, known: files.Settings) -> Iterator[str]:
    plan = effective.plan_in_effect(host, known)
    seen = summary(host, plan)
    yield f"observes this host every {format_duration(known.every)}; last {seen['last'] or 'never'}"
    yield f"plan {plan['digest']}"
    age = "stale: " if seen["stale"] else ""
    yield f"{age}renewed by a run {seen['renewed'] or 'at an unknown time'}, to be renewed every {format_duration(known.max_age)}"
    if known.chain:
        yield f"other plans take effect {', '.join(at for at, _ in known.chain)}"
    yield str(launches.status(host, known))
    if "frozen" in seen:
        pause = seen["frozen"]
        yield f"frozen until {pause['until']} by {pause['by']}: {pause['reason']}"
    for name, reservation in read_reservations(host).list_in_force(host).items():
        yield explain_reservation(name, reservation)
    for one in reversed(seen["incidents"][-LAST:]):
        more = f" and {number - 1} more rules" if (number := len(one["rules"]) + one["rules_left_out"]) > 1 else ""
        times = f"drifted {one['times']} times, corrected {one['corrected']}, last {one['last']}"
        yield f"{one['rules'][0]}{more}: {times}{': ' if one['cause'] else ''}{one['cause']}"
    for ended in reversed(seen["ended"][-LAST:]):
        whose = f"{ended['rule']}: {ended['program']} of {ended['user']}"
        yield f"{whose} ended {ended['times']} times, last {ended['last']}"
