"""How much memory the controller holds after many records: the callback, given them as Ansible would.

Each count is a process of its own. The records are such as audits see: most hosts hold, one in ten has an app of its
own, one in fifty lacks a policy. The report is written, with its page; Ansible's own memory is not in it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

BENCH = Path(__file__).resolve().parents[1]
FEW, MANY = 1_000, 10_000
MOST = 3.0


def hold(hosts: int) -> float:
    """Return the most MB that this process has held after a run of that many hosts."""
    sys.path.append(str(BENCH))
    from common import peak_memory  # isort: split
    from proscribe.controller.report.collection.events import Collector
    from proscribe.controller.report.evaluation.reconcile import fleet_report
    from proscribe.controller.report.page import document
    from proscribe.controller.report.storage.files import ReportDirectory
    from proscribe.controller.report.storage.journal import Journal
    from report_scale import answer, fleet_run

    with tempfile.TemporaryDirectory() as folder:
        run = fleet_run(hosts)
        directory, collector = ReportDirectory(Path(folder) / f"{run['id']}.partial"), Collector(run)
        collector.note = Journal(directory.partial, run).note
        for number, host in enumerate(run["hosts"]):
            collector.answered(host, answer(number, 200, False))
        fleet = collector.fleet("2026-11-25T01:00:00Z")
        report = fleet_report(run, fleet, "2026-11-25T01:00:00Z")
        directory.finish(fleet.records, report, document.page(report, fleet.records, directory=folder))
    return peak_memory()


def main() -> int:
    held = {}
    for hosts in (FEW, MANY):
        code = f"import memory; print(memory.hold({hosts}))"
        apart = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
        done = subprocess.run([sys.executable, "-c", code], env=apart, capture_output=True, text=True, check=True)
        held[hosts] = float(done.stdout)
        print(f"{hosts:>6,} records: {held[hosts]:.0f} MB")
    times = held[MANY] / held[FEW]
    print(f"{times:.2f} times; at most {MOST:g}")
    return 1 if times > MOST else 0
