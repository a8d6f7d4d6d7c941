"""Which unit tests run which line, by coverage.py: what notices a mistake there, where anything does.

`python tests/mutation --learn` runs the unit tests once and keeps that in .cache/mutation. It stands for a module until
its text changes, and names a whole file where a test file has changed since. What another process runs is not seen.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from coverage import CoverageData
from machine import CACHE

PLACE = CACHE / "mutation"
DATA, TEXTS = PLACE / "coverage", PLACE / "texts.json"
FIRST, SECOND, LAST = 12, 60, 400  # tests
ABOVE = 20  # lines above a mistake, at most, of which one is where its statement begins


def learn(project: Path, jobs: int) -> int:
    """Run the unit tests of the default size, and note which of them run which line; returns the exit code. Tests that
    fail count, too: pytest's 1.
    """
    PLACE.mkdir(parents=True, exist_ok=True)
    DATA.unlink(missing_ok=True)
    tests = ["pytest", "-q", "--no-header", "-p", "no:cacheprovider", "-n", str(jobs), "--size=default", "tests/unit"]
    noting = ["--cov=module_utils", "--cov-context=test", "--cov-report=", "--cov-config=tests/mutation/coverage.ini"]
    done = subprocess.run(
        [str(project / "tests/tool"), *tests, *noting], cwd=project, env={**os.environ, "COVERAGE_FILE": str(DATA)}
    )
    texts = {str(path.relative_to(project)): _digest(path) for path in _python(project)}
    TEXTS.write_text(json.dumps(texts), encoding="utf-8")
    return 0 if done.returncode == 1 else done.returncode


class Lines:
    """What is known of a checkout."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._texts: dict[str, str] = json.loads(TEXTS.read_text(encoding="utf-8")) if TEXTS.is_file() else {}
        self._data = CoverageData(str(DATA))
        if self._texts:
            self._data.read()

    def tests(self, file: str, line: int) -> list[str] | None:
        """The tests that run a line of a module, or files of tests; None where that is not known. Of a line that an
        import runs, those that run any of the module: by chance one of them has imported it, or none.
        """
        if not self._same(file):
            return None
        by_line = self._by_line(file)
        at = next((number for number in range(line, line - ABOVE, -1) if by_line.get(number)), 0)
        named = [name.rpartition("|")[0] for name in by_line.get(at, ())]
        if line not in self._in_functions(file):
            named = [name.rpartition("|")[0] for names in by_line.values() for name in names]
        tests = [name if self._same(name.partition("::")[0]) else name.partition("::")[0] for name in named if name]
        return sorted({test for test in tests if (self._project / test.partition("::")[0]).is_file()})

    def unlearned(self, files: Sequence[str]) -> list[str]:
        """The test files of which it is not known which lines they run: those with real tools, and newer ones."""
        return [file for file in files if not file.startswith("tests/unit/") or not self._same(file)]

    @functools.cache  # noqa: B019 - one object for a run
    def _same(self, file: str) -> bool:
        path = self._project / file
        return path.is_file() and self._texts.get(file) == _digest(path)

    @functools.cache  # noqa: B019
    def _in_functions(self, file: str) -> set[int]:
        tree = ast.parse((self._project / file).read_text(encoding="utf-8"))
        functions = (one for one in ast.walk(tree) if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)))
        return {line for one in functions for line in range(one.body[0].lineno, (one.end_lineno or 0) + 1)}

    @functools.cache  # noqa: B019
    def _by_line(self, file: str) -> dict[int, list[str]]:
        return self._data.contexts_by_lineno(file)


def portions(running: Sequence[str], nearest: Sequence[str]) -> list[list[str]]:
    """Tests that run a line, in portions that grow: one of each file in turn, the nearest first."""
    files = sorted({test.partition("::")[0] for test in running}, key=lambda file: _place(nearest, file))
    left = {file: [test for test in running if test.partition("::")[0] == file] for file in files}
    ordered = [
        tests[turn]
        for turn in range(max(map(len, left.values()), default=0))
        for tests in left.values()
        if turn < len(tests)
    ]
    return [part for part in (ordered[:FIRST], ordered[FIRST:SECOND], ordered[SECOND:LAST]) if part]


def _place(nearest: Sequence[str], file: str) -> tuple[int, str]:
    return (nearest.index(file) if file in nearest else len(nearest)), file


def _python(project: Path) -> list[Path]:
    return [path for room in ("module_utils", "tests") for path in (project / room).rglob("*.py")]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
