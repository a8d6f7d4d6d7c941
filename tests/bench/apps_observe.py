#!/usr/bin/env python3
"""What an observation of the apps costs a full host, beside plain tools.

    tests/bench/apps_observe.py [--files N] [--packages N] [--processes N] [--rounds R] [--tree DIRECTORY to keep]

Processor time in seconds, the least of R runs, with 200,000 files in homes, 3,000 packages of dpkg, 400 more processes
and the plan of the whole catalogue: `plain tools` is `dpkg-query -W` and one `find`; `apps` is one whole streamed audit
of `apps`, without a memory of an earlier run and with one.

Exit code 1: the first observation is above 1.5 times the plain tools, or the second above 0.3 s. Needs root.
"""

import contextlib
import datetime
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from common import PROJECT, make_parser, measure  # isort: split

from proscribe.controller.compile.catalogue.catalogue_loader import read_catalogue
from proscribe.controller.compile.plans.plan_compiler import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.host.controls import apps
from proscribe.host.controls.apps.portable.scan_cache import MEMORY_PATH
from proscribe.host.system import Host, run_tool
from proscribe.model.plan import format_canonical
from proscribe.wire.plan_store import PlanStore
from proscribe.wire.stream import BOOTSTRAP, REPLYING_PROGRAM, make_payload
from streams import with_program

PLAIN = 1.5  # times the plain tools
AGAIN = 0.3  # seconds
PER_DIRECTORY = 12
AFTER = datetime.date(2026, 1, 1)  # the ban is in force

ENTRY = (
    "Package: made-{0}\nStatus: install ok installed\nPriority: optional\nSection: misc\nInstalled-Size: 100\n"
    "Maintainer: Tests <tests@example.org>\nArchitecture: all\nVersion: 1.{0}\n"
    "Depends: libc6 (>= 2.34), libstdc++6 (>= 13), made-common (= 1.0)\nDescription: made\n"
    + 6
    * " Made for a bench, and described at the length that Debian's packages are.\n"
)

# On a made tree, dpkg's database is that of the tree.
HOST = """
 from proscribe.host.system import run_tool
 def run(argv, **options):
  there = ["--admindir={root}/var/lib/dpkg"] if argv[0] == "dpkg-query" else []
  return run_tool([argv[0], *there, *argv[1:]], **options)
 host = Host("{root}", run)
"""


def make_tree(root, files, packages):
    """Make four homes with the files of people who write software, and dpkg's database; always the same."""
    choose = random.Random(1)
    directories = [root / f"home/user{number}" for number in range(4)]
    for place in (*directories, *(root / name for name in ("etc", "var/lib/dpkg/info", "usr/bin", "opt", "proc"))):
        place.mkdir(parents=True)
    users = (f"user{number}:x:{2000 + number}:100::/home/user{number}:/bin/sh\n" for number in range(4))
    (root / "etc/passwd").write_text("".join(users))
    (root / "usr/bin/dpkg-query").touch(0o755)
    for first in range(0, files, PER_DIRECTORY):
        directory = choose.choice(directories) / f"package-{first}"
        directory.mkdir()
        directories.append(directory)
        for number in range(PER_DIRECTORY):
            (directory / f"module-{number}.{choose.choice(['js', 'py', 'txt', 'png'])}").touch()
    (root / "var/lib/dpkg/status").write_text("\n".join(ENTRY.format(number) for number in range(packages)))


def make_audit(plan, root):
    """Make the stream of an audit of the apps, to a host that keeps nothing of the code yet, over a made tree."""
    store = PlanStore()
    call = {"controls": ["apps"], "gate": "never", "will_correct": False, "probe": False, "remember": False}
    stream = make_payload(store.make_code_part(probe=False), store.make_plan_part(format_canonical(plan)), call)
    return with_program(stream, BOOTSTRAP.replace("\n host = Host()\n", HOST.format(root=root)))


def spend(command, rounds, stdin=b""):
    """Return the least seconds of the processor that a command and what it starts take."""
    options = {"input": stdin, "stdout": subprocess.DEVNULL, "check": True}
    return min(measure(lambda: subprocess.run(command, **options), children_only=True)[1] for _ in range(rounds))


def remember(root, plan):
    """Store what a file scan learns, as an enforcing run does."""

    def run(argv, **options):
        there = [f"--admindir={root}/var/lib/dpkg"] if argv[0] == "dpkg-query" else []
        return run_tool([argv[0], *there, *argv[1:]], **options)

    afterwards = apps.enforce(Host(str(root), run), plan).save_after
    assert afterwards is not None
    afterwards()


@contextlib.contextmanager
def mount_processes(root):
    """Mount this machine's processes in a tree: the way to a host's files is no link."""
    subprocess.run(["mount", "-t", "proc", "proc", str(root / "proc")], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(root / "proc")], check=True)


@contextlib.contextmanager
def start_sleepers(count):
    started = [subprocess.Popen(["sleep", "3600"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def main():
    options = make_parser(__doc__, files=200_000, packages=3_000, processes=400, tree="", rounds=5).parse_args()
    rounds = options.rounds
    with tempfile.TemporaryDirectory(prefix="apps-observe-") as name, start_sleepers(options.processes):
        scratch = Path(name)
        root = Path(options.tree or scratch / "root")
        if not root.exists():
            make_tree(root, options.files, options.packages)
        Path(f"{root}{MEMORY_PATH}").unlink(missing_ok=True)
        plan = compile_plan(read_catalogue([PROJECT / "catalog"]), read_restrictions({}, str), [], AFTER)
        audit = make_audit(plan, root)
        ours = [sys.executable, "-I", "-S", "-c", REPLYING_PROGRAM]
        database = ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W"]
        plain = spend(database, rounds) + spend(["find", f"{root}/home"], rounds)
        with mount_processes(root):
            first = spend(ours, rounds, audit)
            remember(root, plan)
            again = spend(ours, rounds, audit)
    print(f"{options.files} files, {options.packages} packages, {options.processes} more processes; {rounds} rounds")
    print(f"plain tools             {plain:7.3f} s")
    print(f"apps, first             {first:7.3f} s  {first / plain:6.2f} times the plain tools (at most {PLAIN})")
    print(f"apps, nothing changed   {again:7.3f} s  {again / plain:6.2f} times; at most {AGAIN} s")
    return int(first > PLAIN * plain or again > AGAIN)


if __name__ == "__main__":
    sys.exit(main())
