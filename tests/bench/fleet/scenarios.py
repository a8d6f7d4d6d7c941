"""What the bench measures: rows of a table in turn, and fleets of which something is unusual."""

import json

import peers
import table
from controller import NoResult
from drift import one_per_cent, seed
from footprint import Footprint
from meter import least

CONTROLS = ("apps", "browser", "firewall", "dns")
TIMEOUT = 10  # Ansible's own, of a connection
MB = 1024  # MB that the controller may hold there


class Rows:
    """The rows of a table by name: ours, and the peers that can run here."""

    def __init__(self, bench, cache, others, fallback=False):
        self.bench = bench
        self.ours = {name: lambda name=name: bench.run(name) for name in ("ping", "audit", "drift")}
        if fallback:
            self.ours["fallback"] = lambda: bench.run("audit", ANSIBLE_PIPELINING="false")
        kinds = {"ssh true": peers.Ssh, "ssh audit": peers.SshAudit}
        kinds["pyinfra"] = lambda bench: peers.Pyinfra(bench, cache)
        self.peers = {name: kinds[name](bench) for name in others}

    @property
    def connects(self):
        """The state of the connections that a run of each row finds."""
        state = "new" if self.bench.closed else "open"
        ours = dict.fromkeys([*self.ours, "drifted"], state)
        return ours | {name: peer.connects or state for name, peer in self.peers.items()}

    def prepare(self):
        """Open connections, read files into memory, and let hosts note what they keep: each row once."""
        self.bench.run("drift")
        for peer in self.peers.values():
            peer.prepare()
            peer.run()

    def turn(self, number):
        runs = {**self.ours, **{name: peer.run for name, peer in self.peers.items()}}
        costs = {}
        for name in list(runs)[:: 1 if number % 2 == 0 else -1]:
            costs[name] = runs[name]()
            if name in self.ours and name != "ping":
                self.bench.check(name, len(self.bench.numbers))
        return {name: costs[name] for name in runs}


def drifted(bench, hosts):
    """A drift run with one host in a hundred drifted; its report has to say exactly that."""
    seeded = one_per_cent(hosts, CONTROLS)
    plan = bench.plan()
    for host, control in seeded.items():
        seed(bench.fleet, host, control, plan)
    cost = bench.run("drift")
    bench.check("drifted", hosts, seeded)
    return cost


def measure(rows, hosts, rounds):
    """The least that each row costs, of so many rounds; printed."""
    bench = rows.bench
    bench.fleet.grow(hosts)
    bench.inventory(range(hosts))
    before = table.processors()
    rows.prepare()
    turns = [{**rows.turn(number), "drifted": drifted(bench, hosts)} for number in range(rounds)]
    best = {name: least([turn[name] for turn in turns]) for name in turns[0]}
    table.show(f"{hosts:,} hosts, {rounds} rounds; before: {before}; now:", hosts, best, rows.connects)


def dead(bench, hosts):
    bench.inventory(range(hosts))
    without = least([bench.run("audit"), bench.run("audit")])
    count = max(1, hosts // 20)
    bench.inventory(range(hosts), count)
    cost = bench.run("audit", ends=4)
    records = [json.loads(line) for line in (bench.reports / "latest/hosts.jsonl").read_text().splitlines()]
    states = [record["state"] for record in records]
    accounted = (states.count("compliant"), states.count("unknown"), len(states)) == (hosts - count, count, hosts)
    more = cost.wall - without.wall
    print(
        f"\n{count} of {hosts} hosts say nothing: {cost.wall:.1f} s by the clock instead of {without.wall:.1f} s, "
        f"{more:+.1f} s.\n  These are {more / TIMEOUT:.2f} time-outs of {TIMEOUT} s; the aim is one in all. "
        f"Controller {cost.controller:.1f} s instead of {without.controller:.1f} s.\n"
        f"  {states.count('unknown')} are unknown, {states.count('compliant')} compliant; {table.processors()}",
        flush=True,
    )
    if not accounted:
        raise NoResult("a host is not accounted for")


def peak(bench, addresses):
    """Print the most memory of an audit of addresses that hosts serve in turn; False if it misses the aim."""
    roots = min(addresses, len(bench.fleet.first))
    bench.fleet.serve(addresses)
    bench.inventory(range(roots))
    bench.run("drift")
    bench.inventory(range(addresses))
    with Footprint(bench.meter.controller) as memory:
        cost = bench.run("audit")
    bench.check("peak", addresses)
    found = memory.peak
    print(
        f"\n{addresses:,} addresses, each a host with a record, served by {roots} hosts in turn\n"
        f"  at most {found.whole:.0f} MB, aim {MB} MB: PSS of all processes of the controller, sampled "
        f"{len(memory.samples) - 1} times; {found.count} processes then\n"
        f"  controller {cost.controller:.1f} s, hosts {cost.hosts:.1f} s, wall {cost.wall:.1f} s; {table.processors()}",
        flush=True,
    )
    return found.whole <= MB
