#!/usr/bin/env python3
"""What looking at the browsers costs a host that keeps the ban, with the plan of the whole catalogue.

    tests/bench/browser_observe.py [--rounds R]

Processor time of `browser.observe` on a made tree in which every policy has been enforced: the call alone, and the
imports that a host compiles for it before (told by themselves; from source, as a streamed audit has them). The median
of R calls (30) over 30 ms ends with 1. Nothing of this machine is looked at but its processes.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "module_utils"))

from proscribe.compile.catalogue import load
from proscribe.compile.plans import compile_plan
from proscribe.compile.restrictions import read_restrictions
from proscribe.controls import browser
from proscribe.controls.browser.settings import BLOCKED, SETTINGS
from proscribe.finding import COMPLIANT, NOT_APPLICABLE
from proscribe.host import Host

ALLOWED = 0.030  # seconds
RUNNING = "browser/running"  # a browser that runs on this machine has not read the tree's policies
AFTER = datetime.date(2026, 1, 1)  # the ban is in force

# In a process of its own, without what compiling has loaded here, and without what Python has compiled before.
ON_THE_HOST = """
import json, sys, time
sys.dont_write_bytecode = True
sys.pycache_prefix = "/nonexistent"
sys.path.insert(0, sys.argv[1])
began = time.process_time()
from proscribe.controls import browser
from proscribe.host import Host
imports = time.process_time() - began
with open(sys.argv[3]) as stream:
    plan = json.load(stream)
calls = []
for _ in range(int(sys.argv[4])):
    host = Host(sys.argv[2])
    began = time.process_time()
    browser.observe(host, plan)
    calls.append(time.process_time() - began)
print(json.dumps([imports, calls]))
"""


def made_plan() -> dict[str, Any]:
    """Everything that there is to restrict, and every way round closed."""
    chosen = {"browser_settings": dict.fromkeys(SETTINGS, BLOCKED)}
    read = read_restrictions({f"proscribe_{name}": value for name, value in chosen.items()}, str)
    return compile_plan(load([PROJECT / "catalog"]), read, [], AFTER)


def main() -> int:
    parser = argparse.ArgumentParser(description="Processor time of a look at the browsers.")
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    plan = made_plan()
    with tempfile.TemporaryDirectory(prefix="browser-observe-") as name:
        tree = Path(name) / "tree"
        for folder in ("etc", "var/lib", "usr/share"):
            (tree / folder).mkdir(parents=True)
        (tree / "proc").symlink_to("/proc")  # of these, those are looked at that are called like a browser
        (tree / "usr/share/applications").symlink_to("/usr/share/applications")
        host = Host(str(tree))
        for action in browser.enforce(host, plan).actions:
            action.apply()
        seen = [v for v in browser.observe(host, plan) if v.rule != RUNNING]
        wrong = [v for v in seen if v.state not in (COMPLIANT, NOT_APPLICABLE)]
        if wrong:
            print(f"the tree does not keep the ban: {wrong[0]}", file=sys.stderr)
            return 2
        (Path(name) / "plan.json").write_text(json.dumps(plan))
        words = [str(PROJECT / "module_utils"), str(tree), str(Path(name) / "plan.json"), str(rounds)]
        argv = [sys.executable, "-I", "-S", "-c", ON_THE_HOST, *words]
        imports, calls = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    median, first = statistics.median(calls), calls[0]
    services, places = len(plan["controls"]["browser"]["services"]), len(plan["browsers"])
    running = len([name for name in os.listdir("/proc") if name.isdigit()])
    print(f"{services} services, {places} places, {running} processes, Python {sys.version.split()[0]}, {rounds} calls")
    print(f"observe   {median * 1000:6.1f} ms (the first call {first * 1000:.1f}, allowed {ALLOWED * 1000:.0f})")
    print(f"imports   {imports * 1000:6.1f} ms, from source")
    return 0 if median <= ALLOWED else 1


if __name__ == "__main__":
    sys.exit(main())
