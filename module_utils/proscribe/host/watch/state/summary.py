"""Summary of the journal for the record: the number of drifts, their first time, and the corrections."""

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
    """Return whether no run has renewed the plan for `max_age` seconds. A plan without a known renewal is stale."""
    return renewed is None or read_effective_time(host) - parse_timestamp(renewed) > max_age


def summarise_watch(host: Host, plan: Plan) -> WatchRecord:
    """Return the part of the record about the watch (docs/watch.md).

    Raises ObservationError without the right to read the journal.
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
    """Return at most `limit` entries, of each owner in turn. Count the others by control in `left_out`."""
    chosen = select_in_turns(entries, get_owner, limit, lambda entry: 1)
    if len(chosen) < len(entries):
        chosen_ids = set(map(id, chosen))
        for entry in entries:
            if id(entry) not in chosen_ids:
                control = get_control(entry)
                left_out[control] = left_out.get(control, 0) + 1
    return chosen


def _list_incidents(lines: Iterable[JournalLine]) -> list[WatchIncident]:
    """Return the incidents by the cause of their drift, the latest drift last.

    A single rule is one incident, whatever the causes. A correction belongs to the incident in which its rule drifted
    last.
    """
    incidents: dict[tuple[str, ...], GatheredIncident] = {}
    open_incidents: dict[str, tuple[str, ...]] = {}
    for line in lines:
        if line["event"] == "drift":
            key: tuple[str, ...] = line["rules"][0].partition("/")[0] if line["rules"] else "", line["cause"]
            incident = incidents.setdefault(key, _make_incident(line))
            incident["times"] += incident["seen"] != line["at"]  # a drift of many rules has several lines
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
    """Yield the incidents, with all incidents of the same single rule joined."""
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
    """Return an incident in the form of the record.

    A correction whose drift line is gone still counts as a drift.
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
    """Return the ended programs by rule, program and user, the latest last."""
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
