#!/usr/bin/env python3
"""How long large sets take the firewall control, against nft alone; in a network namespace of its own, as root.

    tests/bench/firewall_sets.py [--networks N] [--rounds R]

Prints the medians of R rounds. `apply` is what enforcing does against `nft -f` of the same sets and two rules, the
first time, and when a tenth of the networks has changed. `observe` is processor time, our own and nft's, when nothing
has changed, and when another table has, so that every element has to be listed.

Exit code 1: "apply" takes more than 1.5 times as long as nft, or "observe" more than 0.4 s.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from common import make_parser, measure  # isort: split

from made_plans import make_plan
from proscribe.host import host_operations
from proscribe.host.controls import firewall
from proscribe.host.controls.firewall import carried_addresses
from proscribe.host.system import Host, netfilter

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
ALLOWED, QUICK = 1.5, 0.4  # times nft's time; seconds
BARE = """\
table inet bare
delete table inet bare
table inet bare {
	SETS
	chain out {
		type filter hook output priority 0; policy accept;
		ip daddr @hosts reject
		ip daddr @nets reject
	}
}
"""


class Inside(Host):
    """A made tree, in the network namespace that this process is in."""

    def read_ruleset_generation(self):
        return netfilter.read_ruleset_generation()


def networks(number, shift=0):
    """Half single addresses, half networks, none beside another; `shift` moves a tenth of them."""
    half = number // 2
    moved = [(n + half * 2 if shift and n % 10 == 0 else n) for n in range(half)]
    hosts = [f"{11 + n // 32768 // 128}.{n // 256 // 128 % 128}.{n // 128 % 256}.{n % 128 * 2}" for n in moved]
    nets = [f"{64 + n // 65536 // 16}.{n // 4096 % 256}.{n // 16 % 256}.{n % 16 * 16}/29" for n in moved]
    return [*hosts, *nets]


def plan(members):
    return make_plan("firewall", {"service": members}, settings={"dns_over_tls": "blocked", "log": True})


def nft(*words, stdin=None):
    subprocess.run(["nft", *words], input=stdin, text=True, check=True, stdout=subprocess.DEVNULL)


def enforce(host, desired):
    for action in firewall.enforce(host, desired).actions:
        if action.verb in ("load", "write"):  # units are enabled once in a host's life
            action.apply()


def make_host(directory):
    for name in ("usr/sbin", "etc/systemd/system", "var/lib", "run"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    program = shutil.which("nft", path=PATH)
    if not program:
        raise SystemExit("needs nft: apt-get install nftables")
    (directory / "usr/sbin/nft").symlink_to(program)
    return Inside(str(directory))


def observe(host, desired):
    record, _ = host_operations.observe(host, desired, ["firewall"])
    wrong = [rule for rule in record["rules"] if rule["rule"] != "firewall/boot"]  # units are not enabled here
    if wrong or record["errors"]:
        raise SystemExit(f"not as wanted: {wrong}")


def measure_large(number, rounds):
    """Print what large sets cost; return False if a limit is passed."""
    costs = {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="proscribe-bench-") as directory:
            host = make_host(Path(directory))
            for name, seconds in measure_round(host, networks(number), networks(number, shift=1)):
                costs.setdefault(name, []).append(seconds)
    middle = {name: statistics.median(values) for name, values in costs.items()}
    for name, values in costs.items():
        print(f"{name:<32} {middle[name]:.3f} s ({min(values):.3f} to {max(values):.3f})")
    first, changed = middle["apply, first"] / middle["nft, first"], middle["apply, changed"] / middle["nft, changed"]
    print(f"apply / nft = {first:.2f} the first time, {changed:.2f} with a tenth changed")
    return first <= ALLOWED and middle["observe"] < QUICK


def measure_round(host, first, changed):
    """Measure each by name, from an empty ruleset on; nft and the control take turns."""
    before, after = make_file(first), make_file(changed)
    desired, new = plan(first), plan(changed)
    nft("flush", "ruleset")
    yield "nft, first", measure(lambda: nft("-f", "-", stdin=before))[0]
    nft("flush", "ruleset")
    yield "apply, first", measure(lambda: enforce(host, desired))[0]
    wall, processor = measure(lambda: observe(host, desired))
    yield "observe", processor
    yield "observe, by the clock", wall
    yield "apply, changed", measure(lambda: enforce(host, new))[0]
    observe(host, new)
    nft("delete", "table", "inet", "proscribe")
    nft("-f", "-", stdin=before)
    yield "nft, changed", measure(lambda: nft("-f", "-", stdin=after))[0]
    nft("flush", "ruleset")
    enforce(host, desired)
    nft("add", "table", "inet", "another")
    yield "observe, another table changed", measure(lambda: observe(host, desired))[1]


def make_file(members):
    """Make a file with the sets of the control: the networks, and the IPv6 networks that carry them."""
    sets = []
    for name, flags, has_slash in (("hosts", "", False), ("nets", " flags interval;", True)):
        plain = [member for member in members if ("/" in member) is has_slash]
        sets.append((name, f"ipv4_addr;{flags}", plain))
        for bits in (96, 16):
            mapped = [carried_addresses.convert_to_carried(member, bytes(bits // 8)) for member in plain]
            sets.append((f"{name}{bits}", f"ipv6_addr;{flags}", mapped))
    lines = [f"set {name} {{ type {kind} elements = {{ {', '.join(texts)} }}\n\t}}" for name, kind, texts in sets]
    return BARE.replace("SETS", "\n\t".join(lines))


def main():
    parser = make_parser(__doc__, networks=100_000, rounds=3)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("needs root")
    if not options.inside:
        return subprocess.run(["unshare", "-n", sys.executable, *sys.argv, "--inside"]).returncode
    print(f"{options.networks} networks, half of them single addresses, {options.rounds} rounds")
    is_quick = measure_large(options.networks, options.rounds)
    print(f"load average {os.getloadavg()[0]:.1f}")
    return 0 if is_quick else 1


if __name__ == "__main__":
    sys.exit(main())
