"""`./proscribe report --merge`: parts of one run, such as an automation controller's job slices, made one report."""

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
from ...wire.store import PLANS_DIRECTORY, PlanStore, UntrustedStore
from ..report.end.publishing import ReportExtras, publish_report, record_history
from ..report.evaluation.advice import NOT_REACHED_FILE, SET_ASIDE_FILE, make_host_lists
from ..report.evaluation.merge import ReportPart, get_round_id, has_all_hosts, merge_reports
from ..report.history import OFF
from ..report.storage.complete import UnknownRun, collect_shared_records, find_run, list_runs, read_records, read_report
from ..report.storage.files import PARTIAL_SUFFIX, ReportDirectory
from . import Refused, say
from .inventory import sources

UNMERGED = "unmerged"
MOST_OTHERS = 20  # runs of which is said why they are not merged


def merge(arguments: argparse.Namespace, reports: Path) -> Path:
    """Write the report that the runs named come to, and make it the latest; returns its directory.

    Raises what reading and writing reports raises, Unmergeable, and Refused.
    """
    expected = _expected(arguments.inventory)
    directories = _named(arguments, reports, expected)
    parts = [
        ReportPart(read_report(directory), collect_shared_records(read_records(directory))) for directory in directories
    ]
    now = datetime.datetime.now(datetime.timezone.utc)
    id_ = f"{now:%Y%m%dT%H%M%SZ}-{parts[0].report['run']['mode']}-{secrets.token_hex(2)}"
    report, records = merge_reports(id_, parts, expected, sources(arguments.inventory) if arguments.inventory else ())
    for directory in directories:
        _bring_plans(directory.parent / PLANS_DIRECTORY, reports / PLANS_DIRECTORY)
    if arguments.history:
        report["run"]["history"] = arguments.history
    elif report["run"].get("history") == OFF:
        text = "the merged run is in no history, as its slices are in none"
        say(f"proscribe: {text}. Name these again with --history: --merge RUN RUN --history sqlite", error=True)
    known = len(report["warnings"])
    past = record_history(reports, report, records)
    for warning in report["warnings"][known:]:
        say(f"proscribe: {warning}", error=True)
    made = ReportDirectory(reports / f"{id_}{PARTIAL_SUFFIX}")
    lists = make_host_lists(report["run"], records)
    for name in (NOT_REACHED_FILE, SET_ASIDE_FILE):
        if left := [host for directory in directories for host in _lines(directory / name)]:
            lists[name] = left
    return publish_report(made, report, records, ReportExtras(page_history=past, host_lists=lists))


def _named(arguments: argparse.Namespace, reports: Path, expected: Collection[str] | None) -> list[Path]:
    """Return the directories of the runs; `unmerged` stands for the slices of one round that are in no merged report.

    That is the round that is named, or the newest one. Raises UnknownRun.
    """
    since, chosen = arguments.since or "", arguments.round
    directories = [find_run(reports, name) for name in arguments.merge if name != UNMERGED]
    if UNMERGED in arguments.merge:
        all_runs = {name: read_report(reports / name)["run"] for name in list_runs(reports)}
        merged_already = {part for run in all_runs.values() for part in run.get("parts", ())}
        free = {name: run for name, run in all_runs.items() if name not in merged_already and "parts" not in run}
        free = {
            name: run for name, run in free.items() if run["started"] >= since and reports / name not in directories
        }
        rounds = [get_round_id(read_report(directory)["run"]) for directory in directories]
        slices, others = _slices(reports, free, chosen or next(iter(rounds), ""), expected)
        directories += [reports / name for name in slices]
        round_ = next((get_round_id(all_runs[name]) for name in slices), "")
        others |= {
            name: "it is in a merged report already"
            for name in merged_already.intersection(all_runs)
            if round_ and get_round_id(all_runs[name]) == round_ and reports / name not in directories
        }
        for name, why in sorted(others.items(), reverse=True)[:MOST_OTHERS]:  # the newest ones
            say(f"proscribe: {name} is not merged: {why}", error=True)
    if not directories:
        of_round = f" of the round {chosen}" if chosen else ""
        period = f" since {since}" if since else ""
        raise UnknownRun(f"no slice{of_round} in {reports}{period} that is in no merged report yet")
    return list(dict.fromkeys(directories))


def _slices(
    reports: Path, free: Mapping[str, ReportRun], chosen: str, expected: Collection[str] | None
) -> tuple[list[str], dict[str, str]]:
    """Return the runs that are slices of a round (the newest one, if none is named), and why the others are not."""
    others: dict[str, str] = {}
    slices: list[str] = []
    for name in free:
        hosts = {record["host"] for record in read_records(reports / name)}
        hosts.update(one["host"] for one in read_report(reports / name).get("not_served", ()))
        if expected is not None and not hosts <= {*expected}:
            others[name] = "it is of another inventory"
        elif expected is not None and has_all_hosts(hosts, expected):
            others[name] = "it is a run over the whole"
        else:
            slices.append(name)
    rounds = [(free[name]["started"], get_round_id(free[name])) for name in slices if get_round_id(free[name])]
    chosen = chosen or max(rounds, default=("", ""))[1]
    others |= {name: f"it is not of the round {chosen}" for name in slices if get_round_id(free[name]) != chosen}
    return [name for name in slices if name not in others], others


def _expected(inventory: Sequence[str]) -> list[str] | None:
    """The hosts of an inventory; None where none was named. Raises Refused."""
    if not inventory:
        return None
    try:
        hosts = InventoryManager(loader=DataLoader(), sources=sources(inventory)).list_hosts("all")
    except AnsibleError as error:
        raise Refused(str(error)) from None
    return [str(host.name) for host in hosts]


def _bring_plans(source: Path, store: Path) -> None:
    """Plans that hosts answered for, out of another controller's folder of reports: the history asks them."""
    if not source.is_dir() or source.resolve() == store.resolve():
        return
    theirs, ours = PlanStore(source, trusted={source.stat().st_uid}), PlanStore(store)
    try:
        ours.require_directories()
    except UntrustedStore as wrong:
        raise Refused(str(wrong)) from None
    for plan in source.glob("*.json"):
        digest = f"sha256:{plan.stem}"
        with contextlib.suppress(OSError):  # what is not the plan of its name is none
            ours.add_plan(theirs.read_stored_plan(digest), digest)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split() if path.is_file() else []
