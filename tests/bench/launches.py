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

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / part) for part in ("module_utils", "tests/integration", "tests")]

import launches_host as launches
from machines import Machine, booted

UID = 2001
ROOTS, PORTABLE, NAMED, INNOCENT = "/opt/viber/Viber", "/home/frida/viber/Viber", "/srv/tools/Viber", "/usr/bin/true"
BURSTS = ((INNOCENT, "0"), (NAMED, "0"), (ROOTS, "600"))
SECOND, SHARE, IDLE_SHARE, IDLE_MEMORY = 1.0, 0.05, 0.0005, 15_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/bench/launches.py", description="What noticing starts costs.")
    parser.add_argument("--starts", type=int, default=100)
    parser.add_argument("--rate", type=int, default=1000, help="starts a second (default: 1000)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each burst (default: 20)")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds without a start (default: 60)")
    given = parser.parse_args()
    with booted("launches-bench", root="trixie-host") as (host,):
        launches.install(host, launches.plan())
        done = [_starts(host, given.starts), *_bursts(host, given.rate, given.seconds), _idle(host, given.idle)]
        return int(not all(done))


def _starts(host: Machine, number: int) -> bool:
    found = [one for exe in (ROOTS, PORTABLE) for one in launches.starts(host, exe, UID, number // 2)]
    seconds = sorted(seconds for _, seconds in found)
    print(f"starts: {len(found)}, median {seconds[len(found) // 2]:.3f} s, longest {seconds[-1]:.3f} s")
    return all(code is not None for code, _ in found) and seconds[-1] < SECOND


def _bursts(host: Machine, rate: int, seconds: float) -> list[bool]:
    good = []
    for exe, wait in BURSTS:
        number, share, _ = launches.burst(host, exe, rate, seconds, UID, wait)
        print(f"burst of {exe}: {number} starts in {seconds:g} s, {100 * share:.2f} % of a processor")
        good.append(share <= SHARE)
    return good


def _idle(host: Machine, seconds: float) -> bool:
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
