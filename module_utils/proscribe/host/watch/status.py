"""Text that `proscribe-watch status` prints."""

from __future__ import annotations

from typing import Iterator

from ...base.duration import format_duration
from ..system import Host, escape_text
from . import launches
from .state import plan_in_effect, watch_files
from .state.reservations import explain_reservation, read_reservations
from .state.summary import summarise_watch

MAX_SHOWN_INCIDENTS = 5  # most incidents that are shown, and most ended programs


def format_status(host: Host, settings: watch_files.WatchSettings) -> str:
    """Return the status of the watch in a few lines for people.

    Raises DamagedFileError, ObservationError and ControlError.
    """
    return "".join(f"{escape_text(line)}\n" for line in _list_status_lines(host, settings))


def _list_status_lines(host: Host, settings: watch_files.WatchSettings) -> Iterator[str]:
    """Yield the lines of the status: intervals, plans, pause, reservations, latest incidents and ended programs."""
    plan = plan_in_effect.read_plan_in_effect(host, settings)
    watch_summary = summarise_watch(host, plan)
    yield f"observes this host every {format_duration(settings.every)}; last {watch_summary['last'] or 'never'}"
    yield f"plan {plan['digest']}"
    stale_prefix = "stale: " if watch_summary["stale"] else ""
    yield (
        f"{stale_prefix}renewed by a run {watch_summary['renewed'] or 'at an unknown time'}, to be renewed every "
        f"{format_duration(settings.max_age)}"
    )
    if settings.chain:
        yield f"other plans take effect {', '.join(moment for moment, _ in settings.chain)}"
    yield str(launches.describe_status(host, settings))
    if "frozen" in watch_summary:
        pause = watch_summary["frozen"]
        yield f"frozen until {pause['until']} by {pause['by']}: {pause['reason']}"
    for name, reservation in read_reservations(host).list_in_force(host).items():
        yield explain_reservation(name, reservation)
    for incident in reversed(watch_summary["incidents"][-MAX_SHOWN_INCIDENTS:]):
        more_rules = (
            f" and {rule_count - 1} more rules"
            if (rule_count := len(incident["rules"]) + incident["rules_left_out"]) > 1
            else ""
        )
        times = f"drifted {incident['times']} times, corrected {incident['corrected']}, last {incident['last']}"
        yield f"{incident['rules'][0]}{more_rules}: {times}{': ' if incident['cause'] else ''}{incident['cause']}"
    for ended_program in reversed(watch_summary["ended"][-MAX_SHOWN_INCIDENTS:]):
        ended_text = f"{ended_program['rule']}: {ended_program['program']} of {ended_program['user']}"
        yield f"{ended_text} ended {ended_program['times']} times, last {ended_program['last']}"
