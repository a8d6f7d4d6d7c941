"""The readers of two parts of a host's record, with types and limits: the events of its watch, its users' requests.

The host's root account wrote the watch's journal, and the host's users wrote the requests. Data of a form that
Proscribe's code never writes make the whole record unusable. Data that users can produce in excess are cut and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...model.finding import WATCH
from ...model.types.annotations import RULE_GROUPS
from ...model.types.record import EndedProgram, RecordDetails, UserRequest, WatchIncident, WatchRecord
from ...model.vocabulary import JOURNAL, MAX_INCIDENT_RULES
from .typed_reader import read_keys, read_typed
from .value_readers import MAX_COUNT, UnusableAnswer, quote_content, read_count, require_mapping


def read_watch(content: object) -> WatchRecord:
    """Return the events that the watch of a host recorded between two runs.

    Raises UnusableAnswer.
    """
    entry = require_mapping(content, WATCH)
    watched: WatchRecord = read_typed(WatchRecord, entry, WATCH, f"{WATCH}.")
    watched["incidents"] = incidents = [_add_control(incident) for incident in watched["incidents"]]
    ended = watched["ended"]
    for program in ended:
        _check_period(program)
    _require_unique_keys([(incident["cause"], *incident["rules"]) for incident in incidents], "an incident")
    _require_unique_keys(
        [(program["rule"], program["program"], program["user"]) for program in ended], "an ended program of one user"
    )
    # Ended programs belong to the control apps. The control of incidents that were not read is unknown, so they count
    # for the journal.
    more_ended, more_incidents = (
        len(entry.get("ended", ())) - len(ended),
        len(entry.get("incidents", ())) - len(incidents),
    )
    watched["left_out"] = _read_left_out(entry.get("left_out", {}), {"apps": more_ended, JOURNAL: more_incidents})
    return watched


def read_requests(content: Any, left_out: object) -> tuple[list[UserRequest], int]:
    """Return the requests of a host's users, and the number of requests that are left out.

    `left_out` is the number that the host itself left out; None for 0. A request with the id of an earlier request is
    left out, too. Raises UnusableAnswer.
    """
    by_id: dict[str, UserRequest] = {}
    for request in read_keys(RecordDetails, {"requests": content}, "requests")["requests"]:
        by_id.setdefault(request["id"], request)
    return list(by_id.values()), _sum_left_out(
        0 if left_out is None else left_out, len(content) - len(by_id), "requests_left_out"
    )


def _add_control(incident: WatchIncident) -> WatchIncident:
    """Return an incident with its control. Rules beyond their maximum number are cut and counted.

    Raises UnusableAnswer if the incident contradicts itself.
    """
    _check_period(incident)
    times, corrected, rules = incident["times"], incident["corrected"], incident["rules"]
    if corrected > times:
        raise UnusableAnswer(f"an incident was corrected {corrected} times and found {times} times")
    controls = {rule.partition("/")[0] for rule in rules}
    if len(controls) != 1:
        raise UnusableAnswer("an incident is of no control, or of several")
    incident["rules"] = rules[:MAX_INCIDENT_RULES]
    incident["rules_left_out"] = _sum_left_out(
        incident["rules_left_out"], len(rules[MAX_INCIDENT_RULES:]), "rules_left_out"
    )
    return {"control": controls.pop(), **incident}


def _read_left_out(content: object, more: Mapping[str, int]) -> dict[str, int]:
    """Return the numbers of entries that the record leaves out, by control and for the journal; no zeros.

    `more` has the numbers that this reader left out itself. They are added to the numbers of the host.
    """
    entry = require_mapping(content, "watch.left_out")
    names = (*RULE_GROUPS, JOURNAL)
    if unknown := [key for key in entry if key not in names]:
        raise UnusableAnswer(f"watch.left_out names {quote_content(unknown[0])}, no control")
    counts = {key: _sum_left_out(entry.get(key, 0), more.get(key, 0), f"watch.left_out.{key}") for key in names}
    return {key: number for key, number in counts.items() if number}


def _require_unique_keys(keys: Sequence[tuple[str, ...]], label: str) -> None:
    """Raise UnusableAnswer if a key occurs twice; `label` names the kind of the entries."""
    if len(set(keys)) < len(keys):
        raise UnusableAnswer(f"it lists {label} twice")


def _check_period(entry: WatchIncident | EndedProgram) -> None:
    """Raise UnusableAnswer for an entry of what never happened. Swap its times if the host's clock was set back."""
    if not entry["times"]:
        raise UnusableAnswer("it lists what never happened")
    entry["first"], entry["last"] = sorted((entry["first"], entry["last"]))


def _sum_left_out(left_out: object, more: int, label: str) -> int:
    """Return the number that the host left out plus `more`, at most MAX_COUNT."""
    return min(MAX_COUNT, read_count(left_out, label) + more)
