"""A report merged from runs over parts of a fleet, such as the slices of an automation controller's job. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, TypeVar

from ....model.plan import format_canonical
from ....model.types.record import HostRecord
from ....model.types.report import FleetReport, ReportRun, ReportVerdict, RolloutReport, UnsearchedRule
from ....model.types.run import ReportFacts, RunWaiver
from ....wire.answers.record import make_silent_record
from ..text.wording import summarise_names
from .baseline import BaselineDeviation
from .reconciliation import DUPLICATE, Fleet, RecordNote, build_report
from .scope import count_left_out_hosts, is_same_inventory, is_whole_run

Item = TypeVar("Item")
MAX_NAMED_HOSTS = 3  # hosts that a message names

# Keys whose values must be equal in all parts of a run.
SHARED_RUN_KEYS = ("playbook", "mode", "controls", "catalog_version", "baseline")


class UnmergeableReports(ValueError):
    """An error: the reports are not parts of the same run. Its text has the reason."""


class ReportPart(NamedTuple):
    """A report of a part of a run: its fleet report and its host records."""

    report: FleetReport
    records: Sequence[HostRecord]


def merge_reports(
    run_id: str,
    parts: Sequence[ReportPart],
    expected_hosts: Collection[str] | None = None,
    inventory: Sequence[str] = (),
) -> tuple[FleetReport, list[HostRecord]]:
    """Merge the reports and the records of all parts into the run `run_id`.

    `expected_hosts` are the hosts of `inventory`. An expected host that no part has is unknown. If `expected_hosts` is
    None, only the hosts of the parts count. A host may be in several parts if a run tried it again; its last record
    counts. Raises UnmergeableReports, also for parts of different rounds.
    """
    parts = sorted(parts, key=lambda part: (part.report["run"]["started"], part.report["run"]["id"]))
    runs = [part.report["run"] for part in parts]
    if not runs:
        raise UnmergeableReports("there is no report to merge")
    for key in SHARED_RUN_KEYS:
        for run in runs:
            if run.get(key) != runs[0].get(key):
                difference = f"{runs[0]['id']} has {key} {runs[0].get(key)!r}, and {run['id']} has {run.get(key)!r}"
                raise UnmergeableReports(f"these are no parts of one run: {difference}")
    host_names = None if expected_hosts is None else frozenset(expected_hosts)
    require_one_round(parts, host_names)
    records, notes = _merge_records(parts)
    not_served = {entry["host"]: entry["why"] for part in parts for entry in part.report.get("not_served", ())}
    missing = [host for host in dict.fromkeys(expected_hosts or ()) if host not in records and host not in not_served]
    all_records = [
        *records.values(),
        *(make_silent_record(host, "no part of the run has reported it") for host in missing),
    ]
    warnings = [f"{note.host} {note.detail}" for note in notes]
    if missing:
        warnings.append(f"{len(missing)} of the inventory's hosts are in no part of the run")
    earlier_notes = [RecordNote(**note) for part in parts for note in part.report.get("unexpected", ())]
    unexpected = _list_distinct_items(part.report.get("unexpected_hosts", ()) for part in parts)
    fleet = Fleet(all_records, unexpected, warnings, [*earlier_notes, *notes])
    facts: ReportFacts = {
        "services": _list_services(parts),
        "not_served": not_served,
        "waivers": _merge_waivers(parts),
        "upcoming": _list_distinct_items(part.report.get("upcoming", ()) for part in parts),
        "departments": _merge_departments(parts),
        "warnings": _list_distinct_items(part.report.get("warnings", ()) for part in parts),
    }
    deviations = (
        [BaselineDeviation(**entry) for part in parts for entry in part.report.get("new") or ()]
        if runs[0].get("baseline")
        else None
    )
    left_out_count = 0 if expected_hosts is not None else _count_left_out(runs, len(all_records))
    run = _merge_runs(run_id, runs, inventory, left_out_count, len(all_records))
    report = build_report(run, facts, fleet, deviations, _merge_rollouts(parts))
    report["nothing_known"] = _merge_unsearchable_rules(parts, report.get("nothing_known", ()), len(all_records))
    if points := {entry["directory"]: entry for part in parts for entry in part.report.get("points", ())}:
        report["points"] = list(points.values())  # if several parts report on a directory, the last part counts
    return report, all_records


def list_part_hosts(part: ReportPart) -> set[str]:
    """Return the hosts of a part: those with a record, and those that Proscribe does not serve."""
    return {
        *(record["host"] for record in part.records),
        *(entry["host"] for entry in part.report.get("not_served", ())),
    }


def require_one_round(parts: Sequence[ReportPart], expected_hosts: Collection[str] | None) -> None:
    """Raise UnmergeableReports unless the parts are slices of the same round over the same inventory.

    A round is a job whose slices run separately, each over some of the hosts. A run of another round could hide that a
    slice died. `parts` are sorted by their start. `expected_hosts` are the hosts of the inventory (None: unknown).
    """
    runs = [part.report["run"] for part in parts]
    if len({get_round_id(run) for run in runs}) > 1:
        other_run = next(run for run in runs if get_round_id(run) != get_round_id(runs[0]))
        raise UnmergeableReports(
            f"these are not of one round: {_describe_round(runs[0])}, and {_describe_round(other_run)}"
        )
    hosts = [list_part_hosts(part) for part in parts]
    for run, run_hosts in zip(runs, hosts):
        if expected_hosts is not None and (foreign_hosts := sorted(run_hosts.difference(expected_hosts))):
            raise UnmergeableReports(
                f"{run['id']} is of another inventory: {summarise_names(foreign_hosts, MAX_NAMED_HOSTS)} is no host "
                f"of this one"
            )
        # A run over all hosts of the inventory is no slice. If the inventory is unknown, nor is a run with the hosts of
        # all other runs. But a run with the id of a round is a slice even then.
        if (
            has_all_hosts(run_hosts, expected_hosts)
            if expected_hosts is not None
            else not get_round_id(run) and _has_hosts_of_others(run_hosts, hosts)
        ):
            raise UnmergeableReports(f"{run['id']} is a run over the whole, and no slice of a round")
    if not get_round_id(runs[0]):
        _require_one_time(runs, expected_hosts is None)


def has_all_hosts(hosts: Collection[str], expected_hosts: Collection[str]) -> bool:
    """Return whether `hosts` contain all expected hosts, so that their run is no slice of a round."""
    return bool(expected_hosts) and set(expected_hosts) <= set(hosts)


def _has_hosts_of_others(run_hosts: set[str], hosts: Sequence[set[str]]) -> bool:
    """Return whether `run_hosts` contain the hosts of every run, and at least one run has fewer hosts.

    `hosts` has the hosts of each run.
    """
    return all(other_hosts <= run_hosts for other_hosts in hosts) and any(
        other_hosts < run_hosts for other_hosts in hosts
    )


def _require_one_time(runs: Sequence[ReportRun], is_inventory_required: bool) -> None:
    """Raise UnmergeableReports if a run without a round begins after all earlier runs ended.

    With `is_inventory_required`, also raise the error for runs over different inventories. `runs` are sorted by their
    start.
    """
    ended_at, last_id = runs[0]["finished"], runs[0]["id"]
    for run in runs[1:]:
        if is_inventory_required and not is_same_inventory(run["inventory"], runs[0]["inventory"]):
            difference = f"{runs[0]['id']} and {run['id']} are of different inventories"
            raise UnmergeableReports(f"{difference}; -i names the inventory that all of them are parts of")
        if run["started"] > ended_at:
            gap = f"{run['id']} began after {last_id} had ended, and neither has a round"
            raise UnmergeableReports(f"these are no parts of one run: {gap} (proscribe_round)")
        ended_at, last_id = max((ended_at, last_id), (run["finished"], run["id"]))


def get_round_id(run: ReportRun) -> str:
    """Return the id of the round of which a run is a slice; "" for a run without a round."""
    return run.get("round") or ""


def _describe_round(run: ReportRun) -> str:
    round_id = get_round_id(run)
    return f"{run['id']} has the round {round_id}" if round_id else f"{run['id']} has none"


def _merge_runs(
    run_id: str, runs: Sequence[ReportRun], inventory: Sequence[str], left_out_count: int | None, host_count: int
) -> ReportRun:
    """Merge the runs of all parts into one run over `host_count` hosts.

    `inventory` has the sources of the whole inventory; if it is empty, the sources of all parts count. `left_out_count`
    is the number of hosts that are in no part, None if unknown.
    """
    sources = list(inventory) or _list_distinct_items(run["inventory"] for run in runs)
    command = runs[0].get("command")
    # The command of a slice with a separate inventory cannot run on the hosts of the other slices.
    is_same_command = all(
        run.get("command") == command and is_same_inventory(run["inventory"], sources) for run in runs
    )
    run: ReportRun = {
        **runs[0],
        "id": run_id,
        "inventory": sources,
        "command": command if is_same_command else None,
        "version": ", ".join(_list_distinct_items([version] for run in runs if (version := run.get("version"))))
        or None,
        "limit": ",".join(_list_distinct_items([run["limit"]] for run in runs if run["limit"])),
        "interrupted": next((run["interrupted"] for run in runs if run.get("interrupted")), None),
        "left_out": left_out_count,
        "finished": max(run["finished"] for run in runs),
        "expected_hosts": host_count,
        "parts": [run["id"] for run in runs],
        "verdict": _select_worst_verdict(runs),
    }
    run["whole"] = is_whole_run(run)
    return run


def _merge_records(parts: Sequence[ReportPart]) -> tuple[dict[str, HostRecord], list[RecordNote]]:
    """Return the last record of each host, and a note about each host with several records."""
    records: dict[str, HostRecord] = {}
    duplicate_hosts: dict[str, None] = {}
    for part in parts:
        for record in part.records:
            host = record["host"]
            previous = records.get(host)
            if previous is not None:
                duplicate_hosts[host] = None
            # A record without an answer has no time, so an earlier answer of the host still counts.
            if previous is None or (record["checked_at"] or "") >= (previous["checked_at"] or ""):
                records[host] = record
    reason = "is in more than one part of the run; its last record counts"
    return records, [RecordNote(host, DUPLICATE, reason) for host in duplicate_hosts]


def _select_worst_verdict(runs: Sequence[ReportRun]) -> ReportVerdict | None:
    """Return the worst verdict of the parts; None if a part has no verdict.

    A failed verdict is the worst, then a passed verdict of a run without a gate. So the merged run has passed only if
    each part has passed.
    """
    verdicts = [verdict for run in runs if (verdict := run.get("verdict"))]
    if len(verdicts) < len(runs):
        return None
    failed_verdicts = [verdict_ for verdict_ in verdicts if not verdict_["passed"]]
    ungated_verdicts = [verdict_ for verdict_ in verdicts if not verdict_["gate"]]
    return (failed_verdicts or ungated_verdicts or verdicts)[0]


def _count_left_out(runs: Sequence[ReportRun], host_count: int) -> int | None:
    """Count the hosts of the inventory that are in no part; None if a part does not know this number."""
    left_out_counts = [count_left_out_hosts(run) for run in runs]
    # Each part knows the size of the inventory: the hosts that it expected, and those that it left out.
    sizes = [run["expected_hosts"] + count for run, count in zip(runs, left_out_counts) if count is not None]
    return max(0, max(sizes) - host_count) if len(sizes) == len(runs) else None


def _list_services(parts: Sequence[ReportPart]) -> list[str] | None:
    """Return the services among the rules of the parts; None if a rule has no `kind`, which marks services."""
    rules = [rule for part in parts for rule in part.report.get("rules", ())]
    if any(not rule.get("kind") for rule in rules):
        return None
    return sorted({rule["rule"].partition("/")[2] for rule in rules if rule["kind"] == "service"})


def _merge_unsearchable_rules(
    parts: Sequence[ReportPart], listed_rules: Iterable[UnsearchedRule], host_count: int
) -> list[UnsearchedRule]:
    """Merge the rules without identifiers, for which a host cannot be searched, each with its number of hosts.

    A host in two parts may count twice, but no rule counts more than `host_count` hosts. `listed_rules` come from the
    merged records. For a rule that the report of a part has too, the number of the report counts.
    """
    counts: dict[str, int] = {}
    for part in parts:
        for entry in part.report.get("nothing_known", ()):
            counts[entry["rule"]] = min(host_count, counts.get(entry["rule"], 0) + entry["hosts"])
    counts = {**{entry["rule"]: entry["hosts"] for entry in listed_rules}, **counts}
    return [{"rule": rule, "hosts": count} for rule, count in sorted(counts.items())]


def _merge_waivers(parts: Sequence[ReportPart]) -> list[RunWaiver]:
    """Return each waiver once, with its hosts in all parts."""
    by_id: dict[str, RunWaiver] = {}
    for part in parts:
        for waiver in part.report.get("waivers", ()):
            merged_waiver = by_id.setdefault(waiver["id"], {**waiver, "hosts": []})
            merged_waiver["hosts"] = list(dict.fromkeys([*merged_waiver["hosts"], *waiver.get("hosts", ())]))
    return list(by_id.values())


def _merge_departments(parts: Sequence[ReportPart]) -> dict[str, list[str]]:
    """Return the hosts of each department in all parts."""
    departments: dict[str, list[str]] = {}
    for part in parts:
        for name, hosts in (part.report.get("departments") or {}).items():
            departments[name] = list(dict.fromkeys([*departments.get(name, ()), *hosts]))
    return departments


def _merge_rollouts(parts: Sequence[ReportPart]) -> RolloutReport | None:
    """Merge the progress of the corrections in all parts; None if no part corrected a host.

    The batches of all parts follow each other.
    """
    rollouts = [rollout for part in parts if (rollout := part.report.get("rollout"))]
    if not rollouts:
        return None
    allow: dict[str, int | str] = {}
    for rollout_ in rollouts:
        for name, limit in rollout_["allow"].items():
            # the greatest number is enough for each part; a limit may also be a word, such as unlimited
            numbers = [number for number in (limit, allow.get(name)) if isinstance(number, int)]
            allow[name] = max(numbers, default=limit)
    return {
        "to_correct": sum(rollout_["to_correct"] for rollout_ in rollouts),
        "batches": [size for rollout_ in rollouts for size in rollout_["batches"]],
        "not_reached": sum(rollout_["not_reached"] for rollout_ in rollouts),
        "why": "; ".join(dict.fromkeys(rollout_["why"] for rollout_ in rollouts if rollout_["why"])) or None,
        "allow": allow,
        "set_aside": [host for rollout_ in rollouts for host in rollout_.get("set_aside", ())],
    }


def _list_distinct_items(lists: Iterable[Iterable[Item]]) -> list[Item]:
    """Return the distinct items of all lists, in the order of their first appearance."""
    distinct: dict[str, Item] = {}
    for items in lists:
        for item in items:
            distinct.setdefault(format_canonical(item), item)
    return list(distinct.values())
