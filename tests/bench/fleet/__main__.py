#!/usr/bin/env python3
"""What a fleet costs: audits and drift runs beside a ping of the same hosts.

    tests/bench/fleet [--hosts N...] [--rounds R] [--forks F] [--closed] [--fallback] [--first] [--dead] [--beside]
    tests/bench/fleet --memory

Needs root, podman and mmdebstrap (for the hosts' image, once), ssh, sshd, ip, nsenter and ansible-playbook
(PROSCRIBE_ANSIBLE_PLAYBOOK, or on the PATH). What a host is here stands in hosts.py: each is a tree of its own over one
Debian, with its own processes, network and nftables, enforced once in their common image; an sshd in a network
namespace answers for all. They share the controller's processors, kernel and disk, and there is no network between.

For each N, R rounds, whose order turns around: (a) an `ansible.builtin.ping` play, (b) an audit, (c) a drift run with
nothing to do, and at the end of a round (d) a drift run with one host in a hundred drifted. The interpreter is named in
the inventory, so that no run pays for finding it. Every run finds its connections open, however many hosts there are
(Ansible's own 60 s end while a thousand hosts are asked). Times are by the clock and of the processors; the least of
the rounds is told, and ratios are of these. A run of which the report is not what was seeded is no result: it ends
with 1.

    --closed    no run finds a connection open: each opens them all, as a run at night does
    --fallback  also (b) with a connection that must not pipe: the same code as an ordinary module
    --first     also (b) on hosts that no run of Proscribe has seen: everything is wrong, and nothing kept there
    --dead      also (b) where one host in twenty is an address that says nothing, beside (b) without
    --beside    a role of loops over builtin modules, goss and OpenSCAP, with the same checks of 20 services
    --memory    the controller's memory after 1,000 and after 10,000 simulated records; runs alone
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import beside
import memory
from drift import one_per_cent, seed, wrong
from hosts import PROJECT, SILENT, Fleet, base, fleet
from meter import Cost, Meter

sys.path.insert(0, str(PROJECT / "module_utils"))

from proscribe import stream
from proscribe.store import Store

CACHE = Path("/var/tmp/proscribe-fleet")
CONTROLS = ("apps", "browser", "firewall", "dns")
TIMEOUT = 10  # Ansible's own, of a connection
LONG, IDLE = 3600, 1  # seconds that a connection stays open which nobody uses
PING = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.ping:\n"
TOOLS = ("podman", "runc", "mmdebstrap", "ssh", "sshd", "ip", "nsenter", "unshare")
# The aims: what, and at most how much of a ping, by the clock.
AIMS = {"audit": 0.5, "drift": 0.5, "fallback": 1.25}


class Bench:
    """The controller: an inventory of the fleet, and the playbooks."""

    def __init__(self, directory: Path, made: Fleet, meter: Meter, forks: int, closed: bool = False) -> None:
        self.directory, self.fleet, self.meter, self.closed = directory, made, meter, closed
        self.reports = directory / "reports"
        (directory / "ping.yml").write_text(PING)
        self.playbooks = {"ping": directory / "ping.yml"}
        self.playbooks |= {name: PROJECT / "playbooks" / f"{name}.yml" for name in ("audit", "drift", "enforce")}
        ansible = os.environ.get("PROSCRIBE_ANSIBLE_PLAYBOOK") or shutil.which("ansible-playbook")
        if not ansible:
            raise SystemExit("needs ansible-playbook on the PATH, or PROSCRIBE_ANSIBLE_PLAYBOOK")
        self.command = [*made.prefix, ansible, "--forks", str(forks), "-i", str(directory / "hosts.yml")]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        self.environment = {
            **inherited,
            "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
            "ANSIBLE_SSH_ARGS": f"-C -o ControlMaster=auto -o ControlPersist={IDLE if closed else LONG}",
            "PROSCRIBE_REPORTS": str(self.reports),
        }

    def inventory(self, numbers: range, dead: int = 0) -> None:
        """Name these hosts, and that many addresses that say nothing among them."""
        ssh = ("-F none", "-o StrictHostKeyChecking=accept-new", "-o IdentitiesOnly=yes")
        common = " ".join([*ssh, f"-o UserKnownHostsFile={self.directory}/known_hosts"])
        variables = {
            "ansible_user": "root",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_private_key_file": f"{self.directory}/key",
            "ansible_ssh_common_args": common,
            "proscribe_effective_from": "2024-10-31",
            "proscribe_history": "off",
        }
        silent = {len(numbers) * (2 * index + 1) // (2 * dead): f"{SILENT}.0.{index + 1}" for index in range(dead)}
        hosts = {f"host{n}": {"ansible_host": silent.get(i) or self.fleet.address(n)} for i, n in enumerate(numbers)}
        (self.directory / "hosts.yml").write_text(json.dumps({"all": {"vars": variables, "hosts": hosts}}))

    def run(self, name: str, ends: int = 0, **environment: str) -> Cost:
        """Run a playbook; SystemExit with its output unless it ends with that."""
        argv = [*self.command, str(self.playbooks[name])]
        if self.closed:
            time.sleep(2 * IDLE)
        cost, done = self.meter.run(argv, {**self.environment, **environment})
        if done.returncode != ends:
            raise SystemExit(f"{name} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
        return cost

    def plan(self) -> dict[str, Any]:
        """The plan of the hosts: one for all."""
        (path,) = (self.reports / "plans").glob("*.json")
        return dict(json.loads(path.read_text()))

    def streamed(self) -> tuple[str, bytes]:
        """What an audit runs on a host that keeps the code, and what it pipes to that."""
        call = {"controls": [], "gate": "never", "will_correct": False, "probe": False, "remember": False}
        store = Store(self.reports / "plans")
        plan = store.plan(digest=self.plan()["digest"])
        return stream.BOOTSTRAP, stream.payload(store.code(probe=False), plan, call, whole=False)

    def check(self, what: str, hosts: int, seeded: Mapping[int, str] | None = None) -> None:
        """End the bench where the newest report is not what was seeded."""
        if mistakes := wrong(self.reports, hosts, seeded or {}):
            raise SystemExit(f"{what}: no result, because the report is wrong: {'; '.join(mistakes[:5])}")


def least(costs: list[Cost]) -> Cost:
    return Cost(*(min(column) for column in zip(*costs)))


def measure(bench: Bench, hosts: int, rounds: int, fallback: bool) -> dict[str, Cost]:
    """The least that each run costs; printed."""
    bench.fleet.grow(hosts)
    bench.inventory(range(hosts))
    names = ["ping", "audit", "drift", *["fallback"] * fallback]
    costs: dict[str, list[Cost]] = {name: [] for name in [*names, "drifted"]}
    bench.run("drift")  # files are read into memory, and what the hosts keep is noted
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            pipe = {"ANSIBLE_PIPELINING": "false"} if name == "fallback" else {}
            costs[name].append(bench.run("audit" if name == "fallback" else name, **pipe))
            if name != "ping":
                bench.check(name, hosts)
        seeded = one_per_cent(hosts, CONTROLS)
        plan = bench.plan()
        for host, control in seeded.items():
            seed(bench.fleet, host, control, plan)
        costs["drifted"].append(bench.run("drift"))
        bench.check("drifted", hosts, seeded)
    best = {name: least(found) for name, found in costs.items()}
    connections = "closed" if bench.closed else "open"
    load = os.getloadavg()[0]
    print(f"\n{hosts:,} hosts, connections {connections}, the least of {rounds} rounds; load average {load:.1f}")
    print("            by host, in ms: wall  controller     hosts   of a ping: wall, CPU      whole: wall")
    for name, cost in best.items():
        shares = cost.wall / best["ping"].wall, cost.cpu / best["ping"].cpu
        missed = " (aim missed)" if shares[0] > AIMS.get(name, shares[0]) else ""
        print(
            f"  {name:<18} {cost.each(hosts)}      {shares[0]:6.2f} {shares[1]:6.2f}      {cost.wall:10.1f} s{missed}",
            flush=True,
        )
    return best


def first(bench: Bench, count: int) -> None:
    """An audit of hosts as they came."""
    bench.fleet.grow(count)
    bench.inventory(range(count))
    pings, audits = [], []
    bench.run("ping")
    for _ in range(3):
        pings.append(bench.run("ping"))
        audits.append(bench.run("audit"))
    ping, audit = least(pings), least(audits)
    print(f"\n{count} hosts that no run has seen: audit/ping {audit.wall / ping.wall:.2f} by the clock,", end=" ")
    print(f"{audit.cpu / ping.cpu:.2f} of the processors; by host, in ms:\n  ping   {ping.each(count)}")
    print(f"  audit  {audit.each(count)}", flush=True)


def dead(bench: Bench, hosts: int) -> None:
    """What hosts cost that say nothing."""
    bench.inventory(range(hosts))
    without = least([bench.run("audit"), bench.run("audit")])
    count = hosts // 20
    bench.inventory(range(hosts), count)
    cost = bench.run("audit", ends=4)
    records = [json.loads(line) for line in (bench.reports / "latest/hosts.jsonl").read_text().splitlines()]
    states = [record["state"] for record in records]
    accounted = (states.count("compliant"), states.count("unknown"), len(states)) == (hosts - count, count, hosts)
    more = cost.wall - without.wall
    print(
        f"\n{count} of {hosts} hosts say nothing: {cost.wall:.1f} s instead of {without.wall:.1f} s, {more:+.1f} s; "
        f"one time-out is {TIMEOUT} s; {states.count('unknown')} are unknown, {states.count('compliant')} compliant"
    )
    if not accounted:
        raise SystemExit("a host is not accounted for")


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure audits and drift runs of a fleet.")
    parser.add_argument("--hosts", type=int, nargs="*", default=[10, 100, 1000])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--forks", type=int, default=20)
    for name in ("closed", "fallback", "first", "dead", "beside", "memory"):
        parser.add_argument(f"--{name}", action="store_true")
    arguments = parser.parse_args()
    if arguments.memory:
        return memory.main()
    lacking = [tool for tool in TOOLS if not shutil.which(tool)]
    if os.geteuid() != 0 or lacking:
        parser.error(f"needs root and {', '.join(lacking or TOOLS)}")
    CACHE.mkdir(exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # hosts end with the bench, also where that is cut short
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="proscribe-fleet-", dir="/var/tmp")))
        meter = Meter()
        stack.callback(meter.close)
        made = stack.enter_context(fleet(directory, base(CACHE), meter.hosts.take))
        bench = Bench(directory, made, meter, arguments.forks, arguments.closed)
        if arguments.first:
            first(bench, 10)
        else:
            made.grow(1)
        bench.inventory(range(1))
        bench.run("enforce")
        made.begin_with(0)
        best = {hosts: measure(bench, hosts, arguments.rounds, arguments.fallback) for hosts in sorted(arguments.hosts)}
        if {100, 1000} <= set(best):
            for name in ("ping", "audit", "drift"):
                growth = best[1000][name].wall / best[100][name].wall / 10
                cpu = best[1000][name].cpu / best[100][name].cpu / 10
                print(f"{name}: t(1,000) is {growth:.2f} times 10 t(100); CPU {cpu:.2f}")
        if arguments.dead:
            made.grow(100)
            dead(bench, 100)
        if arguments.beside:
            beside.measure(made, bench)
    return 0


if __name__ == "__main__":
    sys.exit(main())
