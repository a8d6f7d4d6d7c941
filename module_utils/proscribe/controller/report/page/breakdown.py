"""One pass over the records: what the page groups, counts and lists, without holding a record."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ....model.finding import OPEN_STATES, STATES
from ....model.plan import CONTROLS
from ....model.types.record import HostRecord, RuleRecord, UserRequest
from ..evaluation.groups import FindingGroup, Grouping, GroupPart, rank_group
from ..evaluation.since_last_run import WatchRemark, list_open_requests, list_remarks

# (host, rule) -> since when it has been so, a UTC time such as 2026-11-25T00:31:00Z
Since = Mapping[tuple[str, str], str]

Counts = Mapping[str, int]

WHOLE = -1  # stands for a part's number where something is said of a host as a whole: no answer, or a failure


class Host(NamedTuple):
    """What the page keeps of a host: its record without the rules, which are in the parts by number."""

    name: str
    state: str
    parts: tuple[int, ...]
    departments: tuple[str, ...]
    record: HostRecord
    remarks: Sequence[WatchRemark]  # on the time between two runs
    requests: Sequence[UserRequest]  # of its users, that wait
    since: Mapping[int, str]  # by number of the part (or WHOLE), where known: since when the first has been so


class Missing(NamedTuple):
    """Services or settings that the same controls lack on as many hosts: what should block them is not there."""

    controls: tuple[str, ...]
    names: tuple[str, ...]
    hosts: Counts


class Breakdown(NamedTuple):
    """A fleet as the page shows it. `groups` are worst first; `Part.group` is a place in them."""

    hosts: Sequence[Host]  # by name, numbers in it counted as numbers
    parts: Sequence[GroupPart]
    rules: Sequence[RuleRecord]
    groups: Sequence[FindingGroup]
    group_since: Sequence[str]  # for each group, "" if not known
    departments: Mapping[str, Counts]  # hosts by state; worst first
    found: Mapping[str, Counts]  # hosts on which something of a service was found, by the worst state of that
    unblocked: Sequence[Missing]  # services that are not blocked, or not known to be; no sign of anybody's use
    unset: Sequence[Missing]  # the same of the rules that are no service's, by their whole names
    settings: Collection[str]  # the names of all such rules
    controls: Mapping[str, Counts]
    attempts: Mapping[str, tuple[int, int]]  # by rule: how often it was refused, and on how many hosts; most first


def break_down(
    records: Iterable[HostRecord],
    departments: Mapping[str, Iterable[str]],
    since: Since,
    finished: str,
    settings: Collection[str] = (),
) -> Breakdown:
    """Read the records, each once. `settings` are the rules that are about no service. What is known to begin after
    the run had `finished` is another time's.
    """
    belongs: dict[str, list[str]] = {}
    for department, members in departments.items():
        for member in members:
            belongs.setdefault(member, []).append(department)
    grouping = Grouping()
    hosts: list[Host] = []
    group_since: dict[int, str] = {}
    for record in records:
        parts = grouping.add_record(record)
        began = _since(record["host"], parts, grouping, since, finished) if since else {}
        for number, when in began.items():
            group = None if number == WHOLE else grouping.parts[number].group
            if group is not None:
                group_since[group] = min(when, group_since.get(group, when))
        mine = tuple(belongs.get(record["host"], ()))
        events, waiting = list_remarks(record), list_open_requests(record)
        hosts.append(Host(record["host"], record["state"], parts, mine, _without_rules(record), events, waiting, began))
    found = grouping.make_groups()
    order = sorted(range(len(found)), key=lambda number: rank_group(found[number]))
    place = {number: index for index, number in enumerate(order)}
    parts_ = [part if part.group is None else part._replace(group=place[part.group]) for part in grouping.parts]
    return Breakdown(
        hosts=sorted(hosts, key=lambda host: natural(host.name)),
        parts=parts_,
        rules=grouping.rules,
        groups=[found[number] for number in order],
        group_since=[group_since.get(number, "") for number in order],
        departments=_by_department(hosts, departments),
        found=_by(hosts, parts_, lambda part: _services(part, grouping.rules, settings) if part.evidence else ()),
        unblocked=_missing(hosts, parts_, lambda part: _services(part, grouping.rules, settings)),
        unset=_missing(hosts, parts_, lambda part: _settings(part, grouping.rules, settings)),
        settings=settings,
        controls=_by(hosts, parts_, lambda part: [part.control]),
        attempts=_attempts(hosts),
    )


def natural(name: str) -> tuple[object, ...]:
    """An order of names in which web2 comes before web10."""
    pieces = re.split(r"([0-9]+)", name)  # text and digits by turns, so that like is compared with like
    pieces[1::2] = [digits.lstrip("0") for digits in pieces[1::2]]
    return (*((len(piece), piece) if place % 2 else piece for place, piece in enumerate(pieces)), (0, name))


def _without_rules(record: HostRecord) -> HostRecord:
    """What the page and its advice need of a record beside its rules, which the groups have."""
    found: HostRecord = {
        "schema": record["schema"],
        "host": record["host"],
        "state": record["state"],
        "reason": record.get("reason"),
        "plan": record["plan"],
        "checked_at": record["checked_at"],
        "platform": record["platform"],
        "rules_evaluated": record["rules_evaluated"],
        "rules_not_applicable": record.get("rules_not_applicable") or 0,
        "controls": record.get("controls") or {},
        "rules": [],
        "attempts": record.get("attempts") or {},
        "errors": record["errors"],
        "actions": record.get("actions") or [],
        "duration_ms": record["duration_ms"],
    }
    if unobserved := record.get("not_observed_again"):
        found["not_observed_again"] = unobserved
    return found


def _since(host: str, parts: Iterable[int], grouping: Grouping, since: Since, finished: str) -> dict[int, str]:
    began: dict[int, str] = {}
    whole = since.get((host, ""), "")
    if whole and whole <= finished:
        began[WHOLE] = whole
    for number in parts:
        rules = grouping.parts[number].rules  # none for an error that no rule reports
        times = [since.get((host, grouping.rules[rule]["rule"]), "") for rule in rules] or [whole]
        known = [time for time in times if time and time <= finished]
        if known:
            began[number] = min(known)
    return began


def _by_department(hosts: Iterable[Host], departments: Mapping[str, Iterable[str]]) -> dict[str, Counts]:
    if not departments:
        return {}
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for host in hosts:
        for name in host.departments or ("",):
            counts[name][host.state] += 1
    return _worst_first(counts)


def _by(
    hosts: Iterable[Host], parts: Sequence[GroupPart], names_of: Callable[[GroupPart], Iterable[str]]
) -> dict[str, Counts]:
    """Hosts by the worst state of what each lists under a name. Many hosts list the same, which is worked out once."""
    names = [list(names_of(part)) for part in parts]
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for numbers, times in Counter(host.parts for host in hosts).items():
        worst: dict[str, str] = {}
        for number in sorted(numbers, key=lambda number: STATES.index(parts[number].state)):
            for name in names[number]:
                worst.setdefault(name, parts[number].state)
        for name, state in worst.items():
            counts[name][state] += times
    return _worst_first(counts)


def _missing(
    hosts: Iterable[Host], parts: Sequence[GroupPart], names_of: Callable[[GroupPart], Iterable[str]]
) -> Sequence[Missing]:
    """What is not in effect, with names that have the same controls and hosts put together; those of most names first.
    What was found is apart: that is what somebody has, and not what is missing.
    """
    controls: defaultdict[str, set[str]] = defaultdict(set)

    def open_names(part: GroupPart) -> list[str]:
        names = list(names_of(part)) if part.state in OPEN_STATES and not part.evidence else []
        for name in names:
            controls[name].add(part.control)
        return names

    alike: defaultdict[tuple[tuple[str, ...], tuple[tuple[str, int], ...]], list[str]] = defaultdict(list)
    for name, counts in _by(hosts, parts, open_names).items():
        alike[tuple(sorted(controls[name], key=_place)), tuple(sorted(counts.items()))].append(name)
    found = [Missing(of, tuple(sorted(names, key=natural)), dict(counts)) for (of, counts), names in alike.items()]
    return sorted(found, key=lambda one: (-len(one.names), one.names))


def _place(control: str) -> tuple[int, str]:
    return (CONTROLS.index(control) if control in CONTROLS else len(CONTROLS), control)


def _attempts(hosts: Iterable[Host]) -> dict[str, tuple[int, int]]:
    times: Counter[str] = Counter()
    places: Counter[str] = Counter()
    for host in hosts:
        for rule, count in host.record.get("attempts", {}).items():
            times[rule] += count
            places[rule] += 1
    return {rule: (count, places[rule]) for rule, count in sorted(times.items(), key=lambda item: (-item[1], item[0]))}


def _services(part: GroupPart, rules: Sequence[RuleRecord], settings: Collection[str]) -> list[str]:
    names = [rules[number]["rule"] for number in part.rules]
    return [name.partition("/")[2] or name for name in names if name not in settings]


def _settings(part: GroupPart, rules: Sequence[RuleRecord], settings: Collection[str]) -> list[str]:
    return [name for number in part.rules if (name := rules[number]["rule"]) in settings]


def _worst_first(counts: Mapping[str, Counts]) -> dict[str, Counts]:
    def badness(name: str) -> tuple[object, ...]:
        return (*(-counts[name].get(state, 0) for state in STATES[:4]), natural(name))

    return {name: counts[name] for name in sorted(counts, key=badness)}
