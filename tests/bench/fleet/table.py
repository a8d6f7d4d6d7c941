"""The bench's table: processor time first, then the clock, and both as shares of a ping and of pyinfra's fact."""

import os

from meter import Cost

# The shares: a column of Cost, and the row that it is a share of.
SHARES = (("controller", "ping"), ("hosts", "ping"), ("wall", "ping"), ("controller", "pyinfra"), ("wall", "pyinfra"))
# The aims: a row, a column, the row that it is a share of; and the most that this share may be.
OURS = ("audit", "drift")
AIMS = {
    **{(name, "controller", "ping"): 0.25 for name in OURS},
    **{(name, "controller", "pyinfra"): 1.0 for name in OURS},
    **{(name, "wall", "ping"): 0.3 for name in OURS},
    ("fallback", "wall", "ping"): 1.25,
}
LEGEND = """\
Columns: processor time of the controller and of the hosts, then wall, which is of both together: they share a machine.
  docs/speed.md (How to measure) says what each column and row counts. "open" and "new" are connections.
"!" follows a share that misses its aim. The least of the rounds stands in each column. A run counts only if its report
  has every host and exactly the drift that was seeded; a peer's run only if every host answered.
"""


def processors():
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"load average {load}, {os.cpu_count()} processors"


def rows(hosts, costs, connects):
    """The lines of a table: `costs` and the state of the connections (open, new) by the name of the row."""
    shares = [(column, peer) for column, peer in SHARES if peer in costs]
    peers = list(dict.fromkeys(peer for _, peer in shares))
    width = {peer: 13 * sum(of == peer for _, of in shares) for peer in peers}
    yield f"{'':<10} {'':<5} {'for one host, in ms':^32}" + "".join(f" |{'of ' + p:^{width[p] - 2}}" for p in peers)
    heads = [*(f"{name:>10}" for name in Cost._fields), *(f"{column:>12}" for column, _ in shares)]
    yield f"{'run':<10} {'conn.':<5} {' '.join(heads)} {'whole run':>11}"
    for name, cost in costs.items():
        cells = [f"{1000 * seconds / hosts:10.1f}" for seconds in cost]
        for column, peer in shares:
            share = getattr(cost, column) / max(getattr(costs[peer], column), 1e-6)
            missed = share > AIMS.get((name, column, peer), share)
            cells.append(f"{share:11.2f}{'!' if missed else ' '}")
        yield f"{name:<10} {connects.get(name, ''):<5} {' '.join(cells)} {cost.wall:9.1f} s"


def show(title, hosts, costs, connects):
    print(f"\n{title}\n{processors()}")
    for line in rows(hosts, costs, connects):
        print(f"  {line.rstrip()}", flush=True)
