#!/usr/bin/env python3
"""What looking for apps costs a host with many files, beside the plain tools that have to be asked anyway.

    tests/bench/apps_file_scan.py [--files N] [--tree DIRECTORY] [--rounds R]

Processor time (user and system, in seconds, the least of R runs) of a streamed audit of `apps` as a host runs it, with
the plan of the whole catalogue, on a made tree with N files (200,000) in four homes: without a memory of an
earlier walk, and with it while nothing has changed. Python, its start and the compiling of our code included. Beside
it `dpkg-query -W` and one `find` over the same homes. The packages are those of this machine. Ends with 1 where the
first is above 1.5 times the plain tools, or the second above 0.3 s.
"""

from __future__ import annotations

import argparse
import datetime
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "module_utils"))

from proscribe.compile.catalogue import load
from proscribe.compile.plans import compile_plan
from proscribe.compile.restrictions import read_restrictions
from proscribe.controls import apps
from proscribe.controls.apps.portable.scan_cache import MEMORY
from proscribe.host import Host
from proscribe.plan import canonical
from proscribe.store import Store
from proscribe.stream import BOOTSTRAP, payload

PLAIN = 1.5  # times the plain tools
AGAIN = 0.3  # seconds
PER_DIRECTORY = 12
AFTER = datetime.date(2026, 1, 1)  # the ban is in force


def make(root: Path, files: int) -> None:
    """Four homes with the files of people who write software, deterministic."""
    choose = random.Random(1)
    (root / "etc").mkdir(parents=True)
    users = [f"user{number}" for number in range(4)]
    lines = [f"{user}:x:{2000 + number}:100::/home/{user}:/bin/sh" for number, user in enumerate(users)]
    (root / "etc/passwd").write_text("\n".join(lines) + "\n")
    for place in ("var/lib/dpkg/info", "usr/bin", "opt", "proc"):
        (root / place).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    (root / "usr/bin/dpkg-query").touch(0o755)
    directories = [root / "home" / user for user in users]
    for directory in directories:
        directory.mkdir(parents=True)
    for made in range(0, files, PER_DIRECTORY):
        directory = choose.choice(directories) / f"package-{made}"
        directory.mkdir()
        directories.append(directory)
        for number in range(PER_DIRECTORY):
            (directory / f"module-{number}.{choose.choice(['js', 'py', 'txt', 'png'])}").touch()


def streamed(plan: Mapping[str, Any]) -> bytes:
    """The stream of an audit of the apps, to a host that keeps nothing of the code yet."""
    store = Store()
    call = {"controls": ["apps"], "gate": "never", "will_correct": False, "probe": False, "remember": False}
    return payload(store.code(probe=False), store.plan(canonical(plan)), call)


def spent(command: Sequence[str], rounds: int, given: bytes = b"") -> float:
    """Seconds of processor time that a command and what it starts take, the least of some runs."""
    times = []
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, input=given, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--tree", type=Path, help="where the tree is kept for the next time")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = arguments.tree or Path(scratch) / "root"
        if not root.exists():
            make(root, arguments.files)
        memory = Path(f"{root}{MEMORY}")
        memory.unlink(missing_ok=True)
        plan = compile_plan(load([PROJECT / "catalog"]), read_restrictions({}, str), [], AFTER)
        audit = streamed(plan)
        ours = [sys.executable, "-I", "-S", "-c", BOOTSTRAP.replace("Host()", f"Host({str(root)!r})")]
        plain = spent(["dpkg-query", "-W"], arguments.rounds) + spent(["find", f"{root}/home"], arguments.rounds)
        first = spent(ours, arguments.rounds, audit)
        remember = apps.enforce(Host(str(root)), plan).afterwards
        if remember:
            remember()
        again = spent(ours, arguments.rounds, audit)
        size = os.stat(memory).st_size
    print(f"dpkg-query -W and find   {plain:6.3f} s")
    print(f"apps, first              {first:6.3f} s   {first / plain:.2f} times as much; at most {PLAIN}")
    print(f"apps, nothing changed    {again:6.3f} s   at most {AGAIN}; memory of {size // 1024} KiB")
    return int(first > PLAIN * plain or again > AGAIN)


if __name__ == "__main__":
    sys.exit(main())
