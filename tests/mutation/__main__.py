"""Do the tests notice a mistake? `python tests/mutation [module...]` makes small ones and runs the tests on each.

    python tests/mutation model/finding wire/store --sample 0      all mutants of two modules
    python tests/mutation host/watch controller/windows            40 of each module of two rooms
    python tests/mutation --sample 3 --every 7 --seed 12           3 of each of 1 module in 7: seeds 0 to 6 take all
    python tests/mutation --worst                                  the mistakes of worst.toml, which must be noticed
    python tests/mutation --learn                                  first, which tests run which line (lines.py): then
                                                                   a mutant takes seconds, and else a minute

Run it with the Python of a test environment (.cache/core2.19-python3.11/bin/python). The checkout is only read: mutants
live in copies of it, one for each process. As root these run in namespaces of their own, where the rest of the machine
cannot be written to, no process but theirs can be ended, and there is no network but loopback: a mutant of code that
removes files would otherwise remove them. The sample is the same for the same seed and the same module.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import queue
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent)]

import lines  # noqa: E402
import roots  # noqa: E402
import worst  # noqa: E402
from imports import graph  # noqa: E402
from mutants import Mutant, mutants  # noqa: E402
from mutated import Copy, Known, chunks, remove  # noqa: E402
from mutation_table import TESTS, file_of, modules, room_of, tests_of  # noqa: E402

NOTICED = "killed"
FEW = 60  # tests
REFUSED = "refused"  # by a check that runs nothing
SURVIVED = "SURVIVED"
NOT_RUN = "not run"


class Outcome(NamedTuple):
    """What became of a mutant."""

    module: str
    mutant: Mutant
    state: str


class Work(NamedTuple):
    """The mutants to run, and the test files of each module."""

    items: Sequence[tuple[str, Mutant]]
    tests: Mapping[str, Sequence[str]]


def chosen(module: str, sample: int, seed: int) -> list[Mutant]:
    """The mutants of a module that are run: all for `sample` 0, else that many, the same ones for the same seed."""
    found = mutants((PROJECT / file_of(module, PROJECT)).read_text())
    if not sample or sample >= len(found):
        return found
    return sorted(random.Random(f"{seed} {module}").sample(found, sample), key=lambda one: (one.line, one.change))


def share(outcomes: Sequence[Outcome]) -> str:
    """How many were noticed, and how many of these by no test."""
    states = [outcome.state for outcome in outcomes if outcome.state != NOT_RUN]
    noticed = len(states) - states.count(SURVIVED)
    figure = f"{noticed} of {len(states)}, {noticed * 100 / len(states):.1f} %" if states else "none"
    if refused := states.count(REFUSED):
        figure += f" ({refused} by types or names alone)"
    if left_out := len(outcomes) - len(states):
        figure += f" ({left_out} {NOT_RUN} left out)"
    return figure


def named(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """The modules that are named, each by its path or by a directory above it. Raises KeyError for an unknown name."""
    found: list[str] = []
    for name in names:
        below = [module for module in known if module == name or module.startswith(f"{name.rstrip('/')}/")]
        if not below:
            raise KeyError(name)
        found += below
    return list(dict.fromkeys(found))


def slice_of(known: Sequence[str], every: int, seed: int) -> list[str]:
    """One module in `every`, of all rooms: as many seeds in a row as `every` says take each module once. Their order is
    mixed, so that what a run with --minutes comes to is of all rooms, too.
    """
    if every == 1:
        return list(known)
    mixed = sorted(known)
    random.Random("modules").shuffle(mixed)
    return mixed[seed % every :: every]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/mutation", description="Do the tests notice a mistake?")
    parser.add_argument("module", nargs="*", help="modules by their path below the package, or rooms (default: all)")
    parser.add_argument("--sample", type=int, default=40, help="mutants of each module (default 40; 0 is all)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only one module in N; the seed says which")
    parser.add_argument("--seed", type=int, default=1, help="for another sample")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: the cores)")
    parser.add_argument("--minutes", type=float, default=0, help="begin no mutant after so long (default: no limit)")
    parser.add_argument("--at-least", type=float, default=92, metavar="PERCENT", help="else exit code 1 (default 92)")
    parser.add_argument("--unit", action="store_true", help="no tests with real tools: minutes less for what survives")
    parser.add_argument("--quick", action="store_true", help="only the tests that run the line: some survive wrongly")
    parser.add_argument("--only", default="", help="the mutants whose change has this in it, all of them")
    parser.add_argument("--again", type=Path, metavar="LOG", help="those that survived in a run, by what it printed")
    parser.add_argument("--list", action="store_true", help="only print the mutants")
    parser.add_argument("--learn", action="store_true", help="note which tests run which line, and nothing else")
    parser.add_argument("--worst", action="store_true", help="the mistakes of worst.toml; MODULE is then one's name")
    arguments = parser.parse_args()
    if arguments.learn:
        return lines.learn(PROJECT, arguments.jobs)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing stays in the temporary directory
    place = Path(tempfile.mkdtemp(prefix="proscribe-mutation-"))
    os.chmod(place, 0o755)  # some tests become an ordinary user
    try:
        if arguments.worst:
            return worst.main(PROJECT, place, arguments.module, arguments.jobs)
        try:
            items = items_of(arguments)
        except KeyError as unknown:
            parser.error(f"there is no module {unknown} below module_utils/proscribe")
        if arguments.list:
            print(*(f"{module}:{mutant.line}: {mutant.change}" for module, mutant in items), sep="\n")
            return 0
        files = graph(PROJECT)
        real = real_tools(arguments)
        work = Work(items, {module: tests_of(module, PROJECT, files, real) for module in dict(items)})
        if real:  # where the mutants are, there is no network to make roots from
            for name in roots.USUAL["integration"]:
                roots.layers(name)
        outcomes = run(work, place, arguments.jobs, arguments.minutes, arguments.quick)
    finally:
        remove(str(place))
    return 0 if summary(outcomes) >= arguments.at_least else 1


def items_of(arguments: argparse.Namespace) -> list[tuple[str, Mutant]]:
    """The mutants that the arguments ask for. Raises KeyError for an unknown module."""
    known = modules(PROJECT)
    if arguments.again:
        return survivors_of(arguments.again.read_text(encoding="utf-8"), known)
    found = slice_of(named(arguments.module, known) if arguments.module else known, arguments.every, arguments.seed)
    sample = 0 if arguments.only else arguments.sample
    return [
        (module, mutant)
        for module in found
        for mutant in chosen(module, sample, arguments.seed)
        if arguments.only in mutant.change
    ]


def survivors_of(printed: str, known: Sequence[str]) -> list[tuple[str, Mutant]]:
    """The mutants that survived in a run, by what it printed: those nearest to their lines, where these have moved."""
    by_file = {file_of(module, PROJECT): module for module in known}
    found = []
    for file, line, change in re.findall(rf"(?m)^{SURVIVED} (\S+):(\d+): (.*)$", printed):
        same = [mutant for mutant in chosen(by_file[file], 0, 0) if mutant.change == change] if file in by_file else []
        if same:
            found.append((by_file[file], min(same, key=lambda mutant: abs(mutant.line - int(line)))))
    return list(dict.fromkeys(found))


def real_tools(arguments: argparse.Namespace) -> bool:
    """Whether the tests with real tools run, too."""
    return os.geteuid() == 0 and not arguments.unit


def nearest_of(work: Work, known: lines.Lines, module: str, mutant: Mutant) -> list[list[str]]:
    """The tests that run the line of a mutant, as they run."""
    return lines.portions(known.tests(file_of(module, PROJECT), mutant.line) or [], work.tests[module])


def portions_of(work: Work, known: lines.Lines, module: str, mutant: Mutant) -> list[Sequence[str]]:
    """The test files that run after the tests that run the line of a mutant. Where few tests run it, no file can notice
    it that has none of them, unless another process runs the module (mutation_table.TESTS) or the file is newer. The
    others of their files may: what a fixture of the whole file makes, only the first of its tests has run.
    """
    files = work.tests[module]
    running = known.tests(file_of(module, PROJECT), mutant.line) or []
    if 0 < len(running) <= FEW and module not in TESTS:
        of_these = (test.partition("::")[0] for test in running)
        files = list(dict.fromkeys([*of_these, *known.unlearned(files)]))
    return [*chunks(files)]


def summary(outcomes: Sequence[Outcome]) -> float:
    """Print the shares of the rooms; the share of all, in per cent."""
    rooms: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        rooms.setdefault(room_of(outcome.module), []).append(outcome)
    print("\nby room:")
    for room, of_room in sorted(rooms.items()):
        print(f"{room:28} {share(of_room)}")
    print(f"{'all':28} {share(outcomes)}")
    states = [outcome.state for outcome in outcomes if outcome.state != NOT_RUN]
    return 100 - states.count(SURVIVED) * 100 / len(states) if states else 100


def run(work: Work, place: Path, jobs: int, minutes: float, quick: bool = False) -> list[Outcome]:
    """Run all mutants and print each that survives."""
    free: queue.Queue[Copy] = queue.Queue()
    known, running = Known(), lines.Lines(PROJECT)
    nearest = {item: nearest_of(work, running, *item) for item in work.items}
    loaded = sorted({test.partition("::")[0] for portions in nearest.values() for test in itertools.chain(*portions)})
    for number in range(jobs):
        free.put(Copy(PROJECT, place / f"copy{number}", known, loaded))
    until = time.monotonic() + minutes * 60 if minutes else float("inf")

    def one(module: str, mutant: Mutant) -> Outcome:
        if time.monotonic() > until:
            return Outcome(module, mutant, NOT_RUN)
        copy, file = free.get(), file_of(module, PROJECT)
        try:
            rest = () if quick and nearest[module, mutant] else portions_of(work, running, module, mutant)
            if copy.notices(file, mutant.text, rest, nearest[module, mutant]):
                return Outcome(module, mutant, NOTICED)
            if quick:
                return Outcome(module, mutant, SURVIVED)
            return Outcome(module, mutant, REFUSED if copy.refuses(file, mutant.text) else SURVIVED)
        finally:
            free.put(copy)

    outcomes = []
    with ThreadPoolExecutor(jobs) as pool, contextlib.ExitStack() as ending:
        ending.callback(pool.shutdown, wait=False, cancel_futures=True)  # where somebody ends the run
        ending.callback(known.end)
        for number, outcome in enumerate(pool.map(lambda item: one(*item), work.items), 1):
            outcomes.append(outcome)
            if outcome.state == SURVIVED:
                where = f"{file_of(outcome.module, PROJECT)}:{outcome.mutant.line}"
                print(f"{outcome.state} {where}: {outcome.mutant.change}", flush=True)
            if number == len(work.items) or work.items[number][0] != outcome.module:  # at once: the rest may take hours
                of_module = [done for done in outcomes if done.module == outcome.module]
                if any(done.state != NOT_RUN for done in of_module):
                    print(f"{outcome.module:28} {share(of_module)}", flush=True)
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
