"""The unit tests that run each line, by coverage.py.

`python tests/mutation --learn` runs the unit tests once and keeps the lines in .cache/mutation. They count for a module
until its text changes. A changed test file counts as a whole. Other processes that a test starts are not measured.
"""

import ast
import functools
import hashlib
import itertools
import json
import os
import subprocess

from coverage import CoverageData
from machine import CACHE

PLACE = CACHE / "mutation"
DATA, DIGESTS = PLACE / "coverage", PLACE / "texts.json"
PORTIONS = (12, 60, 400)  # tests: the ends of the portions
STATEMENT_LINES = 20  # a statement begins at most so many lines above a mistake in it


def learn(project, jobs):
    """Run the unit tests of the default size, and note which of them run which line. Tests that fail count, too."""
    PLACE.mkdir(parents=True, exist_ok=True)
    DATA.unlink(missing_ok=True)
    tests = ["pytest", "-q", "--no-header", "-p", "no:cacheprovider", "-n", str(jobs), "--size=default", "tests/unit"]
    noting = ["--cov=module_utils", "--cov-context=test", "--cov-report=", "--cov-config=tests/mutation/coverage.ini"]
    environment = {**os.environ, "COVERAGE_FILE": str(DATA)}
    code = subprocess.run([str(project / "tests/tool"), *tests, *noting], cwd=project, env=environment).returncode
    paths = (path for room in ("module_utils", "tests") for path in (project / room).rglob("*.py"))
    digests = {str(path.relative_to(project)): _digest(path) for path in paths}
    DIGESTS.write_text(json.dumps(digests), encoding="utf-8")
    return 0 if code == 1 else code  # 1: a test has failed


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Lines:
    """The lines that the tests of a checkout have run."""

    def __init__(self, project):
        self._project = project
        self._digests = json.loads(DIGESTS.read_text(encoding="utf-8")) if DIGESTS.is_file() else {}
        self._data = CoverageData(str(DATA))
        if self._digests:
            self._data.read()

    def find_tests(self, file, line):
        """Return the tests, or changed files of tests, that run a line; of a line of an import, the module's."""
        if not self.is_learned(file):
            return []
        by_line = self._read_lines(file)
        if line in self._list_function_lines(file):
            first = next((number for number in range(line, line - STATEMENT_LINES, -1) if by_line.get(number)), 0)
            contexts = by_line.get(first, [])
        else:
            contexts = list(itertools.chain(*by_line.values()))
        names = {context.rpartition("|")[0] for context in contexts} - {""}
        tests = {name if self.is_learned(file_of(name)) else file_of(name) for name in names}
        return sorted(test for test in tests if (self._project / file_of(test)).is_file())

    @functools.cache  # noqa: B019 - one object for a run
    def is_learned(self, file):
        """Return True if the lines of a file, or those that a test file runs, are known."""
        path = self._project / file
        return path.is_file() and self._digests.get(file) == _digest(path)

    @functools.cache  # noqa: B019
    def _list_function_lines(self, file):
        tree = ast.parse((self._project / file).read_text(encoding="utf-8"))
        functions = (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
        return {line for node in functions for line in range(node.body[0].lineno, (node.end_lineno or 0) + 1)}

    @functools.cache  # noqa: B019
    def _read_lines(self, file):
        return self._data.contexts_by_lineno(file)


def file_of(test):
    """Return the file of a test."""
    return test.partition("::")[0]


def split_tests(tests, files):
    """Split tests into portions that grow. Each file has its turn, those of `files` first."""
    ranks = {file: number for number, file in enumerate(files)}
    by_file = {}
    for test in sorted(tests, key=lambda test: (ranks.get(file_of(test), len(files)), file_of(test))):
        by_file.setdefault(file_of(test), []).append(test)
    turns = itertools.chain(*itertools.zip_longest(*by_file.values()))
    ordered = [test for test in turns if test]
    return [part for begin, end in itertools.pairwise((0, *PORTIONS)) if (part := ordered[begin:end])]
