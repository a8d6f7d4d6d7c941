#!/usr/bin/env python3
"""What noticing starts of programs costs a host, and how soon a restricted one is ended.

    tests/bench/launches.py [--starts N] [--rate N] [--seconds N] [--idle N]

On a host of its own (a Debian container with systemd, made by root with podman) with the watch's own program and unit:

    starts      N starts of a restricted program, half of them of one in a home: seconds until each was ended
    bursts      so many starts a second for some seconds, of a program that nobody restricts, of one that only has a
                restricted name, and of a restricted one that stays until its user has no more processes: the share of a
                processor that the daemon used with all that it started
    idle        a minute without a start: that share, and the resident memory; then the first start after it

Exit code 1: a start took longer than a second, a burst cost more than 5 % or idling more than 0.05 % of a processor, or
the idle daemon has more than 15 MB.
"""

import sys
import time

from common import make_parser  # isort: split

import launches_host as launches
from machines import booted

UID = 2001
ROOTS, PORTABLE, NAMED, INNOCENT = "/opt/viber/Viber", "/home/frida/viber/Viber", "/srv/tools/Viber", "/usr/bin/true"
BURSTS = ((INNOCENT, "0"), (NAMED, "0"), (ROOTS, "600"))
SECOND, SHARE, IDLE_SHARE, IDLE_MEMORY = 1.0, 0.05, 0.0005, 15_000


def main():
    options = make_parser(__doc__, starts=100, rate=1000, seconds=20.0, idle=60.0).parse_args()
    with booted("launches-bench", root="trixie-host") as (host,):
        launches.install(host, launches.plan())
        bursts = measure_bursts(host, options.rate, options.seconds)
        return int(not all([measure_starts(host, options.starts), *bursts, measure_idle(host, options.idle)]))


def measure_starts(host, number):
    starts = [start for exe in (ROOTS, PORTABLE) for start in launches.starts(host, exe, UID, number // 2)]
    seconds = sorted(seconds for _, seconds in starts)
    print(f"starts: {len(starts)}, median {seconds[len(starts) // 2]:.3f} s, longest {seconds[-1]:.3f} s")
    return all(code is not None for code, _ in starts) and seconds[-1] < SECOND


def measure_bursts(host, rate, seconds):
    for exe, wait in BURSTS:
        number, share, _ = launches.burst(host, exe, rate, seconds, UID, wait)
        print(f"burst of {exe}: {number} starts in {seconds:g} s, {100 * share:.2f} % of a processor")
        yield share <= SHARE


def measure_idle(host, seconds):
    while len(launches.pids(host)) > 1:  # the verifier ends by itself
        time.sleep(1)
    before = launches.processor_time(host)
    host.run("sleep", str(seconds))
    share = (launches.processor_time(host) - before) / seconds
    resident = launches.memory(host, launches.daemon(host))
    _, first = launches.starts(host, ROOTS, UID, 1)[0]
    print(f"idle: {100 * share:.3f} % of a processor, {resident} kB resident; the first start after it {first:.3f} s")
    return share <= IDLE_SHARE and resident <= IDLE_MEMORY and first < SECOND


if __name__ == "__main__":
    sys.exit(main())
