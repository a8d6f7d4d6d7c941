#!/usr/bin/env python3
"""What an observation of the apps costs a full host, beside the tools that people would use otherwise.

    tests/bench/apps_observe.py [--files N] [--packages N] [--processes N] [--tree DIRECTORY] [--rounds R]

Processor time (user and system, in seconds, the least of R runs), on a fixture with 200,000 files in homes, 3,000
packages in dpkg's database, and 400 more processes on this machine; the plan is that of the whole catalogue:

    plain tools     `dpkg-query -W` over that database, and one `find` over those homes
    apps            one whole streamed audit of `apps`, as a host runs it: Python's start, unpacking and compiling our
                    code, and the record included; without a memory of an earlier run, and with one
    goss            `goss validate` of the same packages, processes and paths as absent; it cannot check a directory in
                    place of /, so it checks this machine, and no files in homes
    package_facts   the module of that name, on this machine, without what `ping` costs; it lists packages only

Exit code 1: the first observation is above 1.5 times the plain tools, or the second above 0.3 s. goss and package_facts
are left out where they are not installed. Needs root: the fixture has the processes of this machine.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / "module_utils"), str(PROJECT / "tests")]

from proscribe.controller.compile.catalogue.loading import load
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.host.controls import apps
from proscribe.host.controls.apps.portable.scan_cache import MEMORY
from proscribe.host.system import Host, Result, run_tool
from proscribe.model.plan import canonical
from proscribe.wire.store import Store
from proscribe.wire.stream import BOOTSTRAP, RECEIVE, payload
from streams import with_program

PLAIN = 1.5  # times the plain tools
AGAIN = 0.3  # seconds
PER_DIRECTORY = 12
AFTER = datetime.date(2026, 1, 1)  # the ban is in force

# On a made tree, dpkg's database is that of the tree.
HOST = """
 from proscribe.host.system import run_tool
 def run(argv, **options):
  there = ["--admindir={root}/var/lib/dpkg"] if argv[0] == "dpkg-query" else []
  return run_tool([argv[0], *there, *argv[1:]], **options)
 host = Host("{root}", run)
"""


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


def streamed(plan: Mapping[str, Any], root: Path) -> bytes:
    """The stream of an audit of the apps, to a host that keeps nothing of the code yet, over a made tree."""
    store = Store()
    call = {"controls": ["apps"], "gate": "never", "will_correct": False, "probe": False, "remember": False}
    stream = payload(store.code(probe=False), store.plan(canonical(plan)), call)
    return with_program(stream, BOOTSTRAP.replace("\n host = Host()\n", HOST.format(root=root)))


def spent(command: Sequence[str], rounds: int, given: bytes = b"") -> float:
    """Seconds of processor time that a command and what it starts take, the least of some runs."""
    times = []
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, input=given, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def remember(root: Path, plan: dict[str, Any]) -> None:
    """Store what a file scan learns, as an enforcing run does."""

    def run(argv: Sequence[str], **options: Any) -> Result:
        there = [f"--admindir={root}/var/lib/dpkg"] if argv[0] == "dpkg-query" else []
        return run_tool([argv[0], *there, *argv[1:]], **options)

    afterwards = apps.enforce(Host(str(root), run), plan).afterwards
    assert afterwards is not None
    afterwards()


def fill(root: Path, packages: int) -> None:
    """dpkg's database with that many installed packages."""
    described = " Made for a bench, and described at the length that Debian's packages are.\n" * 6
    entry = (
        "Package: made-{0}\nStatus: install ok installed\nPriority: optional\nSection: misc\nInstalled-Size: 100\n"
        "Maintainer: Tests <tests@example.org>\nArchitecture: all\nVersion: 1.{0}\n"
        "Depends: libc6 (>= 2.34), libstdc++6 (>= 13), made-common (= 1.0)\nDescription: made\n" + described
    )
    (root / "var/lib/dpkg/status").write_text("\n".join(entry.format(number) for number in range(packages)))


@contextlib.contextmanager
def processes(root: Path) -> Iterator[None]:
    """A tree with this machine's processes: a mount, since the way to a host's files is no link."""
    subprocess.run(["mount", "-t", "proc", "proc", str(root / "proc")], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(root / "proc")], check=True)


@contextlib.contextmanager
def sleepers(count: int) -> Iterator[None]:
    """That many more processes on this machine, which end with the block."""
    started = [subprocess.Popen(["sleep", "3600"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def goss_file(plan: dict[str, Any]) -> str:
    """What the plan looks for, as goss checks: each package, program and path absent."""
    entries = plan["controls"]["apps"]["services"].values()
    absent = {
        "package": ({name for e in entries for name in e["packages"].get("apt", ())}, {"installed": False}),
        "process": ({name for e in entries for name in e["processes"]}, {"running": False}),
        "file": ({path for e in entries for path in e["paths"] if path.startswith("/")}, {"exists": False}),
    }
    return json.dumps({kind: dict.fromkeys(sorted(names), check) for kind, (names, check) in absent.items()})


def of_goss(scratch: Path, plan: dict[str, Any], rounds: int) -> float | None:
    """What goss takes; its exit code is 1 where something is there, which does not matter here."""
    if not shutil.which("goss"):
        return None
    (scratch / "goss.json").write_text(goss_file(plan))
    return spent(["sh", "-c", f"goss --gossfile {scratch}/goss.json validate --format silent || :"], rounds)


def of_package_facts(rounds: int) -> float | None:
    """What the module package_facts takes beyond a ping."""
    ansible = shutil.which("ansible")
    if not ansible:
        return None
    call = [ansible, "localhost", "-i", "localhost,", "-c", "local", "-m"]
    return spent([*call, "package_facts"], rounds) - spent([*call, "ping"], rounds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--packages", type=int, default=3_000)
    parser.add_argument("--processes", type=int, default=400)
    parser.add_argument("--tree", type=Path, help="where the tree is kept for the next time")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    rounds = arguments.rounds
    with tempfile.TemporaryDirectory(prefix="apps-observe-") as name, sleepers(arguments.processes):
        scratch = Path(name)
        root = arguments.tree or scratch / "root"
        if not root.exists():
            make(root, arguments.files)
            fill(root, arguments.packages)
        Path(f"{root}{MEMORY}").unlink(missing_ok=True)
        plan = compile_plan(load([PROJECT / "catalog"]), read_restrictions({}, str), [], AFTER)
        audit = streamed(plan, root)
        ours = [sys.executable, "-I", "-S", "-c", RECEIVE]
        database = ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W"]
        plain = spent(database, rounds) + spent(["find", f"{root}/home"], rounds)
        with processes(root):
            first = spent(ours, rounds, audit)
            remember(root, plan)
            again = spent(ours, rounds, audit)
        others = {"goss": of_goss(scratch, plan, rounds), "package_facts": of_package_facts(min(rounds, 3))}
    print(
        f"{arguments.files} files, {arguments.packages} packages, {arguments.processes} more processes; {rounds} rounds"
    )
    print(f"plain tools             {plain:7.3f} s")
    print(f"apps, first             {first:7.3f} s  {first / plain:6.2f} times the plain tools (at most {PLAIN})")
    print(f"apps, nothing changed   {again:7.3f} s  {again / plain:6.2f} times; at most {AGAIN} s")
    for tool, taken in others.items():
        result = (
            "not installed"
            if taken is None
            else f"{taken:7.3f} s  {taken / again:6.2f} times apps with nothing changed"
        )
        print(f"{tool:<24}{result}")
    return int(first > PLAIN * plain or again > AGAIN)


if __name__ == "__main__":
    sys.exit(main())
