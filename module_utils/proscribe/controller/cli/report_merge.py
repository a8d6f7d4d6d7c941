"""Command `./proscribe report --merge`: a single report from parts of a run.

Such parts are the job slices of an automation controller. All slices of one run have the same round, an id
(proscribe_round).
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import secrets
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader

from ...model.types.report import ReportRun
from ...wire.plan_store import PLANS_DIRECTORY, PlanStore, UntrustedStore
from ..report.evaluation.advice import NOT_REACHED_FILE, SET_ASIDE_FILE, make_host_lists
from ..report.evaluation.report_merge import ReportPart, get_round_id, has_all_hosts, merge_reports
from ..report.history import OFF
from ..report.run_end.publication import ReportExtras, publish_report, record_history
from ..report.storage.report_directory import PARTIAL_SUFFIX, ReportDirectory
from ..report.storage.report_reader import (
    UnknownRun,
    collect_shared_records,
    find_run,
    list_runs,
    read_records,
    read_report,
)
from . import CommandError, print_message
from .inventory import resolve_sources

UNMERGED_RUNS = "unmerged"
MAX_REPORTED_RUNS = 20  # runs reported with the reason why they are not merged


def merge_runs(arguments: argparse.Namespace, reports: Path) -> Path:
    """Write the merged report of the named runs, make it the latest, and return its directory.

    Raises the errors of reading and writing reports, UnmergeableReports, CommandError.
    """
    expected = _list_expected_hosts(arguments.inventory)
    directories = _select_directories(arguments, reports, expected)
    parts = [
        ReportPart(read_report(directory), collect_shared_records(read_records(directory))) for directory in directories
    ]
    now = datetime.datetime.now(datetime.timezone.utc)
    run_id = f"{now:%Y%m%dT%H%M%SZ}-{parts[0].report['run']['mode']}-{secrets.token_hex(2)}"
    report, records = merge_reports(
        run_id, parts, expected, resolve_sources(arguments.inventory) if arguments.inventory else ()
    )
    for directory in directories:
        _copy_plans(directory.parent / PLANS_DIRECTORY, reports / PLANS_DIRECTORY)
    if arguments.history:
        report["run"]["history"] = arguments.history
    elif report["run"].get("history") == OFF:
        text = "the merged run is in no history, as its slices are in none"
        print_message(
            f"proscribe: {text}. Name these again with --history: --merge RUN RUN --history sqlite", error=True
        )
    known_warnings = len(report["warnings"])
    page_history = record_history(reports, report, records)
    for warning in report["warnings"][known_warnings:]:
        print_message(f"proscribe: {warning}", error=True)
    report_directory = ReportDirectory(reports / f"{run_id}{PARTIAL_SUFFIX}")
    lists = make_host_lists(report["run"], records)
    for name in (NOT_REACHED_FILE, SET_ASIDE_FILE):
        if host_names := [host for directory in directories for host in _read_lines(directory / name)]:
            lists[name] = host_names
    return publish_report(report_directory, report, records, ReportExtras(page_history=page_history, host_lists=lists))


def _select_directories(arguments: argparse.Namespace, reports: Path, expected: Collection[str] | None) -> list[Path]:
    """Return the report directories of the runs that --merge names. Raises UnknownRun.

    `unmerged` selects the slices of a round that are in no merged report. This is the round of --round, else that of
    the other named runs, else the newest. A message gives the reason for each run that is not merged.
    """
    since_time, chosen_round = arguments.since or "", arguments.round
    directories = [find_run(reports, name) for name in arguments.merge if name != UNMERGED_RUNS]
    if UNMERGED_RUNS in arguments.merge:
        all_runs = {name: read_report(reports / name)["run"] for name in list_runs(reports)}
        merged_parts = {part for run in all_runs.values() for part in run.get("parts", ())}
        free_runs = {name: run for name, run in all_runs.items() if name not in merged_parts and "parts" not in run}
        free_runs = {
            name: run
            for name, run in free_runs.items()
            if run["started"] >= since_time and reports / name not in directories
        }
        rounds = [get_round_id(read_report(directory)["run"]) for directory in directories]
        slices, skipped_runs = _select_slices(reports, free_runs, chosen_round or next(iter(rounds), ""), expected)
        directories += [reports / name for name in slices]
        merged_round = next((get_round_id(all_runs[name]) for name in slices), "")
        skipped_runs |= {
            name: "it is in a merged report already"
            for name in merged_parts.intersection(all_runs)
            if merged_round and get_round_id(all_runs[name]) == merged_round and reports / name not in directories
        }
        for name, reason in sorted(skipped_runs.items(), reverse=True)[:MAX_REPORTED_RUNS]:  # newest first
            print_message(f"proscribe: {name} is not merged: {reason}", error=True)
    if not directories:
        round_note = f" of the round {chosen_round}" if chosen_round else ""
        period_note = f" since {since_time}" if since_time else ""
        raise UnknownRun(f"no slice{round_note} in {reports}{period_note} that is in no merged report yet")
    return list(dict.fromkeys(directories))


def _select_slices(
    reports: Path, free_runs: Mapping[str, ReportRun], chosen_round: str, expected: Collection[str] | None
) -> tuple[list[str], dict[str, str]]:
    """Return the ids of the runs that are slices of a round, and the reason for each other id that is left out.

    `free_runs` are the runs that are in no merged report. `chosen_round` is the id of the round, or "" for the newest.
    Runs over all `expected` hosts or over hosts of another inventory are no slices. If `expected` is None, any hosts
    are expected.
    """
    skipped_runs: dict[str, str] = {}
    slices: list[str] = []
    for name in free_runs:
        hosts = {record["host"] for record in read_records(reports / name)}
        hosts.update(host_entry["host"] for host_entry in read_report(reports / name).get("not_served", ()))
        if expected is not None and not hosts <= {*expected}:
            skipped_runs[name] = "it is of another inventory"
        elif expected is not None and has_all_hosts(hosts, expected):
            skipped_runs[name] = "it is a run over the whole"
        else:
            slices.append(name)
    rounds = [
        (free_runs[name]["started"], get_round_id(free_runs[name])) for name in slices if get_round_id(free_runs[name])
    ]
    chosen_round = chosen_round or max(rounds, default=("", ""))[1]
    skipped_runs |= {
        name: f"it is not of the round {chosen_round}"
        for name in slices
        if get_round_id(free_runs[name]) != chosen_round
    }
    return [name for name in slices if name not in skipped_runs], skipped_runs


def _list_expected_hosts(inventory: Sequence[str]) -> list[str] | None:
    """Return the names of all hosts of an inventory; None if no inventory is named. Raises CommandError."""
    if not inventory:
        return None
    try:
        hosts = InventoryManager(loader=DataLoader(), sources=resolve_sources(inventory)).list_hosts("all")
    except AnsibleError as error:
        raise CommandError(str(error)) from None
    return [str(host.name) for host in hosts]


def _copy_plans(source: Path, store_path: Path) -> None:
    """Copy the stored plans of hosts from another controller's reports, because the history reads them.

    Raises CommandError if other accounts can change the store `store_path`, or this account cannot write it.
    """
    if not source.is_dir() or source.resolve() == store_path.resolve():
        return
    source_store, target_store = PlanStore(source, trusted={source.stat().st_uid}), PlanStore(store_path)
    try:
        target_store.require_directories()
    except UntrustedStore as error:
        raise CommandError(str(error)) from None
    for plan_path in source.glob("*.json"):
        digest = f"sha256:{plan_path.stem}"
        with contextlib.suppress(OSError):  # an unreadable file, or one that does not match its digest, is no plan
            target_store.add_plan(source_store.read_stored_plan(digest), digest)


def _read_lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split() if path.is_file() else []
