#!/usr/bin/env python3
"""What the report of a large fleet costs: reconciling, history and all exports, in seconds and memory.

    tests/bench/report_scale.py [--hosts N] [--rules R] [--first-audit] [--no-history] [--limit-seconds S]
        [--limit-mb M]                                      (a limit of 0: none)

The fleet is in the mix that audits see after a while; --first-audit makes every host lack a policy file, which is the
worst that can come. The steps of the report follow in one process, and the table has what each took, and the most
memory so far. Exit code 1: a limit is exceeded, or an export lacks a host. The page is beside the limits.
"""

import re
import sys
import tempfile
import time
from pathlib import Path

from common import make_parser, measure, peak_memory  # isort: split

import fleets
from fleets import ENFORCED, WAIVERS
from proscribe.controller.report.collection.collector import Collector
from proscribe.controller.report.evaluation.reconciliation import make_run_report
from proscribe.controller.report.exports import list_default_names, list_export_formats, write_exports
from proscribe.controller.report.history import open_history
from proscribe.controller.report.page.html_page import render_page
from proscribe.controller.report.storage.journal import RunJournal
from proscribe.controller.report.storage.report_directory import ReportDirectory
from proscribe.model.finding import Finding, judge_rule

WAIVER = {**WAIVERS[0], "hosts": [], "services": ["service007"]}


def answer(number, rules, first_audit):
    share = number % 100
    verdicts = []
    if first_audit or share >= 97:
        services = [f"service{index:03}" for index in range(rules * 6 // 10)]
        verdicts += fleets.no_policy(("chromium",), services)
    if 70 <= share < 90:
        verdicts += [app(number, service) for service in range(number % 4 + 1)]
    if 90 <= share < 93:
        found = Finding("package", "service007", manager="dpkg", version="4.0", scope="system")
        verdicts.append(judge_rule("apps/service007", {"mode": "waived", "waiver": WAIVER["id"]}, [found]))
    return fleets.answer(
        *verdicts,
        evaluated=[f"dns/service{index:03}" for index in range(rules - len(verdicts))],
        checked_at=f"2026-11-25T00:{30 + number % 25}:{number % 60:02}Z",
        errors=[{"control": "dns", "message": "dnsmasq ended with 2"}] if share == 96 else [],
    )


def app(number, service):
    """An app as hosts have them: one version in a few, and a process of a user, which is like no other."""
    id_ = f"service{(number + service) % 40:03}"
    package = Finding("package", id_, manager="dpkg", version=f"4.{number % 7}", scope="system")
    process = Finding("process", id_, scope=f"pid:{number} user:user{number % 3000}", path=f"/opt/{id_}/{id_}")
    return judge_rule(f"apps/{id_}", ENFORCED, [package, process])


def step(name, work):
    """Do some work and print a row of the table; return the result."""
    results = []
    seconds, _ = measure(lambda: results.append(work()))
    print(f"{name:<34} {seconds:8.1f} {peak_memory():15.0f}", flush=True)
    return results[0]


def count_lacking(path, hosts):
    """Count the expected hosts that an export does not name."""
    expected = {host.partition(".")[0] for host in hosts}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            expected.difference_update(re.findall(r"host\d{6}", line))
    return len(expected)


def main():
    switches = {"first_audit": False, "no_history": False}
    parser = make_parser(__doc__, hosts=100_000, rules=200, **switches, limit_seconds=120.0, limit_mb=600.0)
    options = parser.parse_args()
    run = fleets.run([f"host{number:06}.example.org" for number in range(options.hosts)], waivers=[WAIVER])
    print(f"{'step':<34} {'seconds':>8} {'most MB so far':>15}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        collector = Collector(run)
        journal = RunJournal(ReportDirectory(folder / f"reports/{run['id']}.partial").partial, run)
        collector.store_event = journal.write_event

        def collect():
            for number, host in enumerate(run["hosts"]):
                if number % 100 in (94, 95):
                    collector.unreachable(host, "connect to host: Connection timed out")
                else:
                    collector.answered(host, answer(number, options.rules, options.first_audit))

        step("making and collecting answers", collect)
        started = time.perf_counter()
        fleet = step("reconciling", collector.reconcile_hosts)
        report = step("the fleet report", lambda: make_run_report(run, fleet, "2026-11-25T00:59:00Z"))
        history = None if options.no_history else open_history("sqlite", folder / "reports")
        if history:
            step("history (SQLite)", lambda: history.record_run(report, fleet.records))
        (folder / "exports").mkdir()
        step("all exports", lambda: write_exports(folder / "exports", report, fleet.records, list_default_names()))
        seconds = time.perf_counter() - started
        print(f"{'together':<34} {seconds:8.1f} {peak_memory():15.0f}")
        paths = [folder / "exports" / list_export_formats()[name].file_name for name in list_default_names()]
        lacking = {path: count_lacking(path, run["hosts"]) for path in paths}
        for path, count in lacking.items():
            print(f"  {path.name:<32} {path.stat().st_size / 1e6:8.1f} MB{f'  LACKS {count:,} hosts' if count else ''}")
        journal.close()
        largest = peak_memory()
        with (folder / "report.html").open("w", encoding="utf-8") as stream:
            step("the page", lambda: stream.writelines(render_page(report, fleet.records)))
        print(f"  report.html {(folder / 'report.html').stat().st_size / 1e6:.1f} MB")
    is_slow = 0 < options.limit_seconds < seconds
    is_large = 0 < options.limit_mb < largest
    return int(any(lacking.values()) or is_slow or is_large)


if __name__ == "__main__":
    sys.exit(main())
