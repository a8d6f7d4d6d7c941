"""`./proscribe report --merge`: parts of one run, such as an automation controller's job slices, made one report."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import secrets
from collections.abc import Sequence
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader

from ...wire.store import PLANS, Store, Untrusted
from ..report.end.publishing import Beyond, publish, remembered
from ..report.evaluation.advice import NOT_REACHED, SET_ASIDE, host_lists
from ..report.evaluation.merge import Part, merged
from ..report.storage.complete import NoSuchRun, find_run, read_records, read_report, runs, sharing
from ..report.storage.files import SUFFIX, ReportDirectory
from . import Refused, say
from .inventory import sources

UNMERGED = "unmerged"


def merge(arguments: argparse.Namespace, reports: Path) -> Path:
    """Write the report that the runs named come to, and make it the latest; returns its directory.

    Raises what reading and writing reports raises, Unmergeable, and Refused.
    """
    directories = _named(arguments.merge, reports, arguments.since or "")
    parts = [Part(read_report(directory), sharing(read_records(directory))) for directory in directories]
    now = datetime.datetime.now(datetime.timezone.utc)
    id_ = f"{now:%Y%m%dT%H%M%SZ}-{parts[0].report['run']['mode']}-{secrets.token_hex(2)}"
    report, records = merged(id_, parts, _expected(arguments.inventory))
    for directory in directories:
        _bring_plans(directory.parent / PLANS, reports / PLANS)
    if arguments.history:
        report["run"]["history"] = arguments.history
    known = len(report["warnings"])
    past = remembered(reports, report, records)
    for warning in report["warnings"][known:]:
        say(f"proscribe: {warning}", error=True)
    made = ReportDirectory(reports / f"{id_}{SUFFIX}")
    lists = host_lists(report["run"], records)
    for name in (NOT_REACHED, SET_ASIDE):
        if left := [host for directory in directories for host in _lines(directory / name)]:
            lists[name] = left
    return publish(made, report, records, Beyond(past=past, lists=lists))


def _named(names: Sequence[str], reports: Path, since: str) -> list[Path]:
    """The directories of the runs; `unmerged` stands for all since then that are no part of a merged report yet."""
    found = [find_run(reports, name) for name in names if name != UNMERGED]
    if UNMERGED in names:
        said = {name: read_report(reports / name)["run"] for name in runs(reports)}
        merged_already = {part for run in said.values() for part in run.get("parts", ())}
        free = [name for name, run in said.items() if name not in merged_already and "parts" not in run]
        found += [reports / name for name in free if said[name]["started"] >= since]
    if not found:
        raise NoSuchRun(f"no run in {reports}{f' since {since}' if since else ''} that is in no merged report yet")
    return list(dict.fromkeys(found))


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
    theirs, ours = Store(source, trusted={source.stat().st_uid}), Store(store)
    try:
        ours.require()
    except Untrusted as wrong:
        raise Refused(str(wrong)) from None
    for plan in source.glob("*.json"):
        digest = f"sha256:{plan.stem}"
        with contextlib.suppress(OSError):  # what is not the plan of its name is none
            ours.add(theirs.stored(digest), digest)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split() if path.is_file() else []
