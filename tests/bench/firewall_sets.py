#!/usr/bin/env python3
"""How long large sets take the firewall control, against nft alone; and a small one, against a task for each address.

    tests/bench/firewall_sets.py [--networks N] [--rounds R] [--tasks T]

Needs root, and does everything in a network namespace of its own that ends with it: no rule of this machine is touched.

Three things are measured, R times each, and the medians printed:

    apply       what enforcing does (observe, decide, load, store for the boot) against `nft -f` of a file with the same
                sets and two rules; the first time, and when a tenth of the networks has changed
    observe     processor time of an observation when nothing has changed, our own and nft's, the check of the plan
                included; and when another table has changed since, so that every element has to be listed
    iptables    `ansible.builtin.iptables` in a loop over T addresses; the time for 100 follows from that of one more,
                against one call of the enforcing module's code for 100 (--tasks 0 leaves it out)

Exit code 1: "apply" takes more than 1.5 times as long as nft, or "observe" more than 0.4 s.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "module_utils"))

from proscribe.host import run
from proscribe.host.controls import firewall
from proscribe.host.controls.firewall import carried
from proscribe.host.system import Generation, Host, netfilter
from proscribe.model import plan as plans

ALLOWED, QUICK = 1.5, 0.4  # times nft's time; seconds
BARE = """\
table inet bare
delete table inet bare
table inet bare {{
	set hosts {{ type ipv4_addr; elements = {{ {hosts} }}
	}}
	set nets {{ type ipv4_addr; flags interval; elements = {{ {nets} }}
	}}
	set hosts96 {{ type ipv6_addr; elements = {{ {hosts96} }}
	}}
	set nets96 {{ type ipv6_addr; flags interval; elements = {{ {nets96} }}
	}}
	set hosts16 {{ type ipv6_addr; elements = {{ {hosts16} }}
	}}
	set nets16 {{ type ipv6_addr; flags interval; elements = {{ {nets16} }}
	}}
	chain out {{
		type filter hook output priority 0; policy accept;
		ip daddr @hosts reject
		ip daddr @nets reject
	}}
}}
"""


class Inside(Host):
    """A made tree, in the network namespace that this process is in."""

    def ruleset_generation(self) -> Generation | None:
        return netfilter.generation()


def networks(number: int, shift: int = 0) -> list[str]:
    """Half single addresses, half networks, none beside another; `shift` moves a tenth of them."""
    half = number // 2
    moved = [(n + half * 2 if shift and n % 10 == 0 else n) for n in range(half)]
    hosts = [f"{11 + n // 32768 // 128}.{n // 256 // 128 % 128}.{n // 128 % 256}.{n % 128 * 2}" for n in moved]
    nets = [f"{64 + n // 65536 // 16}.{n // 4096 % 256}.{n // 16 % 256}.{n % 16 * 16}/29" for n in moved]
    return [*hosts, *nets]


def plan(members: list[str]) -> dict[str, Any]:
    service = {"name": "Service", "mode": "enforce", "networks": members, "ports": []}
    settings = {"dns_over_tls": "blocked", "quic": "unmanaged", "log": True, "rules": [], "management": []}
    section = {"mode": "enforce", "services": {"service": service}, "settings": settings}
    return plans.sealed({"schema": plans.SCHEMA, "contact": "", "controls": {"firewall": section}})


def timed(what: Callable[[], Any]) -> float:
    """Seconds by the clock."""
    started = time.perf_counter()
    what()
    return time.perf_counter() - started


def processor(what: Callable[[], Any]) -> float:
    """Seconds of the processor, with those of the tools that were run."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    before = [resource.getrusage(kind) for kind in kinds]
    what()
    after = [resource.getrusage(kind) for kind in kinds]
    return sum(b.ru_utime + b.ru_stime - a.ru_utime - a.ru_stime for a, b in zip(before, after))


def nft(*words: str, stdin: str | None = None) -> None:
    subprocess.run(["nft", *words], input=stdin, text=True, check=True, stdout=subprocess.DEVNULL)


def enforce(host: Host, desired: dict[str, Any]) -> None:
    for action in firewall.enforce(host, desired).actions:
        if action.verb in ("load", "write"):  # units are enabled once in a host's life
            action.apply()


def made(directory: Path) -> Host:
    for name in ("usr/sbin", "etc/systemd/system", "var/lib", "run"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    found = shutil.which("nft", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise SystemExit("needs nft: apt-get install nftables")
    (directory / "usr/sbin/nft").symlink_to(found)
    return Inside(str(directory))


def observe(host: Host, desired: dict[str, Any]) -> None:
    record, _ = run.observe(host, desired, ["firewall"])
    wrong = [rule for rule in record["rules"] if rule["rule"] != "firewall/boot"]  # units are not enabled here
    if wrong or record["errors"]:
        raise SystemExit(f"not as wanted: {wrong}")


def large(number: int, rounds: int) -> bool:
    """Large sets; False if a limit is passed."""
    seen: dict[str, list[float]] = {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="proscribe-bench-") as directory:
            for name, seconds in one_round(made(Path(directory)), networks(number), networks(number, shift=1)):
                seen.setdefault(name, []).append(seconds)
    middle = {name: statistics.median(values) for name, values in seen.items()}
    for name, values in seen.items():
        print(f"{name:<32} {middle[name]:.3f} s ({min(values):.3f} to {max(values):.3f})")
    first, changed = middle["apply, first"] / middle["nft, first"], middle["apply, changed"] / middle["nft, changed"]
    print(f"apply / nft = {first:.2f} the first time, {changed:.2f} with a tenth changed")
    return first <= ALLOWED and middle["observe"] < QUICK


def one_round(host: Host, first: list[str], changed: list[str]) -> Iterator[tuple[str, float]]:
    """Each measure, by name, from an empty ruleset on; nft and the control take turns."""
    before, after = bare_file(first), bare_file(changed)
    desired, new = plan(first), plan(changed)
    nft("flush", "ruleset")
    yield "nft, first", timed(lambda: nft("-f", "-", stdin=before))
    nft("flush", "ruleset")
    yield "apply, first", timed(lambda: enforce(host, desired))
    yield "observe", processor(lambda: observe(host, desired))
    yield "observe, by the clock", timed(lambda: observe(host, desired))
    yield "apply, changed", timed(lambda: enforce(host, new))
    observe(host, new)
    nft("delete", "table", "inet", "proscribe")
    nft("-f", "-", stdin=before)
    yield "nft, changed", timed(lambda: nft("-f", "-", stdin=after))
    nft("flush", "ruleset")
    enforce(host, desired)
    nft("add", "table", "inet", "another")
    yield "observe, another table changed", processor(lambda: observe(host, desired))


def bare_file(members: list[str]) -> str:
    """A file with the sets that the control makes: the networks, and what carries them in IPv6 addresses."""
    sets = {}
    for kind, slash in (("hosts", False), ("nets", True)):
        plain = [member for member in members if ("/" in member) is slash]
        sets[kind] = plain
        for bits in (96, 16):
            sets[f"{kind}{bits}"] = [carried.carry(member, bytes(bits // 8)) for member in plain]
    return BARE.format(**{name: ", ".join(texts) for name, texts in sets.items()})


TASK = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.iptables: {{chain: OUTPUT, destination: "203.0.113.{{{{ item }}}}", jump: REJECT}}
      loop: "{{{{ range(1, {tasks} + 1) | list }}}}"
"""


def small(tasks: int) -> None:
    """100 addresses: a task each, and all at once."""
    playbook = os.environ.get("PROSCRIBE_ANSIBLE_PLAYBOOK") or shutil.which("ansible-playbook")
    if not playbook or not shutil.which("iptables", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
        print("iptables left out: needs ansible-playbook and iptables on the PATH")
        return
    environment = {**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "minimal"}
    interpreter = f"ansible_python_interpreter={sys.executable}"
    with tempfile.TemporaryDirectory(prefix="proscribe-bench-") as directory:
        command = [playbook, "-i", "localhost,", "-c", "local", "-e", interpreter, str(Path(directory, "tasks.yml"))]

        def loop(number: int) -> float:
            Path(directory, "tasks.yml").write_text(TASK.format(tasks=number))
            return timed(lambda: subprocess.run(command, env=environment, check=True, capture_output=True))

        one = loop(1)
        each = (loop(1 + tasks) - one) / tasks
        host, hundred = made(Path(directory)), plan([f"203.0.113.{n}" for n in range(1, 200, 2)])
        ours, again = timed(lambda: enforce(host, hundred)), timed(lambda: enforce(host, hundred))
    print(f"iptables: {100 * each:.1f} s for 100 addresses, each run ({each:.2f} s each, told from {tasks})")
    print(
        f"          {ours:.2f} s by the firewall control, {again:.2f} s when nothing has changed; and one module call"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the firewall control with large sets.")
    parser.add_argument("--networks", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=5)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not 100 <= arguments.networks <= 400_000 or not 1 <= arguments.rounds <= 20 or not 0 <= arguments.tasks <= 100:
        parser.error("between 100 and 400000 networks, between 1 and 20 rounds, between 0 and 100 tasks")
    if os.geteuid() != 0:
        parser.error("needs root")
    if not arguments.inside:
        return subprocess.run(["unshare", "-n", sys.executable, *sys.argv, "--inside"]).returncode
    print(f"{arguments.networks} networks, half of them single addresses, {arguments.rounds} rounds")
    held = large(arguments.networks, arguments.rounds)
    if arguments.tasks:
        small(arguments.tasks)
    print(f"load average {os.getloadavg()[0]:.1f}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
