#!/usr/bin/env python3
"""How long an audit of N hosts takes, against a play that only pings the same hosts.

    tests/bench/audit_vs_ping.py [--hosts N] [--pairs P] [--ssh] [--module]

Audits and pings take turns within one run, each pair in the other order than the one before, and the ratio is taken
within a pair, so that whatever else the machine does falls on both. By default the hosts are N names of this machine,
reached without SSH. With --ssh (as root) they are N addresses in a network namespace, served by one SSH server there:
one host each to Ansible. Controller and hosts share the processors, and there is no network between them; the CPU time
printed is the controller's, and with it, but for --ssh, the hosts'.

By default the observing code is streamed, as `./proscribe audit` does; --module measures the ordinary module instead,
the fallback where a connection cannot pipe.

An audit that did not evaluate every host is no result: then it ends with 1. `ansible-playbook` is taken from the PATH,
or from PROSCRIBE_ANSIBLE_PLAYBOOK.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[2]
NAMESPACE = f"proscribe-bench-{os.getpid()}"
NETWORK = "10.77"  # all of it is this machine, inside the namespace only
LONGEST = 600  # seconds for one run
PING = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.ping:\n"


class Run(NamedTuple):
    """One playbook run: seconds by the clock, and of the processors."""

    wall: float
    cpu: float


class Bench:
    """The two playbooks, over one inventory."""

    def __init__(self, directory: Path, inventory: str, forks: int, prefix: Sequence[str] = ()) -> None:
        self.directory = directory
        (directory / "hosts.yml").write_text(inventory)
        (directory / "ping.yml").write_text(PING)
        ansible = os.environ.get("PROSCRIBE_ANSIBLE_PLAYBOOK") or shutil.which("ansible-playbook")
        if not ansible:
            raise SystemExit("needs ansible-playbook on the PATH, or PROSCRIBE_ANSIBLE_PLAYBOOK")
        self.command = [*prefix, ansible, "-i", str(directory / "hosts.yml"), "--forks", str(forks)]
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


@contextlib.contextmanager
def fleet(directory: Path, hosts: int) -> Iterator[str]:
    """N addresses that answer SSH, in a network namespace that ends with the block; yields their inventory."""
    for tool in ("ip", "sshd", "ssh-keygen"):
        if not shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            raise SystemExit(f"--ssh needs {tool}: apt-get install iproute2 openssh-server openssh-client")
    for name in ("host_key", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)], check=True)
    settings = {
        "ListenAddress": "0.0.0.0",
        "HostKey": directory / "host_key",
        "AuthorizedKeysFile": directory / "key.pub",
        "PidFile": directory / "sshd.pid",
        "PermitRootLogin": "prohibit-password",
        "StrictModes": "no",
        "UsePAM": "no",
        "MaxStartups": "1000",
    }
    (directory / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    os.makedirs("/run/sshd", exist_ok=True)
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    try:
        for command in (["link", "set", "lo", "up"], ["route", "add", "local", f"{NETWORK}.0.0/16", "dev", "lo"]):
            subprocess.run(["ip", "-n", NAMESPACE, *command], check=True)
        sshd = ["/usr/sbin/sshd", "-D", "-e", "-f", str(directory / "sshd_config")]
        with (
            (directory / "sshd.log").open("w") as log,
            subprocess.Popen(["ip", "netns", "exec", NAMESPACE, *sshd], stderr=log) as server,
        ):
            try:
                names = "".join(
                    f"    host{n}: {{ansible_host: {NETWORK}.{n // 250}.{n % 250 + 1}}}\n" for n in range(hosts)
                )
                common = "-o StrictHostKeyChecking=accept-new -o IdentitiesOnly=yes"
                yield (
                    "all:\n  vars:\n    ansible_user: root\n    proscribe_effective_from: 2024-10-31\n"
                    f"    ansible_ssh_private_key_file: {directory}/key\n"
                    f"    ansible_ssh_common_args: {common} -o UserKnownHostsFile={directory}/known_hosts\n"
                    f"  hosts:\n{names}"
                )
            finally:
                server.terminate()
    finally:
        # The connections that Ansible keeps open hold the namespace, so they go with it.
        pids = subprocess.run(["ip", "netns", "pids", NAMESPACE], capture_output=True, text=True).stdout.split()
        if pids:
            subprocess.run(["kill", *pids], stderr=subprocess.DEVNULL)  # some end while this is read
        subprocess.run(["ip", "netns", "delete", NAMESPACE])


def only_compiling(directory: Path) -> Path:
    """A folder of action plugins without the one that streams: compliance_state is then a module like any other."""
    folder = directory / "actions"
    folder.mkdir()
    (folder / "compile_plans.py").symlink_to(PROJECT / "action_plugins" / "compile_plans.py")
    return folder


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
    parser.add_argument("--module", action="store_true", help="the ordinary module instead of the streamed code")
    parser.add_argument("--ssh", action="store_true", help="over SSH, into a network namespace (needs root)")
    arguments = parser.parse_args()
    if not 1 <= arguments.hosts <= 1000 or not 1 <= arguments.pairs <= 50:
        parser.error("between 1 and 1000 hosts, and between 1 and 50 pairs")
    with tempfile.TemporaryDirectory(prefix="proscribe-bench-") as name, contextlib.ExitStack() as stack:
        directory, prefix = Path(name), []
        inventory = local_inventory(arguments.hosts)
        if arguments.ssh:
            if os.geteuid() != 0:
                parser.error("--ssh needs root")
            inventory = stack.enter_context(fleet(directory, arguments.hosts))
            prefix = ["ip", "netns", "exec", NAMESPACE]
        bench = Bench(directory, inventory, arguments.forks, prefix)
        if arguments.module:
            bench.environment["ANSIBLE_ACTION_PLUGINS"] = str(only_compiling(directory))
        complete = measure(bench, arguments.hosts, arguments.pairs)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
