"""Make small mistakes in the product, and count those that the tests notice: `python tests/mutation [module...]`.

    python tests/mutation model/finding wire/plan_store --sample 0      all mutants of two modules
    python tests/mutation host/watch controller/windows            40 of each module of two rooms
    python tests/mutation --sample 3 --every 7 --seed 12           3 of each of 1 module in 7: seeds 0 to 6 take all
    python tests/mutation --worst                                  the mistakes of worst.toml, which must be noticed
    python tests/mutation --learn                                  first, note which tests run which line (lines.py):
                                                                   a mutant then takes seconds instead of a minute

Run it with the Python of a test environment (.cache/core2.19-python3.11/bin/python). The checkout is only read: mutants
live in copies of it, one for each process. As root these run in namespaces of their own. There they can write only to
their copy, end only their own processes, and reach only loopback: a mutant of code that removes files would otherwise
remove them. The sample is the same for the same seed and the same module.
"""

import argparse
import itertools
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent)]

import lines  # noqa: E402
import roots  # noqa: E402
import worst  # noqa: E402
from copies import CopyPool, remove, split_files  # noqa: E402
from imports import graph  # noqa: E402
from module_tests import find_file, list_modules, list_own_tests, list_tests, name_room  # noqa: E402
from mutants import Mutant, make_mutants  # noqa: E402

NOTICED, SURVIVED, NOT_RUN = "killed", "SURVIVED", "not run"
REFUSED = "refused"  # by a check that runs nothing
FEW = 60  # tests


class Item(NamedTuple):
    """A mutant of a module."""

    module: str
    mutant: Mutant

    @property
    def file(self):
        return find_file(self.module, PROJECT)


def read_arguments():
    parser = argparse.ArgumentParser(prog="python tests/mutation", description="Do the tests notice a mistake?")
    parser.add_argument("module", nargs="*", help="modules by their path below the package, or rooms (default: all)")
    parser.add_argument("--sample", type=int, default=40, help="mutants of each module (default 40; 0 is all)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only one module in N; the seed says which")
    parser.add_argument("--seed", type=int, default=1, help="for another sample")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: the cores)")
    parser.add_argument("--minutes", type=float, default=0, help="begin no mutant after so long (default: no limit)")
    parser.add_argument("--at-least", type=float, default=90, metavar="PERCENT", help="else exit code 1 (default 90)")
    parser.add_argument("--unit", action="store_true", help="no tests with real tools: minutes less for what survives")
    parser.add_argument("--quick", action="store_true", help="only the tests that run the line: some survive wrongly")
    parser.add_argument("--list", action="store_true", help="only print the mutants")
    parser.add_argument("--learn", action="store_true", help="note which tests run which line, and nothing else")
    parser.add_argument("--worst", action="store_true", help="the mistakes of worst.toml; MODULE is then one's name")
    return parser.parse_args()


def main():
    arguments = read_arguments()
    if arguments.learn:
        return lines.learn(PROJECT, arguments.jobs)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing stays in the temporary directory
    place = Path(tempfile.mkdtemp(prefix="proscribe-mutation-"))
    place.chmod(0o755)  # some tests become an ordinary user
    try:
        if arguments.worst:
            return worst.main(PROJECT, arguments.module, CopyPool(PROJECT, place, arguments.jobs))
        items = select_items(arguments)
        if arguments.list:
            print(*(f"{item.module}:{item.mutant.line}: {item.mutant.change}" for item in items), sep="\n")
            return 0
        noticed = run(items, place, arguments)
    finally:
        remove(str(place))
    return 0 if noticed >= arguments.at_least else 1


def sample_module(module, sample=0, seed=0):
    """Return so many mutants of a module, or all, in their order. The same seed selects the same ones."""
    mutants = make_mutants((PROJECT / find_file(module, PROJECT)).read_text())
    if 0 < sample < len(mutants):
        chosen = random.Random(f"{seed} {module}").sample(mutants, sample)
        mutants = sorted(chosen, key=lambda mutant: (mutant.line, mutant.change))
    return [Item(module, mutant) for mutant in mutants]


def select_items(arguments):
    """Return the mutants that the arguments ask for. With --every their order is mixed, for a run with --minutes."""
    modules = list_modules(PROJECT)
    if arguments.module:
        named = []
        for name in arguments.module:
            below = [module for module in modules if module == name or module.startswith(f"{name.rstrip('/')}/")]
            if not below:
                sys.exit(f"python tests/mutation: there is no module {name!r} below module_utils/proscribe")
            named += below
        modules = list(dict.fromkeys(named))
    if arguments.every > 1:
        modules = sorted(modules)
        random.Random("modules").shuffle(modules)
        modules = modules[arguments.seed % arguments.every :: arguments.every]
    return [item for module in modules for item in sample_module(module, arguments.sample, arguments.seed)]


def run(items, place, arguments):
    """Run the tests on all mutants and print the survivors. Return the share that was noticed, in per cent."""
    real = os.geteuid() == 0 and not arguments.unit
    for name in roots.USUAL["integration"] if real else ():  # the mutants have no network to make roots from
        roots.layers(name)
    files, learned = graph(PROJECT), lines.Lines(PROJECT)
    tests = {module: list_tests(module, PROJECT, files, real) for module in {item.module for item in items}}
    running = {item: learned.find_tests(item.file, item.mutant.line) for item in items}
    loaded = sorted({lines.file_of(test) for tests in running.values() for test in tests})
    copies = CopyPool(PROJECT, place, arguments.jobs, loaded)
    until = time.monotonic() + arguments.minutes * 60 if arguments.minutes else float("inf")

    def judge(copy, item):
        if time.monotonic() > until:
            return NOT_RUN
        nearest = lines.split_tests(running[item], tests[item.module])
        further = () if arguments.quick and nearest else narrow_files(item, tests[item.module], running[item], learned)
        if copy.notices(item.file, item.mutant.text, split_files(further), nearest):
            return NOTICED
        return REFUSED if not arguments.quick and copy.refuses(item.file, item.mutant.text) else SURVIVED

    states = {}
    for index, (item, state) in enumerate(zip(items, copies.map(judge, items), strict=True)):
        states.setdefault(item.module, []).append(state)
        if state == SURVIVED:
            print(f"{state} {item.file}:{item.mutant.line}: {item.mutant.change}", flush=True)
        if state != NOT_RUN and (index + 1 == len(items) or items[index + 1].module != item.module):
            print(f"{item.module:28} {describe_share(states[item.module])}", flush=True)
    print("\nby room:")
    for room, modules in itertools.groupby(sorted(states, key=name_room), name_room):
        print(f"{room:28} {describe_share([*itertools.chain(*map(states.__getitem__, modules))])}")
    total = [*itertools.chain(*states.values())]
    print(f"{'all':28} {describe_share(total)}")
    return count_share(total)


def narrow_files(item, files, running, learned):
    """Return the test files that run after the tests that run a line.

    If few tests run it, other files notice nothing. Exceptions are files whose path names the module, which may run it
    in another process, and files of which the lines are not known: those with real tools, and changed ones. The whole
    files of the running tests come first: the fixture of a file runs with the first of its tests only.
    """
    if not 0 < len(running) <= FEW:
        return files
    own = list_own_tests(item.module, PROJECT)
    unknown = [file for file in files if not file.startswith("tests/unit/") or not learned.is_learned(file)]
    return list(dict.fromkeys([*map(lines.file_of, running), *own, *unknown]))


def count_share(states):
    """Return the share of the mutants that were run and noticed, in per cent."""
    run_states = [state for state in states if state != NOT_RUN]
    return 100 - run_states.count(SURVIVED) * 100 / len(run_states) if run_states else 100


def describe_share(states):
    """Describe how many mutants were noticed, how many of these by no test, and how many were not run."""
    left_out, survived, refused = (states.count(state) for state in (NOT_RUN, SURVIVED, REFUSED))
    number = len(states) - left_out
    figure = f"{number - survived} of {number}, {count_share(states):.1f} %"
    figure += f" ({refused} by types or names alone)" if refused else ""
    return figure + (f" ({left_out} {NOT_RUN} left out)" if left_out else "")


if __name__ == "__main__":
    sys.exit(main())
