#!/usr/bin/env python3
"""How long an audit of N hosts takes, against a play that only pings the same hosts.

    tests/bench/audit_vs_ping.py [--hosts N] [--pairs P]

Audits and pings take turns within one run, each pair in the other order than the one before, and the ratio is taken
within a pair, so that whatever else the machine does falls on both. The hosts are N names of this machine, reached
without SSH. Controller and hosts share the processors, and there is no network between them; the CPU time printed is
that of both. Over SSH, tests/bench/fleet measures whole fleets.

An audit that did not evaluate every host is no result: the exit code is 1. `ansible-playbook` is taken from the PATH,
or from PROSCRIBE_ANSIBLE_PLAYBOOK.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[2]
LONGEST = 600  # seconds for one run
PING = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.ping:\n"


class Run(NamedTuple):
    """One playbook run: seconds by the clock, and of the processors."""

    wall: float
    cpu: float


class Bench:
    """The two playbooks, over one inventory."""

    def __init__(self, directory: Path, inventory: str, forks: int) -> None:
        self.directory = directory
        (directory / "hosts.yml").write_text(inventory)
        (directory / "ping.yml").write_text(PING)
        ansible = os.environ.get("PROSCRIBE_ANSIBLE_PLAYBOOK") or shutil.which("ansible-playbook")
        if not ansible:
            raise SystemExit("needs ansible-playbook on the PATH, or PROSCRIBE_ANSIBLE_PLAYBOOK")
        self.command = [ansible, "-i", str(directory / "hosts.yml"), "--forks", str(forks)]
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
            "PROSCRIBE_REPORTS": str(directory / "reports"),
        }

    def run(self, playbook: Path) -> Run:
        """Run a playbook; SystemExit with its output unless it succeeds."""
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [*self.command, str(playbook)], env=self.environment, capture_output=True, text=True, timeout=LONGEST
        )
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode != 0:
            raise SystemExit(f"{playbook} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return Run(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    def ping(self) -> Run:
        return self.run(self.directory / "ping.yml")

    def audit(self) -> Run:
        return self.run(PROJECT / "playbooks" / "audit.yml")

    def evaluated(self) -> int:
        """How many hosts the newest report says were evaluated."""
        report = json.loads((self.directory / "reports" / "latest" / "report.json").read_text())
        return int(report["summary"]["coverage"]["numerator"])


def local_inventory(hosts: int) -> str:
    names = "".join(f"    host{number}:\n" for number in range(hosts))
    return f"all:\n  vars: {{ansible_connection: local, proscribe_effective_from: 2024-10-31}}\n  hosts:\n{names}"


def measure(bench: Bench, hosts: int, pairs: int) -> bool:
    """Run and print; False if an audit did not evaluate every host."""
    bench.ping(), bench.audit()  # connections are opened, files are read into memory
    ratios, audits, pings = [], [], []
    for number in range(pairs):
        if number % 2:
            audit, ping = bench.audit(), bench.ping()
        else:
            ping, audit = bench.ping(), bench.audit()
        if bench.evaluated() != hosts:
            print(f"pair {number + 1}: the audit evaluated {bench.evaluated()} of {hosts} hosts")
            return False
        ratios.append(audit.wall / ping.wall)
        audits.append(audit)
        pings.append(ping)
        print(
            f"pair {number + 1}: audit {audit.wall:.2f} s, ping {ping.wall:.2f} s, ratio {ratios[-1]:.2f}", flush=True
        )
    cores = os.cpu_count() or 1
    for name, runs in (("audit", audits), ("ping", pings)):
        wall, cpu = statistics.median(run.wall for run in runs), statistics.median(run.cpu for run in runs)
        print(f"{name:<6} median {wall:.2f} s, {cpu:.2f} s of CPU: {cpu / wall / cores:.0%} of {cores} cores")
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    print(f"audit / ping = {statistics.median(ratios):.2f} (median; {spread}; {hosts} hosts, {pairs} pairs)")
    print(f"load average {os.getloadavg()[0]:.1f}")
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure an audit against a ping of the same hosts.")
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--forks", type=int, default=20)
    arguments = parser.parse_args()
    if not 1 <= arguments.hosts <= 1000 or not 1 <= arguments.pairs <= 50:
        parser.error("between 1 and 1000 hosts, and between 1 and 50 pairs")
    with tempfile.TemporaryDirectory(prefix="proscribe-bench-") as name:
        bench = Bench(Path(name), local_inventory(arguments.hosts), arguments.forks)
        complete = measure(bench, arguments.hosts, arguments.pairs)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
