#!/usr/bin/env python3
"""How long an audit of N hosts takes, against a play that only pings the same hosts.

    tests/bench/audit_vs_ping.py [--hosts N] [--pairs P] [--forks F]

Audits and pings take turns within one run, each pair in the other order than the one before, and the ratio is taken
within a pair, so that whatever else the machine does falls on both. The hosts are N names of this machine, reached
without SSH. Controller and hosts share the processors, and there is no network between them; the CPU time printed is
that of both. Over SSH, tests/bench/fleet measures whole fleets.

An audit that did not evaluate every host is no result: the exit code is 1. `ansible-playbook` is taken from the PATH,
or from PROSCRIBE_ANSIBLE_PLAYBOOK.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from common import PING, PROJECT, find_playbook_program, make_parser, measure, run_well  # isort: split

LONGEST = 600  # seconds for one run
VARIABLES = {"ansible_connection": "local", "proscribe_effective_from": "2024-10-31"}


def main() -> int:
    options = make_parser(__doc__, hosts=20, pairs=5, forks=20).parse_args()
    with tempfile.TemporaryDirectory(prefix="proscribe-bench-") as name:
        folder = Path(name)
        hosts = {f"host{number}": {} for number in range(options.hosts)}
        (folder / "hosts.yml").write_text(json.dumps({"all": {"vars": VARIABLES, "hosts": hosts}}))
        (folder / "ping.yml").write_text(PING)
        playbooks = {"audit": PROJECT / "playbooks/audit.yml", "ping": folder / "ping.yml"}
        command = [find_playbook_program(), "-i", str(folder / "hosts.yml"), "--forks", str(options.forks)]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        own = {"ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "PROSCRIBE_REPORTS": str(folder / "reports")}

        def run(name: str) -> tuple[float, float]:
            argv = [*command, str(playbooks[name])]
            return measure(lambda: run_well(argv, env={**inherited, **own}, timeout=LONGEST), children_only=True)

        run("ping"), run("audit")  # connections are opened, files are read into memory
        pairs = []
        for number in range(options.pairs):
            pair = {name: run(name) for name in sorted(playbooks, reverse=number % 2 == 0)}
            report = json.loads((folder / "reports/latest/report.json").read_text())
            evaluated = report["summary"]["coverage"]["numerator"]
            if evaluated != options.hosts:
                print(f"pair {number + 1}: the audit evaluated {evaluated} of {options.hosts} hosts")
                return 1
            pairs.append(pair)
            walls = ", ".join(f"{name} {wall:.2f} s" for name, (wall, _) in pair.items())
            print(f"pair {number + 1}: {walls}, ratio {pair['audit'][0] / pair['ping'][0]:.2f}", flush=True)
    cores = os.cpu_count() or 1
    for name in playbooks:
        wall, cpu = (statistics.median(column) for column in zip(*(pair[name] for pair in pairs)))
        print(f"{name:<6} median {wall:.2f} s, {cpu:.2f} s of CPU: {cpu / wall / cores:.0%} of {cores} cores")
    ratios = [pair["audit"][0] / pair["ping"][0] for pair in pairs]
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    print(f"audit / ping = {statistics.median(ratios):.2f} (median; {spread}; {options.hosts} hosts)")
    print(f"load average {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
