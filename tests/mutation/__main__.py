"""Do the tests notice a mistake? `python tests/mutation [module...]` makes small ones and runs the tests on each.

    python tests/mutation                        the modules of table.py, 40 mutants of each
    python tests/mutation finding report/verdict --sample 0        all of two modules

Run it with the Python of a test environment (.cache/core2.19-python3.11/bin/python). The checkout is only read: mutants
live in copies of it, one for each process. As root these run in namespaces of their own, where the rest of the machine
cannot be written to, no process but theirs can be ended, and there is no network but loopback: a mutant of code that
removes files would otherwise remove them. The sample is the same for the same seed and the same module.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mutants import Mutant, mutants
from table import PACKAGE, TESTS, equivalents, tests_of

PROJECT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".cache", ".venv", "reports", "__pycache__", ".hypothesis", ".*_cache")
# What a mutant may not write to; /tmp, where its copy and its tests' directories are, is left, and /run is its own.
READ_ONLY = ("/bin", "/boot", "/etc", "/home", "/lib", "/opt", "/root", "/srv", "/usr", "/var", "/work")
# The agent of GnuPG has its socket in /run/user; below the home of a test the path would be too long for one.
APART = (
    "ip link set lo up 2>/dev/null; mount -t tmpfs -o mode=755 run /run && mkdir -p -m 700 /run/user/0 || exit 99; "
    'for place in $READ_ONLY; do test -d "$place" || continue; '
    'mount --bind "$place" "$place" && mount -o remount,bind,ro "$place" || exit 99; done; "$@"; exit $?'
)
NOTICED = "killed"
SURVIVED = "SURVIVED"
EQUIVALENT = "equivalent"


class Outcome(NamedTuple):
    """What became of a mutant."""

    module: str
    mutant: Mutant
    state: str
    seconds: float


class Copy:
    """A copy of the checkout in which one mutant at a time is tested."""

    def __init__(self, place: Path) -> None:
        self.tree = place
        shutil.copytree(PROJECT, place, ignore=LEFT_OUT, symlinks=True)

    def run(self, tests: Sequence[str], limit: float, mutant: bool) -> int | None:
        """The exit code of pytest for some tests; None if they did not end within `limit` seconds. The bytecode of one
        without a mutant is kept, and saves time in those with one.
        """
        # Without the plugins of Ansible's tools, which take longer to load than most tests take to run.
        plugins = ["-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin"]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", *plugins, *tests]
        place = str(self.tree.parent / f"{self.tree.name}.tmp")  # Ansible wants a home, too
        os.makedirs(place)
        os.chmod(place, 0o755)  # some tests become an ordinary user
        environment = {**os.environ, "TMPDIR": place, "HOME": place}
        environment["PYTHONDONTWRITEBYTECODE"] = "1" if mutant else ""
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        if os.geteuid() == 0:
            apart = ["unshare", "--mount", "--pid", "--net", "--fork", "--mount-proc", "--kill-child"]
            command = [*apart, "sh", "-c", APART, "apart", *command]
            environment["READ_ONLY"] = " ".join(READ_ONLY)
        with (self.tree.parent / f"{self.tree.name}.log").open("w") as log:
            process = subprocess.Popen(
                command, cwd=self.tree, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
            try:
                return process.wait(limit)
            except subprocess.TimeoutExpired:
                return None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                _remove(place)

    def said(self) -> str:
        return (self.tree.parent / f"{self.tree.name}.log").read_text(errors="replace")

    def try_out(self, module: str, mutant: Mutant, tests: Sequence[str], limit: float) -> Outcome:
        """Run the tests on a mutant; a run that takes too long, or cannot even begin, has noticed it too."""
        path = self.tree / PACKAGE / f"{module}.py"
        original = path.read_text()
        path.write_text(mutant.text)
        began = time.monotonic()
        try:
            code = self.run(tests, limit, mutant=True)
        finally:
            path.write_text(original)
        if code == 99:
            raise SystemExit(f"the namespaces for the mutants cannot be made: {self.said()}")
        return Outcome(module, mutant, SURVIVED if code == 0 else NOTICED, time.monotonic() - began)


def _remove(place: str) -> None:
    """Tests leave trees that are deeper than shutil can go."""
    subprocess.run(["rm", "-rf", place], check=True)


def _text(module: str) -> str:
    return (PROJECT / PACKAGE / f"{module}.py").read_text()


def chosen(module: str, sample: int, seed: int) -> list[Mutant]:
    """The mutants of a module that are run: all for `sample` 0, else that many, the same ones for the same seed."""
    found = mutants(_text(module))
    if not sample or sample >= len(found):
        return found
    return sorted(random.Random(f"{seed} {module}").sample(found, sample), key=lambda one: (one.line, one.change))


def share(outcomes: Sequence[Outcome]) -> str:
    """How many were noticed, without those that nothing could notice."""
    counted = [outcome for outcome in outcomes if outcome.state != EQUIVALENT]
    noticed = sum(outcome.state == NOTICED for outcome in counted)
    skipped = len(outcomes) - len(counted)
    figure = f"{noticed} of {len(counted)}, {noticed * 100 / len(counted):.1f} %" if counted else "none"
    return figure + (f" ({skipped} equivalent left out)" if skipped else "")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/mutation", description="Do the tests notice a mistake?")
    parser.add_argument("module", nargs="*", help=f"some of: {', '.join(TESTS)} (default: all)")
    parser.add_argument("--sample", type=int, default=40, help="mutants of each module (default 40; 0 is all)")
    parser.add_argument("--seed", type=int, default=1, help="for another sample")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: the cores)")
    parser.add_argument("--only", default="", help="the mutants whose change has this in it, all of them")
    parser.add_argument("--list", action="store_true", help="only print the mutants")
    arguments = parser.parse_args()
    modules = arguments.module or list(TESTS)
    if unknown := [module for module in modules if module not in TESTS]:
        parser.error(f"tests/mutation/table.py names no tests for {unknown[0]!r}; it has {', '.join(TESTS)}")
    sample = 0 if arguments.only else arguments.sample
    work = [
        (module, mutant)
        for module in modules
        for mutant in chosen(module, sample, arguments.seed)
        if arguments.only in mutant.change
    ]
    if arguments.list:
        print(*(f"{module}:{mutant.line}: {mutant.change}" for module, mutant in work), sep="\n")
        return 0
    place = tempfile.mkdtemp(prefix="proscribe-mutation-")
    os.chmod(place, 0o755)  # some tests become an ordinary user
    try:
        outcomes = run(work, Path(place), arguments.jobs)
    finally:
        _remove(place)
    print(f"{'all':28} {share(outcomes)}")
    return 1 if any(outcome.state == SURVIVED for outcome in outcomes) else 0


def run(work: Sequence[tuple[str, Mutant]], place: Path, jobs: int) -> list[Outcome]:
    """Run all mutants and print each that survives. Ends the program where tests fail without any mutant."""
    same = {module: equivalents(module, _text(module)) for module, _ in work}
    checkouts: queue.Queue[Copy] = queue.Queue()
    for number in range(jobs):
        checkouts.put(Copy(place / f"copy{number}"))
    limits: dict[str, float] = {}
    turn = threading.Lock()

    def limit(module: str, copy: Copy) -> float:
        """How long a mutant may take: four times what the tests take without any, when the module's turn comes."""
        with turn:
            if module not in limits:
                began = time.monotonic()
                if copy.run(tests_of(module, copy.tree), 900, mutant=False) != 0:
                    raise SystemExit(f"the tests of {module} fail without any mutant:\n{copy.said()}")
                limits[module] = 30 + 4 * (time.monotonic() - began)
            return limits[module]

    def one(module: str, mutant: Mutant) -> Outcome:
        if mutant in same[module]:
            return Outcome(module, mutant, EQUIVALENT, 0)
        copy = checkouts.get()
        try:
            return copy.try_out(module, mutant, tests_of(module, copy.tree), limit(module, copy))
        finally:
            checkouts.put(copy)

    outcomes = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for number, outcome in enumerate(pool.map(lambda item: one(*item), work), 1):
            outcomes.append(outcome)
            if outcome.state == SURVIVED:
                where = f"{PACKAGE}/{outcome.module}.py:{outcome.mutant.line}"
                print(f"{outcome.state} {where}: {outcome.mutant.change}", flush=True)
            if number == len(work) or work[number][0] != outcome.module:  # printed at once: the rest may take hours
                of_module = [done for done in outcomes if done.module == outcome.module]
                print(f"{outcome.module:28} {share(of_module)}", flush=True)
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
