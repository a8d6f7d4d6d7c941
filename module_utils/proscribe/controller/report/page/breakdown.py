"""A summary of all records for the page, made in one pass without storing a record."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ....model.finding import OPEN_STATES, STATES
from ....model.plan import CONTROLS
from ....model.types.record import HostRecord, RuleRecord, UserRequest
from ..evaluation.finding_groups import FindingGroup, Grouping, GroupPart, rank_group
from ..evaluation.watch_remark_groups import WatchRemark, list_open_requests, list_remarks

# (host, rule) -> begin of the present state, a UTC time such as 2026-11-25T00:31:00Z
StartTimes = Mapping[tuple[str, str], str]

StateCounts = Mapping[str, int]  # state -> number of hosts

# A part (`GroupPart`) has rules of a host that share a control and a state, or an error of the host. This number stands
# for the host as a whole, if it has no answer or has failed.
HOST_NUMBER = -1


class PageHost(NamedTuple):
    """The data of a host on the page: its record without rules.

    `parts` has the rules and errors of the host, as indexes in `FleetBreakdown.parts`.
    """

    name: str
    state: str
    parts: tuple[int, ...]
    departments: tuple[str, ...]
    record: HostRecord
    remarks: Sequence[WatchRemark]  # events on the host between two runs
    requests: Sequence[UserRequest]  # requests of the host's users that wait for an answer
    # Key: the number of a part, or HOST_NUMBER. Value: the earliest begin (UTC) of its present state. Unknown times are
    # left out.
    start_times: Mapping[int, str]


class MissingNames(NamedTuple):
    """Services or settings that are not in effect in the same controls, on the same number of hosts.

    `hosts` has the number of these hosts by state.
    """

    controls: tuple[str, ...]
    names: tuple[str, ...]
    hosts: StateCounts


class FleetBreakdown(NamedTuple):
    """A fleet as the page shows it.

    `groups` are sorted worst first. `GroupPart.group` is an index of `groups`, and `GroupPart.rules` are indexes of
    `rules`.
    """

    hosts: Sequence[PageHost]  # sorted by name, with web2 before web10
    parts: Sequence[GroupPart]
    rules: Sequence[RuleRecord]
    groups: Sequence[FindingGroup]
    group_start_times: Sequence[str]  # for each group: the earliest begin (UTC) of its findings, "" if unknown
    department_counts: Mapping[str, StateCounts]  # department -> hosts by state, worst department first
    # service -> hosts with a finding of the service, by the worst state of these findings
    found_counts: Mapping[str, StateCounts]
    # Services that are not blocked on some hosts, or not known to be blocked. This does not prove that anybody uses
    # them.
    unblocked_services: Sequence[MissingNames]
    # The same for settings, which belong to no service. The names are whole names of rules.
    unset_settings: Sequence[MissingNames]
    setting_rules: Collection[str]  # the names of all rules that belong to no service
    control_counts: Mapping[str, StateCounts]
    # rule -> (number of refused attempts, number of hosts with such attempts), most attempts first
    attempts: Mapping[str, tuple[int, int]]


def summarise_fleet(
    records: Iterable[HostRecord],
    departments: Mapping[str, Iterable[str]],
    start_times: StartTimes,
    finished: str,
    setting_rules: Collection[str] = (),
) -> FleetBreakdown:
    """Summarise the records of a fleet for the page.

    Each record is read once. `departments` has the hosts of each department. `start_times` has the begin of the present
    states; empty if unknown. Begin times after `finished`, the end of the run, come from later runs and are ignored.
    `setting_rules` are the rules that belong to no service.
    """
    departments_by_host: dict[str, list[str]] = {}
    for department, members in departments.items():
        for member in members:
            departments_by_host.setdefault(member, []).append(department)
    grouping = Grouping()
    hosts: list[PageHost] = []
    group_start_times: dict[int, str] = {}
    for record in records:
        parts = grouping.add_record(record)
        host_start_times = (
            _find_start_times(record["host"], parts, grouping, start_times, finished) if start_times else {}
        )
        for number, start_time in host_start_times.items():
            group = None if number == HOST_NUMBER else grouping.parts[number].group
            if group is not None:
                group_start_times[group] = min(start_time, group_start_times.get(group, start_time))
        host_departments = tuple(departments_by_host.get(record["host"], ()))
        host_remarks, waiting_requests = list_remarks(record), list_open_requests(record)
        hosts.append(
            PageHost(
                record["host"],
                record["state"],
                parts,
                host_departments,
                _remove_rules(record),
                host_remarks,
                waiting_requests,
                host_start_times,
            )
        )
    # Sort the groups, worst first, and give the parts the new indexes of their groups.
    finding_groups = grouping.make_groups()
    group_order = sorted(range(len(finding_groups)), key=lambda number: rank_group(finding_groups[number]))
    new_numbers = {number: index for index, number in enumerate(group_order)}
    renumbered_parts = [
        part if part.group is None else part._replace(group=new_numbers[part.group]) for part in grouping.parts
    ]
    return FleetBreakdown(
        hosts=sorted(hosts, key=lambda host: make_natural_key(host.name)),
        parts=renumbered_parts,
        rules=grouping.rules,
        groups=[finding_groups[number] for number in group_order],
        group_start_times=[group_start_times.get(number, "") for number in group_order],
        department_counts=_count_by_department(hosts, departments),
        found_counts=_count_by_name(
            hosts,
            renumbered_parts,
            lambda part: _list_services(part, grouping.rules, setting_rules) if part.evidence else (),
        ),
        unblocked_services=_list_missing(
            hosts, renumbered_parts, lambda part: _list_services(part, grouping.rules, setting_rules)
        ),
        unset_settings=_list_missing(
            hosts, renumbered_parts, lambda part: _list_settings(part, grouping.rules, setting_rules)
        ),
        setting_rules=setting_rules,
        control_counts=_count_by_name(hosts, renumbered_parts, lambda part: [part.control]),
        attempts=_count_attempts(hosts),
    )


def make_natural_key(name: str) -> tuple[object, ...]:
    """Return a sort key for a name that compares numbers by value, so that web2 comes before web10."""
    pieces = re.split(r"([0-9]+)", name)  # Text and digits alternate, so that sorting never compares text with digits.
    # A number with more digits is greater. Without its leading zeros, a number of the same length compares as text.
    pieces[1::2] = [digits.lstrip("0") for digits in pieces[1::2]]
    # The name itself comes last, for names that differ only in leading zeros.
    return (*((len(piece), piece) if position % 2 else piece for position, piece in enumerate(pieces)), (0, name))


def _remove_rules(record: HostRecord) -> HostRecord:
    """Return a record without its rules, and with only the keys that the page and its advice need.

    The page has the rules in groups.
    """
    bare_record: HostRecord = {
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
        bare_record["not_observed_again"] = unobserved
    return bare_record


def _find_start_times(
    host: str, parts: Iterable[int], grouping: Grouping, start_times: StartTimes, finished: str
) -> dict[int, str]:
    """Return by part number when the oldest rule of the part got its present state on the host (UTC).

    HOST_NUMBER stands for the host as a whole. Unknown times, and times after `finished`, are left out.
    """
    part_start_times: dict[int, str] = {}
    host_start = start_times.get((host, ""), "")
    if host_start and host_start <= finished:
        part_start_times[HOST_NUMBER] = host_start
    for number in parts:
        rules = grouping.parts[number].rules  # a part has no rules if it is an error that no rule reports
        times = [start_times.get((host, grouping.rules[rule]["rule"]), "") for rule in rules] or [host_start]
        valid_times = [time for time in times if time and time <= finished]
        if valid_times:
            part_start_times[number] = min(valid_times)
    return part_start_times


def _count_by_department(hosts: Iterable[PageHost], departments: Mapping[str, Iterable[str]]) -> dict[str, StateCounts]:
    """Count the hosts of each department by state, worst department first.

    The name "" stands for hosts without a department. The result is {} if there are no departments.
    """
    if not departments:
        return {}
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for host in hosts:
        for name in host.departments or ("",):
            counts[name][host.state] += 1
    return _sort_worst_first(counts)


def _count_by_name(
    hosts: Iterable[PageHost], parts: Sequence[GroupPart], list_part_names: Callable[[GroupPart], Iterable[str]]
) -> dict[str, StateCounts]:
    """Count for each name the hosts by the worst state of their rules under this name, worst name first.

    `list_part_names` returns the names of a part, such as its services. Hosts with the same parts are evaluated once.
    """
    names = [list(list_part_names(part)) for part in parts]
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for numbers, host_count in Counter(host.parts for host in hosts).items():
        worst: dict[str, str] = {}
        for number in sorted(numbers, key=lambda number: STATES.index(parts[number].state)):
            for name in names[number]:
                worst.setdefault(name, parts[number].state)
        for name, state in worst.items():
            counts[name][state] += host_count
    return _sort_worst_first(counts)


def _list_missing(
    hosts: Iterable[PageHost], parts: Sequence[GroupPart], list_part_names: Callable[[GroupPart], Iterable[str]]
) -> Sequence[MissingNames]:
    """List the names of services or settings that are not in effect, most names first.

    Names with the same controls and the same numbers of hosts are merged. `list_part_names` returns the names of a
    part. Parts with findings are left out: findings show that somebody uses a service, not that its ban is missing.
    """
    controls_by_name: defaultdict[str, set[str]] = defaultdict(set)

    def list_open_names(part: GroupPart) -> list[str]:
        """Return the names of a part that is not compliant and has no findings, and store their control."""
        names = list(list_part_names(part)) if part.state in OPEN_STATES and not part.evidence else []
        for name in names:
            controls_by_name[name].add(part.control)
        return names

    # (controls, numbers of hosts by state) -> names
    names_by_scope: defaultdict[tuple[tuple[str, ...], tuple[tuple[str, int], ...]], list[str]] = defaultdict(list)
    for name, counts in _count_by_name(hosts, parts, list_open_names).items():
        names_by_scope[tuple(sorted(controls_by_name[name], key=_rank_control)), tuple(sorted(counts.items()))].append(
            name
        )
    missing_names = [
        MissingNames(sorted_controls, tuple(sorted(names, key=make_natural_key)), dict(counts))
        for (sorted_controls, counts), names in names_by_scope.items()
    ]
    return sorted(missing_names, key=lambda missing: (-len(missing.names), missing.names))


def _rank_control(control: str) -> tuple[int, str]:
    return (CONTROLS.index(control) if control in CONTROLS else len(CONTROLS), control)


def _count_attempts(hosts: Iterable[PageHost]) -> dict[str, tuple[int, int]]:
    """Return by rule the number of refused attempts, and of hosts with such attempts; most attempts first."""
    attempt_counts: Counter[str] = Counter()
    host_counts: Counter[str] = Counter()
    for host in hosts:
        for rule, count in host.record.get("attempts", {}).items():
            attempt_counts[rule] += count
            host_counts[rule] += 1
    return {
        rule: (count, host_counts[rule])
        for rule, count in sorted(attempt_counts.items(), key=lambda entry: (-entry[1], entry[0]))
    }


def _list_services(part: GroupPart, rules: Sequence[RuleRecord], setting_rules: Collection[str]) -> list[str]:
    """Return the services of the rules of a part.

    `setting_rules` belong to no service, and are left out.
    """
    names = [rules[number]["rule"] for number in part.rules]
    return [name.partition("/")[2] or name for name in names if name not in setting_rules]


def _list_settings(part: GroupPart, rules: Sequence[RuleRecord], setting_rules: Collection[str]) -> list[str]:
    return [name for number in part.rules if (name := rules[number]["rule"]) in setting_rules]


def _sort_worst_first(counts: Mapping[str, StateCounts]) -> dict[str, StateCounts]:
    """Sort names by their numbers of hosts in the four worst states, worst state first, and then by name."""

    def rank_badness(name: str) -> tuple[object, ...]:
        return (*(-counts[name].get(state, 0) for state in STATES[:4]), make_natural_key(name))

    return {name: counts[name] for name in sorted(counts, key=rank_badness)}
