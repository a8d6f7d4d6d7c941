"""Options, counts and paths that the benches share."""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
# The conftest of the first folder that has one counts.
PARTS = ("module_utils", "tests/integration", "tests", "tests/unit/helpers")
sys.path[:0] = [str(PROJECT / part) for part in PARTS]
PING = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.ping:\n"


def make_parser(document, **defaults):
    """Make a parser of a bench's document, with an option of the same type for each default; False is a switch."""
    parser = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in defaults.items():
        kind = {"action": "store_true"} if default is False else {"type": type(default)}
        parser.add_argument(f"--{name.replace('_', '-')}", default=default, **kind)
    return parser


def find_playbook_program():
    program = os.environ.get("PROSCRIBE_ANSIBLE_PLAYBOOK") or shutil.which("ansible-playbook")
    if not program:
        raise SystemExit("needs ansible-playbook on the PATH, or PROSCRIBE_ANSIBLE_PLAYBOOK")
    return program


def run_well(argv, **options):
    """Run a command; SystemExit with its output unless it succeeds."""
    done = subprocess.run(argv, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise SystemExit(f"{argv[-1]} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def measure(work, children_only=False):
    """Return seconds by the clock, and of the processor: of this process, and of the tools that it ran."""
    kinds = [resource.RUSAGE_CHILDREN, *([] if children_only else [resource.RUSAGE_SELF])]

    def spent():
        return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, kinds))

    before, started = spent(), time.perf_counter()
    work()
    return time.perf_counter() - started, spent() - before


def peak_memory():
    """Return the most MB that this program has held. getrusage(2) would count what its parent held as it forked."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak) / 1024
