"""Copies of the checkout in which the tests run on a mistake, apart from the rest of the machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import IO

import isolated
import root_directory
from imports import DERIVED
from loaded import REPLIES, REQUESTS, Answer, Answers, Mistake, Request
from machine import CACHE
from roots import ROOTS
from suite import sizes

LEFT_OUT = shutil.ignore_patterns(".git", ".cache", ".venv", "reports", ".hypothesis", ".*_cache")
# What a mutant may not write to; /tmp, where its copy and its tests' directories are, is left, and /run is its own. So
# are the roots of hosts, with the locks of those who mount them. The copy is at /mnt, which no test has a use for:
# tests with real tools have a /tmp and a /run of their own.
READ_ONLY = ("/bin", "/boot", "/etc", "/home", "/lib", "/opt", "/root", "/srv", "/usr", "/var", "/work")
# The agent of GnuPG has its socket in /run/user; below the home of a test the path would be too long for one.
APART = (
    f"{isolated.PROC} || exit 99; "
    "ip link set lo up 2>/dev/null; mount -t tmpfs -o mode=755 run /run || exit 99; "
    "mkdir -p /run/lock /run/user && mkdir -m 700 /run/user/0 || exit 99; "
    'exec 9<"$ROOTS"; for place in $READ_ONLY; do test -d "$place" || continue; '
    'mount --bind "$place" "$place" && mount -o remount,bind,ro "$place" || exit 99; done; '
    'mount --no-canonicalize --bind /proc/self/fd/9 "$ROOTS" || exit 99; exec 9<&-; '
    'mount --bind "$PWD" /mnt && cd /mnt || exit 99; "$@"; exit $?'
)
NO_NAMESPACES = 99
RESULTS = ".results.xml"  # in the copy
ENDING = 10  # seconds that the processes of a run which was ended may take
# Seconds for some test files, with real tools or without: what takes longer hangs, unless it does anyway.
LONGEST, LONGEST_UNIT = 900.0, 300.0
LONGEST_LOADED = 40.0  # where the tests are loaded already
CHUNKS = (2, 4)  # files that run together, the nearest first; then all that are left
ENOUGH = 240.0  # seconds after which no more of them are begun
CHECKS = (("mypy", "--cache-dir={cache}"), ("ruff", "check", "--no-cache", "--select=F", "module_utils"))
# Writes what `tests/tool python tests/derived` writes from a source, for the texts named.
DERIVE = """
import importlib, pathlib, sys
sys.path[:0] = ["tests", "module_utils"]
for name in sys.argv[1:]:
    for part in importlib.import_module(f"derived.{name}").DERIVED:
        pathlib.Path(part.path).write_text(part.applied(""))
"""


class Known:
    """What is known of tests without any mistake, by all copies."""

    def __init__(self) -> None:
        self.passes: dict[tuple[str, ...], bool] = {}  # by tests, or files that run together
        self.failing: set[str] = set()
        self.running: set[subprocess.Popen[bytes]] = set()
        self.ended = False

    def end(self) -> None:
        """End the tests that run, of all copies, and begin none any more."""
        self.ended = True
        for process in list(self.running):
            _end(process)


class Copy:
    """A copy of the checkout in which one mistake at a time is tested; some test files are loaded once (loaded.py)."""

    def __init__(self, project: Path, place: Path, known: Known, loaded: Sequence[str] = ()) -> None:
        self.directory = place
        self.known = known
        self._to_load = loaded
        self._answers: Answers | None = None
        self._failing_loaded: set[str] = set()  # where they are loaded, and without any mistake
        self._checks: list[Sequence[str]] | None = None  # those that let the code pass as it is
        shutil.copytree(project, place, ignore=LEFT_OUT, symlinks=True)
        (place / ".cache").symlink_to(CACHE)

    def run(self, words: Sequence[str]) -> int | None:
        """The exit code of pytest for some tests; None if they hang. Tests with real tools and hosts have what the
        runner of the tests gives them.
        """
        if self.known.ended:
            return None
        real = any(word.startswith(sizes.WITH_TABLE) for word in words)
        place = self._home()
        with self._beside(".log").open("w") as log:
            process = self._begin(["-m", "pytest"], words, place, log, {})
            try:
                code = process.wait(LONGEST if real else LONGEST_UNIT)
            except subprocess.TimeoutExpired:
                return None
            finally:
                self._end(process)
                remove(place)
        if code == NO_NAMESPACES:
            raise SystemExit(f"the namespaces for the mutants cannot be made: {self.printed()}")
        return code

    def _begin(
        self, pytest: Sequence[str], words: Sequence[str], place: str, log: IO[str], descriptors: Mapping[str, int]
    ) -> subprocess.Popen[bytes]:
        """A process of pytest, apart from the rest of the machine; variables name the descriptors that it has, too."""
        # Without the plugins of Ansible's tools, which take longer to load than most tests take to run.
        plugins = ["-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin"]
        command = [sys.executable, *pytest, "-q", "--no-header", *plugins, *words]
        environment = {**os.environ, "TMPDIR": place, "HOME": place}
        environment["ANSIBLE_REMOTE_TEMP"] = f"{place}/remote"  # the account's own home cannot be written to
        environment["PYTHONDONTWRITEBYTECODE"] = "1"  # what the checkout has of it came along
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        environment |= {name: str(descriptor) for name, descriptor in descriptors.items()}
        if os.geteuid() == 0:
            root_directory.make(ROOTS)
            if any(word.startswith(sizes.WITH_TABLE) for word in words):
                command = isolated.command(Path(place), command)
                tools = Path(sys.executable).parent
                environment["PATH"] = f"{tools}:{os.environ['PATH']}"
                environment["PROSCRIBE_ANSIBLE_PLAYBOOK"] = str(tools / "ansible-playbook")
            apart = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child"]
            command = [*apart, "sh", "-c", APART, "apart", *command]
            environment |= {"READ_ONLY": " ".join(READ_ONLY), "ROOTS": str(ROOTS)}
        process = subprocess.Popen(
            command, cwd=self.directory, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, pass_fds=tuple(descriptors.values()),
        )  # fmt: skip
        self.known.running.add(process)
        return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        _end(process)
        self.known.running.discard(process)
        process.wait()

    def _home(self) -> str:
        """A directory for what the tests of one run write."""
        place = str(self._beside(".tmp"))  # Ansible wants a home, too
        os.makedirs(place)
        os.chmod(place, 0o755)  # some tests become an ordinary user
        return place

    def printed(self) -> str:
        """What the last run printed."""
        return self._beside(".log").read_text(errors="replace")

    def _beside(self, suffix: str) -> Path:
        return self.directory.parent / f"{self.directory.name}{suffix}"

    def notices(
        self, file: str, text: str, portions: Iterable[Sequence[str]], nearest: Sequence[Sequence[str]] = ()
    ) -> bool:
        """Whether a test fails where a file has another text, and only there. The tests run in portions; `nearest` are
        those that may run in the process where they are loaded. A run that takes too long, or cannot even begin, has
        noticed it too.
        """
        derived = [path for path, sources in DERIVED.items() if any(fnmatch(file, f"*/{name}") for name in sources)]
        for number, chunk in enumerate(nearest):
            noticed = self._noticed_at_once(file, text, derived, chunk)
            if noticed:
                return True
            if noticed is None:
                portions = [*nearest[number:], *portions]
                break
        if unfit := [test for chunk in nearest for test in self._failing_loaded if _is_of(test, chunk)]:
            portions = [sorted(unfit), *portions]
        began = time.monotonic()
        for chunk in portions:
            if time.monotonic() > began + ENOUGH:
                break
            while True:
                without = self._left_out(chunk)
                with self._mistaken(file, text, derived) as mistakes:
                    if mistakes is None:
                        return True
                    code, failed = self._failing([*without, *chunk])
                if code == 0:
                    break
                if self.known.ended:  # what is ended now has not failed
                    return False
                if code == 1 and failed and f"--deselect={failed}" not in without:
                    if failed in self.known.failing:  # another copy has found it meanwhile
                        continue
                    if self._passes((failed,)):
                        return True
                    self.known.failing.add(failed)
                    print(f"left out, since it fails without any mistake: {failed}", flush=True)
                elif self._passes((*without, *chunk)):
                    return True
                else:
                    print(f"left out, since they fail without any mistake: {' '.join(chunk)}", flush=True)
                    break
        return False

    def refuses(self, file: str, text: str) -> bool:
        """Whether the checks that only read the code, in the same size of the tests, refuse a text of a file: of types
        (mypy), of names that are missing or of no use (pyflakes).
        """
        if self._checks is None:
            self._checks = [check for check in CHECKS if self._lets_pass(check)]
        with self._mistaken(file, text):
            return not all(self._lets_pass(check) for check in self._checks)

    @contextlib.contextmanager
    def _mistaken(self, file: str, text: str, derived: Sequence[str] = ()) -> Iterator[list[Mistake] | None]:
        """The copy with another text of a file, until it and what is derived from it are as before. None where nothing
        can be derived any more.
        """
        before = {path: (self.directory / path).read_text() for path in (file, *derived)}
        (self.directory / file).write_text(text)
        try:
            possible = not derived or self._derive(derived)
            after = {path: (self.directory / path).read_text() for path in before}
            yield [Mistake(path, before[path], after[path]) for path in before] if possible else None
        finally:
            for path, original in before.items():
                (self.directory / path).write_text(original)

    def _noticed_at_once(self, file: str, text: str, derived: Sequence[str], tests: Sequence[str]) -> bool | None:
        """Whether one of some loaded tests fails with a mistake, and only then; None where that cannot be said."""
        if self._answers is None:
            self._ask(())  # while the texts are as they should be: else the tests would be loaded with the mistake
        while not self.known.ended:
            with self._mistaken(file, text, derived) as mistakes:
                if mistakes is None:
                    return True
                answer = self._ask(tests, mistakes)
            if not answer.possible:
                return None
            if answer.code is None:  # it hangs, or took the process along; or they are slow by themselves
                return self._ask(tests, seconds=LONGEST_LOADED / 4).code == 0
            if not answer.failed:
                return False
            if self._ask([answer.failed]).code == 0:
                return True
            self._failing_loaded.add(answer.failed)
        return None

    def _ask(self, tests: Sequence[str], mistakes: Sequence[Mistake] = (), seconds: float = LONGEST_LOADED) -> Answer:
        if not self._to_load:
            return Answer(False, None, "")
        if self._answers is None:
            self._answers = self._load()
        place = self._home()
        try:
            return self._answers.run(Request(mistakes, tests, sorted(self._failing_loaded), place, seconds))
        finally:
            remove(place)

    def _load(self) -> Answers:
        """Begin the process that loads the tests; it ends with all others (Known.end)."""
        place = self._beside(".loaded")
        place.mkdir(mode=0o755)
        (incoming, requests), (replies, outgoing) = os.pipe(), os.pipe()
        with self._beside(".loaded.log").open("w") as log:
            descriptors = {REQUESTS: incoming, REPLIES: outgoing}
            self._begin(["tests/mutation/loaded.py"], self._to_load, str(place), log, descriptors)
        os.close(incoming)
        os.close(outgoing)
        return Answers(requests, replies)

    def _lets_pass(self, check: Sequence[str]) -> bool:
        words = [word.format(cache=self._beside(".types")) for word in check]
        done = subprocess.run([sys.executable, "-m", *words], cwd=self.directory, capture_output=True)
        return done.returncode == 0

    def _left_out(self, tests: Sequence[str]) -> list[str]:
        """The options that leave out what fails without any mistake, as far as it is known by now: the other copies
        find some, too.
        """
        files = {test.partition("::")[0] for test in tests}
        return [f"--deselect={test}" for test in sorted(self.known.failing) if test.partition("::")[0] in files]

    def _failing(self, tests: Sequence[str]) -> tuple[int | None, str]:
        """How some test files end, and the first test that fails."""
        results = self.directory / RESULTS
        results.unlink(missing_ok=True)
        code = self.run(["-x", f"--junitxml={RESULTS}", "-o", "junit_family=xunit1", *tests])
        for case in ET.parse(results).iter("testcase") if code == 1 and results.exists() else ():
            if case.find("failure") is not None or case.find("error") is not None:
                file = case.get("file", "")
                if case.get("name") == file.removesuffix(".py").replace("/", "."):  # it cannot be imported
                    return code, file
                inside = case.get("classname", "").removeprefix(file.removesuffix(".py").replace("/", ".")).strip(".")
                return code, "::".join(part for part in (file, *inside.split("."), case.get("name")) if part)
        return (0 if code == 5 else code), ""  # 5: no test is left

    def _passes(self, tests: tuple[str, ...]) -> bool:
        """Whether some tests pass without any mistake."""
        if tests not in self.known.passes:
            self.known.passes[tests] = self.run(["-x", *tests]) in (0, 5)
        return self.known.passes[tests]

    def _derive(self, paths: Sequence[str]) -> bool:
        """Write the texts that follow from a source with a mistake in it; False where none follow."""
        names = [Path(path).stem if Path(path).stem != "__init__" else Path(path).parent.name for path in paths]
        done = subprocess.run([sys.executable, "-c", DERIVE, *names], cwd=self.directory, capture_output=True)
        return done.returncode == 0


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _is_of(test: str, words: Sequence[str]) -> bool:
    return test in words or test.partition("::")[0] in words


def chunks(tests: Sequence[str]) -> Iterator[Sequence[str]]:
    """Test files in the portions in which they run: most mistakes are noticed by the nearest."""
    first = 0
    for size in (*CHUNKS, len(tests)):
        if tests[first : first + size]:
            yield tests[first : first + size]
        first += size


def remove(place: str) -> None:
    """Remove a directory, which tests have made deeper than shutil can go; what was ended may still write there."""
    for _ in range(ENDING):
        if subprocess.run(["rm", "-rf", place]).returncode == 0:
            return
        time.sleep(1)
