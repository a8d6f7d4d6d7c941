"""Summary of the watch's journal for the host's record: incidents, corrections, ended programs, and their times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Iterable

from ....base.timestamps import parse_timestamp
from ....model.vocabulary import JOURNAL, MAX_ENDED_PROGRAMS, MAX_INCIDENT_RULES, MAX_INCIDENT_USERS, MAX_INCIDENTS
from ...system import ControlError, Host
from . import journal, pause, watch_files
from .clock import read_effective_time
from .fair_selection import select_in_turns

if TYPE_CHECKING:
    from typing import TypeVar

    from ....model.types.plan import Plan
    from ....model.types.record import EndedProgram, WatchIncident, WatchRecord
    from ....model.types.watch import GatheredIncident, JournalLine

    One = TypeVar("One")


def is_stale(host: Host, max_age: int, renewed: str | None) -> bool:
    """Return whether the last run that confirmed the plan is more than `max_age` seconds ago.

    `renewed` is the time of this run. If it is not known (None), the plan counts as stale.
    """
    return renewed is None or read_effective_time(host) - parse_timestamp(renewed) > max_age


def summarise_watch(host: Host, plan: Plan) -> WatchRecord:
    """Return the watch's part of the host's record (docs/watch.md).

    `plan` is the plan in effect. Raises ObservationError if this process may not read the journal.
    """
    try:
        settings = watch_files.read_settings(host)
    except watch_files.DamagedFileError:
        settings = None
    if "watch" in plan:
        every, max_age = plan["watch"]["every"], plan["watch"]["max_age"]
    else:
        every, max_age = (settings.every, settings.max_age) if settings else (0, 0)
    renewed = watch_files.read_renewal_time(host)
    # `unreadable` is the number of invalid lines; a journal that is no file counts as one
    try:
        lines, unreadable = journal.read_journal(host)
    except ControlError:
        lines, unreadable = [], 1
    paused = pause.read_active_pause(host)
    left_out = {JOURNAL: unreadable} if unreadable else {}
    watched: WatchRecord = {
        "every": every,
        "renewed": renewed,
        "stale": settings is not None and is_stale(host, max_age, renewed),
        "last": watch_files.read_last_observation(host).get("last"),
        "since": lines[0]["at"] if lines else None,
        "incidents": _choose_entries(
            _list_incidents(lines),
            MAX_INCIDENTS,
            lambda entry: entry["control"],
            lambda entry: entry["control"],
            left_out,
        ),
        "ended": _choose_entries(
            _list_ended_programs(lines),
            MAX_ENDED_PROGRAMS,
            lambda entry: entry["user"],
            lambda entry: entry["rule"].partition("/")[0],
            left_out,
        ),
        "left_out": left_out,
    }
    if paused:
        watched["frozen"] = paused
    return watched


def _choose_entries(
    entries: list[One],
    limit: int,
    get_owner: Callable[[One], str],
    get_control: Callable[[One], str],
    left_out: dict[str, int],
) -> list[One]:
    """Return at most `limit` entries, from each owner in turn. Add the number of the others to `left_out`.

    `get_owner` returns the owner of an entry, by whom entries take turns. `left_out` counts by control, which
    `get_control` returns.
    """
    chosen = select_in_turns(entries, get_owner, limit, lambda entry: 1)
    if len(chosen) < len(entries):
        chosen_ids = set(map(id, chosen))
        for entry in entries:
            if id(entry) not in chosen_ids:
                control = get_control(entry)
                left_out[control] = left_out.get(control, 0) + 1
    return chosen


def _list_incidents(lines: Iterable[JournalLine]) -> list[WatchIncident]:
    """Return the incidents of the journal, ordered by their last drift. An incident is all drift with one cause.

    If only a single rule has drifted, all its drift is one incident, whatever the causes. A correction belongs to the
    incident in which its rule drifted last.
    """
    # key: (control, cause), or (rule,) for a correction whose drift is not in the journal any more
    incidents: dict[tuple[str, ...], GatheredIncident] = {}
    open_incidents: dict[str, tuple[str, ...]] = {}  # rule -> key of the incident in which the rule drifted last
    for line in lines:
        if line["event"] == "drift":
            key: tuple[str, ...] = line["rules"][0].partition("/")[0] if line["rules"] else "", line["cause"]
            incident = incidents.setdefault(key, _make_incident(line))
            # a drift of many rules has several lines with the same time, and counts once
            incident["times"] += incident["seen"] != line["at"]
            incident["seen"] = incident["last"] = line["at"]
            incident["rules"].update(dict.fromkeys(line["rules"]))
            incident["users"].update(dict.fromkeys(line["users"]))
            open_incidents.update(dict.fromkeys(line["rules"], key))
        elif line["event"] == "corrected":
            for key in dict.fromkeys(open_incidents.get(rule, (rule,)) for rule in line["rules"]):
                incident = incidents.setdefault(key, _make_incident(line))
                incident["rules"].update(dict.fromkeys(key if len(key) == 1 else ()))
                incident["corrected"] += incident["closed"] != line["at"]
                incident["closed"] = line["at"]
    return sorted(
        map(_format_incident, _join_single_rules(incidents.values())),
        key=lambda incident: (incident["last"], incident["control"], incident["rules"]),
    )


def _make_incident(line: JournalLine) -> GatheredIncident:
    """Return an incident that begins with this journal line, without rules and counts."""
    return {
        "cause": line.get("cause", ""),
        "rules": {},
        "users": {},
        "seen": "",
        "closed": "",
        "first": line["at"],
        "last": line["at"],
        "times": 0,
        "corrected": 0,
    }


def _join_single_rules(incidents: Iterable[GatheredIncident]) -> Iterable[GatheredIncident]:
    """Yield the incidents. Incidents that consist of the same single rule are joined into one."""
    single_rule_incidents: dict[str, GatheredIncident] = {}
    for incident in incidents:
        if len(incident["rules"]) != 1:
            yield incident
            continue
        (rule,) = incident["rules"]
        joined = single_rule_incidents.setdefault(rule, incident)
        if joined is not incident:
            joined["times"] += incident["times"]
            joined["corrected"] += incident["corrected"]
            joined["first"] = min(joined["first"], incident["first"])
            if incident["last"] >= joined["last"]:
                joined["last"], joined["cause"] = incident["last"], incident["cause"] or joined["cause"]
            joined["users"].update(incident["users"])
    yield from single_rule_incidents.values()


def _format_incident(incident: GatheredIncident) -> WatchIncident:
    """Return an incident in the form of the host's record.

    If the journal has lost the drift of a correction, the correction still counts as one drift.
    """
    rules = list(incident["rules"])
    return {
        "control": rules[0].partition("/")[0] if rules else "",
        "cause": incident["cause"],
        "rules": rules[:MAX_INCIDENT_RULES],
        "rules_left_out": len(rules[MAX_INCIDENT_RULES:]),
        "first": incident["first"],
        "last": incident["last"],
        "times": max(incident["times"], incident["corrected"]),
        "corrected": incident["corrected"],
        "users": list(incident["users"])[:MAX_INCIDENT_USERS],
    }


def _list_ended_programs(lines: Iterable[JournalLine]) -> list[EndedProgram]:
    """Return the ended programs, one for each rule, program and user, ordered by the last time."""
    programs: dict[tuple[str, str, str], EndedProgram] = {}
    for line in lines:
        if line["event"] == "ended":
            key = line["rule"], line["program"], line["user"]
            new_program: EndedProgram = {
                "rule": line["rule"],
                "program": line["program"],
                "user": line["user"],
                "first": line["at"],
                "last": "",
                "times": 0,
            }
            program = programs.setdefault(key, new_program)
            program["last"], program["times"] = line["at"], program["times"] + line["times"]
    return sorted(
        programs.values(), key=lambda program: (program["last"], program["rule"], program["program"], program["user"])
    )
