"""The modules that can have mutants, and the test files of each."""

import fnmatch
import functools
import itertools
import re

from imports import distances
from suite import sizes

UTILS = "module_utils"
PACKAGE = f"{UTILS}/proscribe"
TYPES = "model/types/"
NEAREST = 12  # files
MOST_REAL = 3  # files with real tools: they take minutes
# These compare texts with the code, and so fail for a mutant that every other test lets through; or they test tests.
UNIT_TEST = re.compile(r"tests/unit/(.*/)?test_\w+\.py")
OF_TEXTS = re.compile(r"/test_(derived|imports_of_tests|terms|tests_run|versions|worst_mistakes)\.py$")


@functools.cache
def list_modules(project):
    """List the modules by their paths below the package, or below module_utils beside it.

    A module that `tests/tool python tests/derived` writes has no mutants, since its sources have them. No code of types
    is run, and mypy finds the mistakes there.
    """
    inside = (path.relative_to(project / PACKAGE) for path in (project / PACKAGE).rglob("*.py"))
    beside = (path.relative_to(project / UTILS) for path in (project / UTILS).glob("proscribe_*/**/*.py"))
    modules = sorted(path.with_suffix("").as_posix() for path in (*inside, *beside))
    return [module for module in modules if not module.startswith(TYPES) and not _is_derived(project, module)]


def _is_derived(project, module):
    with (project / find_file(module, project)).open(encoding="utf-8") as stream:
        return "tests/tool python tests/derived" in "".join(itertools.islice(stream, 8))


def find_file(module, project):
    """Return the path of a module below the checkout."""
    inside = f"{PACKAGE}/{module}.py"
    return inside if (project / inside).is_file() else f"{UTILS}/{module}.py"


def name_room(module):
    """Return the directory of a module, at most two steps deep."""
    return "/".join(module.split("/")[:-1][:2]) or "proscribe"


def list_own_tests(module, project):
    """List the unit tests of a module's name, or of its directory's: test_MODULE.py, test_MODULE_*.py."""
    place, _, name = module.removesuffix("/__init__").rpartition("/")
    directory = project / "tests/unit" / place
    siblings = {other.rpartition("/")[2] for other in list_modules(project) if other.rpartition("/")[0] == place}
    others = [f"test_{other}{end}.py" for other in siblings if other.startswith(f"{name}_") for end in ("", "_*")]
    own = [
        directory / f"test_{name}.py",
        *sorted(path for path in directory.glob(f"test_{name}_*.py") if not _fits(path.name, others)),
        *([directory.parent / f"test_{directory.name}.py"] if place else []),
    ]
    return [path.relative_to(project).as_posix() for path in own if path.is_file()]


def _fits(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def list_tests(module, project, files, real):
    """List the test files of a module: its own, the nearest by `files` (imports), and with `real` real tools'."""
    path = find_file(module, project)
    tests = [*list_own_tests(module, project), *list_nearest(path, files)]
    return list(dict.fromkeys([*tests, *(list_real(path, project) if real else ())]))


def list_nearest(path, files):
    """List the unit tests that reach a file by the fewest imports. Words of its name decide between equals."""
    words = set(re.findall(r"[a-z]+", path.removesuffix(".py"))) - {"module", "utils", "proscribe", "init"}
    steps = distances(files, [path])
    tests = [test for test in steps if UNIT_TEST.fullmatch(test) and not OF_TEXTS.search(test)]

    def rank(test):
        return steps[test], -len(words.intersection(re.findall(r"[a-z]+", test))), len(files[test]), test

    return sorted(tests, key=rank)[:NEAREST]


def list_real(path, project):
    """List the tests with real tools that a change of a file would run by default, about the fewest files first."""
    code = [find_file(module, project) for module in list_modules(project)]
    rows = {test: row for test in sizes.files(project) if (row := sizes.row(test)) and row.when != sizes.NIGHTLY}
    about = {test: row for test, row in rows.items() if sizes.concerns(row, [path])}
    return sorted(about, key=lambda test: (sum(sizes.concerns(about[test], [one]) for one in code), test))[:MOST_REAL]
