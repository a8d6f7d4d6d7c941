"""Copies of the checkout in which the tests run on a mistake, apart from the rest of the machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from imports import DERIVED

LEFT_OUT = shutil.ignore_patterns(".git", ".cache", ".venv", "reports", "__pycache__", ".hypothesis", ".*_cache")
# What a mutant may not write to; /tmp, where its copy and its tests' directories are, is left, and /run is its own.
READ_ONLY = ("/bin", "/boot", "/etc", "/home", "/lib", "/opt", "/root", "/srv", "/usr", "/var", "/work")
# /proc is mounted in the place of the old one and not over it: what is mounted there is read in tests. The agent of
# GnuPG has its socket in /run/user; below the home of a test the path would be too long for one.
APART = (
    "umount -R -l /proc && mount -t proc proc /proc || exit 99; "
    "ip link set lo up 2>/dev/null; mount -t tmpfs -o mode=755 run /run && mkdir -p -m 700 /run/user/0 || exit 99; "
    'for place in $READ_ONLY; do test -d "$place" || continue; '
    'mount --bind "$place" "$place" && mount -o remount,bind,ro "$place" || exit 99; done; "$@"; exit $?'
)
NO_NAMESPACES = 99
WHOLE_RUN = 3600.0  # seconds that all tests may take without a mutant
# Writes what `python tests/derived` writes from a source, for the texts named.
DERIVE = """
import importlib, pathlib, sys
sys.path[:0] = ["tests", "module_utils"]
for name in sys.argv[1:]:
    for part in importlib.import_module(f"derived.{name}").DERIVED:
        pathlib.Path(part.path).write_text(part.applied(""))
"""


class Times(NamedTuple):
    """What the test files take without a mistake, and which tests fail without one."""

    seconds: Mapping[str, float]
    failing: Collection[str]

    def limit(self, tests: Sequence[str]) -> float:
        """How long the tests may take on a mistake: another process may have the machine then."""
        return 60 + sum(2 + 4 * self.seconds.get(test, 0) for test in tests)


class Copy:
    """A copy of the checkout in which one mistake at a time is tested."""

    def __init__(self, project: Path, place: Path) -> None:
        self.directory = place
        shutil.copytree(project, place, ignore=LEFT_OUT, symlinks=True)

    def run(self, words: Sequence[str], limit: float, mistake: bool) -> int | None:
        """The exit code of pytest for some tests; None if they did not end within `limit` seconds. The bytecode of one
        without a mistake is kept, and saves time in those with one.
        """
        # Without the plugins of Ansible's tools, which take longer to load than most tests take to run.
        plugins = ["-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin"]
        command = [sys.executable, "-m", "pytest", "-q", "--no-header", *plugins, *words]
        place = str(self._beside(".tmp"))  # Ansible wants a home, too
        os.makedirs(place)
        os.chmod(place, 0o755)  # some tests become an ordinary user
        environment = {**os.environ, "TMPDIR": place, "HOME": place}
        environment["PYTHONDONTWRITEBYTECODE"] = "1" if mistake else ""
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        if os.geteuid() == 0:
            apart = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child"]
            command = [*apart, "sh", "-c", APART, "apart", *command]
            environment["READ_ONLY"] = " ".join(READ_ONLY)
        with self._beside(".log").open("w") as log:
            process = subprocess.Popen(
                command, cwd=self.directory, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
            try:
                code = process.wait(limit)
            except subprocess.TimeoutExpired:
                return None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                remove(place)
        if code == NO_NAMESPACES:
            raise SystemExit(f"the namespaces for the mutants cannot be made: {self.printed()}")
        return code

    def printed(self) -> str:
        """What the last run printed."""
        return self._beside(".log").read_text(errors="replace")

    def _beside(self, suffix: str) -> Path:
        return self.directory.parent / f"{self.directory.name}{suffix}"

    def notices(self, file: str, text: str, tests: Sequence[str], taken: Times) -> bool:
        """Whether a test fails where a file has another text. A run that takes too long, or cannot even begin, has
        noticed it too; a test that fails in any case has not.
        """
        derived = [path for path, sources in DERIVED.items() if any(fnmatch(file, f"*/{name}") for name in sources)]
        before = {path: (self.directory / path).read_text() for path in (file, *derived)}
        (self.directory / file).write_text(text)
        deselected = [f"--deselect={test}" for test in taken.failing if test.partition("::")[0] in tests]
        try:
            if derived and not self._derive(derived):
                return True
            return self.run(["-x", *deselected, *tests], taken.limit(tests), mistake=True) != 0
        finally:
            for path, original in before.items():
                (self.directory / path).write_text(original)

    def _derive(self, paths: Sequence[str]) -> bool:
        """Write the texts that follow from a source with a mistake in it; False where none follow."""
        names = [Path(path).stem if Path(path).stem != "__init__" else Path(path).parent.name for path in paths]
        done = subprocess.run([sys.executable, "-c", DERIVE, *names], cwd=self.directory, capture_output=True)
        return done.returncode == 0

    def tried(self, tests: Sequence[str]) -> Times:
        """What test files take without a mistake, and which tests fail. Raises SystemExit where pytest cannot run."""
        if not tests:
            return Times({}, ())
        results = self._beside(".xml")
        code = self.run([f"--junitxml={results}", "-o", "junit_family=xunit1", *tests], WHOLE_RUN, mistake=False)
        if code not in (0, 1):
            raise SystemExit(f"the tests do not run without any mutant:\n{self.printed()}")
        seconds = dict.fromkeys(tests, 0.0)
        failing = []
        for case in ET.parse(results).iter("testcase"):
            file = case.get("file", "")
            seconds[file] = seconds.get(file, 0) + float(case.get("time", 0))
            if case.find("failure") is not None or case.find("error") is not None:
                inside = case.get("classname", "").removeprefix(file.removesuffix(".py").replace("/", ".")).strip(".")
                failing.append("::".join(part for part in (file, *inside.split("."), case.get("name")) if part))
        return Times(seconds, failing)


def times(copies: Sequence[Copy], tests: Sequence[str]) -> Times:
    """What test files take without a mistake, each run once. Prints the tests that fail, which can notice nothing."""
    shares = [tests[number :: len(copies)] for number in range(len(copies))]
    with ThreadPoolExecutor(len(copies)) as pool:
        found = list(pool.map(Copy.tried, copies, shares))
    failing = [test for one in found for test in one.failing]
    for test in failing:
        print(f"left out, since it fails without any mutant: {test}", flush=True)
    return Times({file: seconds for one in found for file, seconds in one.seconds.items()}, failing)


def remove(place: str) -> None:
    """Remove a directory, which tests have made deeper than shutil can go."""
    subprocess.run(["rm", "-rf", place], check=True)
