"""CopyPool of the checkout in which the tests run on a mistake, apart from the rest of the machine."""

import contextlib
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

import isolated
import root_directory
from imports import DERIVED
from lines import file_of
from loaded import DESCRIPTOR, NOT_POSSIBLE, Client, Mistake, Request
from machine import CACHE
from roots import ROOTS
from suite import sizes

LEFT_OUT = shutil.ignore_patterns(".git", ".cache", ".venv", "reports", ".hypothesis", ".*_cache")
# A mutant may not write to these. /tmp has its copy and its tests' directories, and /run and /var/tmp are its own. The
# roots of hosts can be written to, with the locks of those who mount them. The copy is below /mnt, since tests with
# real tools have a /tmp and a /run of their own. No file of the checkout has this path.
READ_ONLY = ("/bin", "/boot", "/etc", "/home", "/lib", "/opt", "/root", "/srv", "/usr", "/var", "/work")
INSIDE = Path("/mnt/mutated-checkout")
# The agent of GnuPG has its socket in /run/user. The path below the home of a test would be too long for one.
APART = (
    f"{isolated.PROC} || exit 99; "
    "ip link set lo up 2>/dev/null; mount -t tmpfs -o mode=755 run /run || exit 99; "
    "mkdir -p /run/lock /run/user && mkdir -m 700 /run/user/0 || exit 99; "
    'exec 9<"$ROOTS"; for place in $READ_ONLY; do test -d "$place" || continue; '
    'mount --bind "$place" "$place" && mount -o remount,bind,ro "$place" || exit 99; done; '
    "mount -t tmpfs -o mode=1777 tmp /var/tmp || exit 99; "
    'mount --no-canonicalize --bind /proc/self/fd/9 "$ROOTS" || exit 99; exec 9<&-; '
    f"mount -t tmpfs -o mode=755 mnt {INSIDE.parent} && mkdir {INSIDE} || exit 99; "
    f'mount --bind "$PWD" {INSIDE} && cd {INSIDE} || exit 99; "$@"; exit $?'
)
NO_NAMESPACES = 99
PASSED, NO_TEST = 0, 5  # exit codes of pytest
RESULTS = "PROSCRIBE_TESTS_RESULTS"  # the environment variable that names a file for failures (conftest.py)
REMOVING_SECONDS = 10  # processes of a run that was ended may write for so long
# Tests that take longer hang, unless they do so without a mistake.
REAL_SECONDS, UNIT_SECONDS, LOADED_SECONDS = 900.0, 300.0, 40.0
ENOUGH_SECONDS = 240.0  # no more tests of a mistake begin after so long
CHECKS = (("mypy", "--cache-dir={cache}"), ("ruff", "check", "--no-cache", "--select=F", "module_utils"))
# Writes the files named as `tests/tool python tests/derived` does.
DERIVE = """
import pathlib, sys
sys.path[:0] = ["tests", "module_utils"]
from derived.__main__ import parts
for part in parts():
    if part.path in sys.argv[1:]:
        pathlib.Path(part.path).write_text(part.applied(""))
"""


class CopyPool:
    """The copies of a checkout below a directory, with the results of tests without a mistake."""

    def __init__(self, project, place, jobs, loaded=()):
        self.passing = {}  # by tests, or files that run together
        self.failing = set()
        self.running = set()
        self.is_ended = False
        self.jobs = jobs
        self._free = queue.Queue()
        for number in range(jobs):
            self._free.put(Copy(self, project, place / f"copy{number}", loaded))

    def map(self, work, items):
        """Do work on each item in a free copy, and yield the results in the order of the items."""

        def borrow(item):
            copy = self._free.get()
            try:
                return work(copy, item)
            finally:
                self._free.put(copy)

        with ThreadPoolExecutor(self.jobs) as pool, contextlib.ExitStack() as ending:
            ending.callback(pool.shutdown, wait=False, cancel_futures=True)  # somebody may end the run
            ending.callback(self.end)
            yield from pool.map(borrow, items)

    def end(self):
        """End the tests that run, and begin none any more."""
        self.is_ended = True
        for process in list(self.running):
            _kill(process)


class Copy:
    """A copy of the checkout for one mistake at a time. `loaded` are the test files that a process has loaded."""

    def __init__(self, copies, project, place, loaded=()):
        self.copies = copies
        self.directory = place
        self._to_load = loaded
        self._client = None
        self._failing_loaded = set()  # without a mistake
        self._checks = None  # those that accept the code as it is
        shutil.copytree(project, place, ignore=LEFT_OUT, symlinks=True)
        (place / ".cache").symlink_to(CACHE)

    def notices(self, file, text, portions, nearest=()):
        """Return True if a test fails with another text of a file, and only then.

        The tests run in portions, first `nearest` in the process that has loaded them. A run that takes too long, or
        that cannot begin, notices the mistake, too.
        """
        derived = [path for path, sources in DERIVED.items() if any(fnmatch(file, f"*/{name}") for name in sources)]
        for number, tests in enumerate(nearest):
            noticed = self._detects_loaded(file, text, derived, tests)
            if noticed:
                return True
            if noticed is None:
                portions = [*nearest[number:], *portions]
                break
        unfit = {test for test in self._failing_loaded for tests in nearest if test in tests or file_of(test) in tests}
        began = time.monotonic()
        for tests in [sorted(unfit)] * bool(unfit) + list(portions):
            if time.monotonic() > began + ENOUGH_SECONDS:
                break
            if self._detects(file, text, derived, tests):
                return True
        return False

    def _detects(self, file, text, derived, tests):
        while not self.copies.is_ended:
            files = {file_of(test) for test in tests}
            without = [f"--deselect={test}" for test in sorted(self.copies.failing) if file_of(test) in files]
            with self._write(file, text, derived) as mistakes:
                if mistakes is None:
                    return True
                code, failed = self._run([*without, *tests])
            if code in (PASSED, NO_TEST) or self.copies.is_ended:  # tests that are ended have not failed
                return False
            if failed in self.copies.failing and f"--deselect={failed}" not in without:
                continue  # another copy has found it meanwhile
            if not failed or f"--deselect={failed}" in without:
                if self._passes((*without, *tests)):
                    return True
                print(f"left out, since they fail without any mistake: {' '.join(tests)}", flush=True)
                return False
            if self._passes((failed,)):
                return True
            self.copies.failing.add(failed)
            print(f"left out, since it fails without any mistake: {failed}", flush=True)
        return False

    def _passes(self, tests):
        if tests not in self.copies.passing:
            self.copies.passing[tests] = self._run(tests)[0] in (PASSED, NO_TEST)
        return self.copies.passing[tests]

    def _run(self, words):
        """Return the exit code of pytest, None if the tests hang, and the first test that fails."""
        results = self.directory / ".results"
        results.unlink(missing_ok=True)
        place = self._make_home()
        with self._beside(".log").open("w") as log:
            process = self._begin(["-m", "pytest", "-x"], words, place, log)
            try:
                code = process.wait(REAL_SECONDS if _have_real_tools(words) else UNIT_SECONDS)
            except subprocess.TimeoutExpired:
                return None, ""
            finally:
                _kill(process)
                self.copies.running.discard(process)
                process.wait()
                remove(place)
        if code == NO_NAMESPACES:
            raise SystemExit(f"the namespaces for the mutants cannot be made: {self._beside('.log').read_text()}")
        lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
        tests = (json.loads(line) for line in lines)
        return code, next((test["test"] for test in tests if test["outcome"] == "failed"), "")

    def _begin(self, pytest, words, place, log, descriptors=()):
        """Begin a process of pytest apart from the rest of the machine."""
        is_root = os.geteuid() == 0
        # Without the plugins of Ansible's tools, which take longer to load than most tests take to run.
        plugins = ["-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin"]
        command = [sys.executable, *pytest, "-q", "--no-header", *plugins, *words]
        environment = {
            **os.environ,
            "TMPDIR": place,
            "HOME": place,
            "ANSIBLE_REMOTE_TEMP": f"{place}/remote",  # the account's own home cannot be written to
            "PYTHONDONTWRITEBYTECODE": "1",  # the copy has that of the checkout
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            RESULTS: str((INSIDE if is_root else self.directory) / ".results"),
            DESCRIPTOR: ",".join(map(str, descriptors)),
        }
        if is_root:
            root_directory.make(ROOTS)
            if _have_real_tools(words):
                command = isolated.command(Path(place), command)
                tools = Path(sys.executable).parent
                environment["PATH"] = f"{tools}:{os.environ['PATH']}"
                environment["PROSCRIBE_ANSIBLE_PLAYBOOK"] = str(tools / "ansible-playbook")
            unshare = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child"]
            command = [*unshare, "sh", "-c", APART, "apart", *command]
            environment |= {"READ_ONLY": " ".join(READ_ONLY), "ROOTS": str(ROOTS)}
        process = subprocess.Popen(
            command, cwd=self.directory, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, pass_fds=descriptors,
        )  # fmt: skip
        self.copies.running.add(process)
        return process

    def _make_home(self):
        place = self._beside(".tmp")
        place.mkdir()
        place.chmod(0o755)  # some tests become an ordinary user
        return str(place)

    def _beside(self, suffix):
        return self.directory.parent / f"{self.directory.name}{suffix}"

    @contextlib.contextmanager
    def _write(self, file, text, derived=()):
        """Write another text of a file and derive the texts that follow. Yield None if they cannot be derived."""
        before = {path: (self.directory / path).read_text() for path in (file, *derived)}
        (self.directory / file).write_text(text)
        try:
            argv = [sys.executable, "-c", DERIVE, *derived]
            possible = not derived or not subprocess.run(argv, cwd=self.directory, capture_output=True).returncode
            after = {path: (self.directory / path).read_text() for path in before}
            yield [Mistake(path, before[path], after[path]) for path in before] if possible else None
        finally:
            for path, original in before.items():
                (self.directory / path).write_text(original)

    def _detects_loaded(self, file, text, derived, tests):
        """Return True if a loaded test fails with a mistake, and only then. Return None if that cannot be found out."""
        if self._client is None:
            self._ask(())  # load the tests without the mistake
        while not self.copies.is_ended:
            with self._write(file, text, derived) as mistakes:
                if mistakes is None:
                    return True
                answer = self._ask(tests, mistakes)
            if not answer.possible:
                return None
            if answer.code is None:  # the tests hang, or the process has ended; or the tests are slow
                return self._ask(tests, seconds=LOADED_SECONDS / 4).code == PASSED
            if not answer.failed:
                return False
            if self._ask([answer.failed]).code == PASSED:
                return True
            self._failing_loaded.add(answer.failed)
        return None

    def _ask(self, tests, mistakes=(), seconds=LOADED_SECONDS):
        if not self._to_load:
            return NOT_POSSIBLE
        self._client = self._client or self._load()
        place = self._make_home()
        try:
            return self._client.run(Request(mistakes, tests, sorted(self._failing_loaded), place, seconds))
        finally:
            remove(place)

    def _load(self):
        """Begin the process that loads the tests. It ends with all others."""
        place = self._beside(".loaded")
        place.mkdir(mode=0o755)
        own, other = socket.socketpair()
        with self._beside(".loaded.log").open("w") as log, other:
            self._begin(["tests/mutation/loaded.py"], self._to_load, str(place), log, [other.fileno()])
        return Client(own)

    def refuses(self, file, text):
        """Return True if mypy or pyflakes refuses a text of a file. The same size of the tests runs both."""
        if self._checks is None:
            self._checks = [check for check in CHECKS if self._accepts(check)]
        with self._write(file, text):
            return not all(map(self._accepts, self._checks))

    def _accepts(self, check):
        words = [word.format(cache=self._beside(".types")) for word in check]
        return not subprocess.run([sys.executable, "-m", *words], cwd=self.directory, capture_output=True).returncode


def _have_real_tools(words):
    return any(word.startswith(sizes.WITH_TABLE) for word in words)


def _kill(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def split_files(files):
    """Split test files into the portions in which they run: the nearest notice most mistakes."""
    return [part for part in (files[:2], files[2:6], files[6:]) if part]


def remove(place):
    """Remove a directory, which may be deeper than shutil can go, while ended processes may still write to it."""
    for _ in range(REMOVING_SECONDS):
        if subprocess.run(["rm", "-rf", place]).returncode == 0:
            return
        time.sleep(1)
