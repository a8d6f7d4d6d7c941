#!/usr/bin/env python3
"""What the report of a large fleet costs: reconciling, history and all exports, in seconds and memory.

    tests/bench/report_scale.py [--hosts N] [--rules R] [--first-audit] [--no-history] [--limit-seconds S]
        [--limit-mb M]

Makes the answers of a fleet in the mix that audits see after a while: most hosts hold, some have an app, a few lack a
policy file (which is a rule for each service), some are waived, and some do not answer. --first-audit makes every host
lack the policy file: the worst that can come. The answers come as they do from Ansible, one dictionary at a time; then
the steps of the report follow, each in the same process, and the table says what each took and how much memory the
process held at most so far. Exit code 1: a limit is exceeded, or an export lacks a host.

Events for a SIEM come last, beside the limits: what the run changed, sent to a file; the export of all of them; and the
same answers once more as the next run, in which nothing changes.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / part) for part in ("module_utils", "tests/unit/report")]

import fleets
from fleets import ENFORCED, WAIVERS
from peak import peak_memory
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.evaluation.reconcile import fleet_report
from proscribe.controller.report.exports import formats, usual, write
from proscribe.controller.report.history import History, open_history
from proscribe.controller.report.sending import send
from proscribe.controller.report.sending.transport import CHANGES
from proscribe.controller.report.storage.files import ReportDirectory
from proscribe.controller.report.storage.journal import Journal
from proscribe.model.finding import Finding, Verdict, judge

WAIVER = {**WAIVERS[0], "hosts": [], "services": ["service007"]}


def fleet_run(hosts: int) -> dict[str, Any]:
    """What `compile_plans` says of the run."""
    return dict(fleets.run([f"host{number:06}.example.org" for number in range(hosts)], waivers=[WAIVER]))


def answer(number: int, rules: int, first_audit: bool) -> dict[str, Any]:
    """What that host of the fleet answers."""
    share = number % 100
    verdicts: list[Verdict] = []
    if first_audit or share >= 97:
        services = [f"service{index:03}" for index in range(rules * 6 // 10)]
        verdicts += fleets.no_policy(("chromium",), services)
    if 70 <= share < 90:
        verdicts += [app(number, service) for service in range(number % 4 + 1)]
    if 90 <= share < 93:
        found = Finding("package", "service007", manager="dpkg", version="4.0", scope="system")
        verdicts.append(judge("apps/service007", {"mode": "waived", "waiver": WAIVER["id"]}, [found]))
    return fleets.answer(
        *verdicts,
        evaluated=[f"dns/service{index:03}" for index in range(rules - len(verdicts))],
        checked_at=f"2026-11-25T00:{30 + number % 25}:{number % 60:02}Z",
        errors=[{"control": "dns", "message": "dnsmasq ended with 2"}] if share == 96 else [],
    )


def app(number: int, service: int) -> Verdict:
    """An app as hosts have them: one version in a few, and a process of a user, which is like no other."""
    id_ = f"service{(number + service) % 40:03}"
    package = Finding("package", id_, manager="dpkg", version=f"4.{number % 7}", scope="system")
    process = Finding("process", id_, scope=f"pid:{number} user:user{number % 3000}", path=f"/opt/{id_}/{id_}")
    return judge(f"apps/{id_}", ENFORCED, [package, process])


class Table:
    """The figures, step by step."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        print(f"{'step':<34} {'seconds':>8} {'most MB so far':>15}")

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        """Do the work; its result."""
        started = time.perf_counter()
        result = work()
        print(f"{name:<34} {time.perf_counter() - started:8.1f} {peak_memory():15.0f}", flush=True)
        return result


def lacking(path: Path, run: Mapping[str, Any]) -> int:
    """How many expected hosts an export does not name."""
    expected = {f"host{number:06}" for number in range(len(run["hosts"]))}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            expected.difference_update(re.findall(r"host\d{6}", line))
    return len(expected)


def events(table: Table, history: History, report: dict[str, Any], records: Any, folder: Path) -> None:
    """What the events of this run cost, and those of the next one, which finds the same."""
    file = folder / "sent.jsonl"
    settings = {"file": str(file), "facility": "daemon", "send": CHANGES, "limit": 10_000_000}

    def sent(name: str) -> None:
        before = file.stat().st_size if file.exists() else 0
        changes = table.step(f"{name}: asking the history", lambda: history.transitions(report["run"]["id"]))
        table.step(f"{name}: sending", lambda: send(report, records, changes, settings, str(folder)))
        with file.open("rb") as stream:
            stream.seek(before)
            number = sum(1 for _ in stream)
        print(f"  {number:,} events, {(file.stat().st_size - before) / 1e6:.1f} MB")

    sent("events that changed")
    changes = history.transitions(report["run"]["id"])
    (path,) = table.step("events.jsonl", lambda: write(folder, report, records, ["events"], changes=changes))
    print(f"  {path.stat().st_size / 1e6:.1f} MB")
    report["run"]["id"] = f"{report['run']['id']}-again"
    history.record(report, records)
    sent("the next run")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=100_000)
    parser.add_argument("--rules", type=int, default=200)
    parser.add_argument("--first-audit", action="store_true")
    parser.add_argument("--no-history", action="store_true")
    parser.add_argument("--limit-seconds", type=float, default=120, help="after collecting; 0: any (default: 120)")
    parser.add_argument("--limit-mb", type=float, default=600, help="0: any (default: 600)")
    arguments = parser.parse_args()

    run = fleet_run(arguments.hosts)
    table = Table()
    with tempfile.TemporaryDirectory() as folder:
        made = ReportDirectory(Path(folder) / "reports" / f"{run['id']}.partial")
        collector = Collector(run)
        journal = Journal(made.partial, run)
        collector.note = journal.note

        def collect() -> None:
            for number, host in enumerate(run["hosts"]):
                if number % 100 in (94, 95):
                    collector.unreachable(host, "connect to host: Connection timed out")
                    continue
                collector.answered(host, answer(number, arguments.rules, arguments.first_audit))

        table.step("making and collecting answers", collect)
        started = time.perf_counter()
        fleet = table.step("reconciling", collector.fleet)
        report = table.step("the fleet report", lambda: fleet_report(run, fleet, "2026-11-25T00:59:00Z"))
        out = Path(folder) / "exports"
        out.mkdir()
        if not arguments.no_history:
            history = open_history("sqlite", Path(folder) / "reports")
            assert history is not None
            table.step("history (SQLite)", lambda: history.record(report, fleet.records))
        table.step("all exports", lambda: write(out, report, fleet.records, usual()))
        seconds = time.perf_counter() - started
        print(f"{'together':<34} {seconds:8.1f} {peak_memory():15.0f}")
        bad = 0
        for name in usual():
            path = out / formats()[name].file
            gone = lacking(path, run)
            bad += gone
            print(f"  {path.name:<32} {path.stat().st_size / 1e6:8.1f} MB{f'  LACKS {gone:,} hosts' if gone else ''}")
        journal.close()
        largest = peak_memory()
        if not arguments.no_history:
            events(table, history, report, fleet.records, Path(folder))
    slow = arguments.limit_seconds and seconds > arguments.limit_seconds
    large = arguments.limit_mb and largest > arguments.limit_mb
    return 1 if bad or slow or large else 0


if __name__ == "__main__":
    sys.exit(main())
