#!/usr/bin/env python3
"""What it costs a host to observe itself when nothing has drifted, beside an audit of the same host.

    tests/bench/watch_observe.py [--rounds R] [--every SECONDS] [--host CONTAINER that has a watch]

On a Debian container with systemd, enforced with a watch: the least processor time of R rounds of Python's start, of a
streamed audit with code and plan in the cache, and of `watch observe`, begun by its timer; and each by the day.
Exit code 1: own observations take more than 20 s of a day.
"""

import contextlib
import json
import sys

from common import make_parser  # isort: split

from proscribe.host.cache import CACHE_DIRECTORY
from proscribe.host.watch import watch_units
from proscribe.host.watch.state import watch_files
from proscribe.wire.stream import REPLYING_PROGRAM, StreamPart, make_payload
from scheduled_machine import Scheduled, scheduled_machine

DAY, MOST = 24 * 3600, 20.0  # seconds; of a processor in a day
OBSERVATION = "own observation"
# Takes {name: [argv, standard input]} and a number of rounds; prints {name: the least seconds of a processor}.
MEASURED = """\
import json, resource, subprocess, sys
def spent(argv, given):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, input=given.encode(), stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
commands, rounds = json.load(sys.stdin)
found = {name: [] for name in commands}
for _ in range(rounds):
    for name, command in commands.items():
        found[name].append(spent(*command))
print(json.dumps({name: min(seconds) for name, seconds in found.items()}))
"""


def main():
    options = make_parser(__doc__, rounds=20, every=300, host="").parse_args()
    with contextlib.nullcontext(Scheduled(options.host)) if options.host else enforced() as host:
        costs = measure_host(host, options.rounds)
    for name, seconds in costs.items():
        print(f"{name:<16} {seconds * 1000:6.1f} ms, {seconds * DAY / options.every:5.1f} s a day")
    return int(costs[OBSERVATION] * DAY / options.every > MOST)


@contextlib.contextmanager
def enforced():
    """A host that an enforcing run has left with a watch; its timer does not come in between."""
    with scheduled_machine("watch-bench") as host:
        host.restrict("proscribe_watch: 1d")
        host.proscribe("enforce")
        host.proscribe("enforce")  # what the first one has done is seen, and cached
        yield host


def measure_host(host, rounds):
    cached = host.run("ls", CACHE_DIRECTORY).split()
    code, _, plan = max(cached, key=len).replace("-", " ", 1).rpartition("-")
    call = {"controls": [], "gate": "never", "will_correct": False, "watch": None}
    named = [StreamPart(name, bytes) for name in (code.split()[0], plan)]
    stream = make_payload(*named, call, with_content=False).decode("ascii")
    python = host.run("head", "-n1", watch_files.PROGRAM_PATH).split()[0].removeprefix("#!")
    assert '"record"' in host.run(python, "-I", "-S", "-c", REPLYING_PROGRAM, stdin=stream)
    host.run(watch_files.PROGRAM_PATH, "observe")
    commands = {
        "Python's start": [[python, "-I", "-S", "-c", "pass"], ""],
        "streamed audit": [[python, "-I", "-S", "-c", REPLYING_PROGRAM], stream],
        OBSERVATION: [["env", f"TRIGGER_UNIT={watch_units.TIMER_UNIT}", watch_files.PROGRAM_PATH, "observe"], ""],
    }
    printed = host.run("python3", "-c", MEASURED, stdin=json.dumps([commands, rounds]), timeout=600)
    return dict(json.loads(printed))


if __name__ == "__main__":
    sys.exit(main())
