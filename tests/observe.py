#!/usr/bin/env python3
"""Observes this machine, or a directory as if it were the root directory of one, and prints the host record as JSON.

    tests/observe.py [--root DIRECTORY] PLAN [CONTROL...]

PLAN is a file that a run has stored, reports/plans/<digest>.json. Nothing is written. It needs what a host has: Python
3.9 or newer, and of the checkout only module_utils/proscribe. Of a directory only files are seen: a tool that lies in
it is answered for by this machine's own.
"""

import argparse
import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "module_utils"))

from proscribe.host.host_operations import CONTROLS, observe
from proscribe.host.system import Host


def main():
    parser = argparse.ArgumentParser(prog="tests/observe.py", description="Observe a host, and print its record.")
    parser.add_argument("plan", type=Path, help="a file below reports/plans")
    parser.add_argument("control", nargs="*", help=f"some of: {', '.join(CONTROLS)} (default: all)")
    parser.add_argument("--root", default="/", help="a directory to observe as if it were a host's root directory")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.control) - set(CONTROLS)):
        parser.error(f"found control {unknown[0]!r}, expected some of {', '.join(CONTROLS)}")
    plan = json.loads(arguments.plan.read_text(encoding="utf-8"))
    record, drifted = observe(Host(arguments.root), plan, arguments.control)
    print(json.dumps({**record, "drifted": drifted}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
