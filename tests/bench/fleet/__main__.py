#!/usr/bin/env python3
"""What a fleet costs: audits and drift runs beside a ping of the same hosts, and beside what others use.

    tests/bench/fleet [--hosts N...] [--rounds R] [--forks F] [options]
    tests/bench/fleet --hosts --peak 10000                      memory of the controller's processes

Needs root, podman, mmdebstrap, ssh, sshd, ip, nsenter and ansible-playbook (PROSCRIBE_ANSIBLE_PLAYBOOK, or on the
PATH). pyinfra is installed from PyPI once. hosts.py describes a host, meter.py what belongs to the controller.

For each N, R rounds, whose order turns around: an `ansible.builtin.ping` play, an audit, a drift run with nothing to
do, pyinfra's package fact, and plain ssh (20 at a time, as the forks): `true`, and the bytes of an audit. At the end of
a round one host in a hundred drifts, and a drift run repairs it. The bench stops with an error where a report is not
what was seeded, or a host does not answer a peer. Processor time is first in the table: controller and hosts share the
processors of this machine.
"""

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import beside
import scenarios
import table
from controller import Bench
from hosts import MOST, base, fleet
from meter import Meter

CACHE = Path("/var/tmp/proscribe-fleet")
SILENT = 1000  # at most so many hosts are beside silent ones
TOOLS = ("podman", "runc", "mmdebstrap", "ssh", "sshd", "ip", "nsenter", "unshare", "xargs")
PEERS = ("pyinfra", "ssh true", "ssh audit")


def addresses(text):
    count = int(text)
    if not 0 < count <= MOST:
        raise ValueError(text)
    return count


SWITCHES = {
    "no-peers": "without pyinfra and plain ssh",
    "closed": "no run finds a connection open: each opens them all, as a run at night does",
    "fallback": "also an audit where connections must not pipe: as an ordinary module",
    "dead": "also an audit where one host in twenty is silent: what it costs in time-outs",
    "beside": "a role of loops over builtin modules, goss and OpenSCAP, on one host",
}
VALUES = {
    "rounds": (int, 2, "the least of so many is printed; 2"),
    "forks": (int, 20, "Ansible's, and as parallel are the peers; 20"),
    "serving": (addresses, 100, "hosts that serve the addresses of --peak in turn; 100"),
}


def make_parser():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="tests/bench/fleet", description=__doc__, formatter_class=raw)
    many = {"nargs": "*", "type": addresses, "metavar": "N"}
    parser.add_argument("--hosts", default=[10, 100, 1000], help="how many; each is booted; 10, 100 and 1000", **many)
    parser.add_argument("--peak", help="also an audit of so many addresses (10,000): the controller's memory", **many)
    for name, (kind, default, text) in VALUES.items():
        parser.add_argument(f"--{name}", type=kind, default=default, help=text)
    for name, text in SWITCHES.items():
        parser.add_argument(f"--{name}", action="store_true", help=text)
    return parser


def main():
    parser = make_parser()
    arguments = parser.parse_args()
    lacking = [tool for tool in TOOLS if not shutil.which(tool)]
    if os.geteuid() != 0 or lacking:
        parser.error(f"needs root and {', '.join(lacking or TOOLS)}")
    CACHE.mkdir(exist_ok=True)
    counts = sorted(set(arguments.hosts))
    most = min(max(counts, default=100), SILENT)
    others = () if arguments.no_peers else PEERS
    within = True
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # hosts end with the bench, also where that is cut short
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="proscribe-fleet-", dir="/var/tmp")))
        meter = Meter()
        stack.callback(meter.close)
        made = stack.enter_context(fleet(directory, base(CACHE), meter.hosts.take))
        bench = Bench(directory / "near", made, meter, arguments.forks, arguments.closed)
        print(table.LEGEND, end="")
        made.grow(1)
        bench.inventory(range(1))
        bench.run("enforce")
        made.begin_with(0)
        rows = scenarios.Rows(bench, CACHE, others, arguments.fallback)
        for hosts in counts:
            scenarios.measure(rows, hosts, arguments.rounds)
        if arguments.dead:
            made.grow(most)
            scenarios.dead(bench, most)
        if arguments.beside:
            beside.measure(made, bench)
        if arguments.peak is not None:
            quiet = Bench(directory / "peak", made, meter, arguments.forks, closed=True)
            meter.end_background()  # connections that are open are not of these audits
            made.grow(arguments.serving)
            for count in sorted(arguments.peak or [10_000]):
                within = scenarios.peak(quiet, count) and within
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
