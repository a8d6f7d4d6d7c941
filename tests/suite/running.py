"""How the parts of a test run are run: side by side, with what fails named at once, and nothing left behind."""

import collections
import concurrent.futures
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import isolated
import machine

from suite import leftovers

QUIET = 30 * 60  # seconds without a word in its log until a part is ended: it hangs. What is only slow goes on
REPORT_EVERY = 2 * 60  # seconds between two prints of the progress of the parts
# Minutes after which all is ended that still runs, 0 for never: less than what a CI allows, so that it is named.
WITHIN = int(os.environ.get("PROSCRIBE_TESTS_WITHIN") or 0)
STARTED = time.monotonic()
LOGS = machine.CACHE / "logs"
# Seconds that a part has to run its finalisers once it is interrupted, and once it is asked to end.
PATIENCE = {signal.SIGINT: 60, signal.SIGTERM: 10, signal.SIGKILL: 10}
NONE_SELECTED = 5  # the exit code of pytest when it has run no test
NO_TEST = "no test"  # the state of a part that was allowed to run none
RESULTS = "PROSCRIBE_TESTS_RESULTS"  # the file in which pytest names what failed or was skipped (conftest.py)
POLL = 0.2  # seconds between two questions whether a part has ended
PERCENT = re.compile(rb"\[ *(\d+%)\]")


class Part(NamedTuple):
    """One thing to run and to report."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str] = {}
    missing: str = ""  # why it cannot run
    refuse: str = ""  # what its output must not have (a pattern), though its exit code was 0
    tail: int = 1  # lines of its output to show when all is well
    waits: bool = False  # it mostly waits for hosts: it starts at once, beside what needs the processors
    isolated: bool = True  # as root it runs in namespaces of its own
    downloads: bool = False  # these have the network of the machine
    may_be_empty: bool = False  # its options, or what changed, may select none of its tests


class Outcome(NamedTuple):
    """What became of a part."""

    part: Part
    state: str  # passed, FAILED, NOT RUN, no test
    seconds: float = 0
    working: float = 0  # seconds of the processor
    note: str = ""
    failed: Sequence[tuple[str, str]] = ()  # the tests that failed, each with the first line of its message
    skipped: Sequence[tuple[str, str]] = ()  # likewise


class Progress:
    """Whether a part gets on: that its log grows is all that is known of it."""

    def __init__(self, now):
        self.size = -1
        self.grew = self.reported = now

    def given_up(self, size, now):
        """Why the part has to be ended; "" as long as it gets on. `size` is that of its log."""
        if size != self.size:
            self.size, self.grew = size, now
        if now - self.grew > QUIET:
            return f"it printed nothing for {QUIET // 60} minutes"
        if WITHIN and now - STARTED > WITHIN * 60:
            return f"it was not done after the {WITHIN} minutes that all parts have (PROSCRIBE_TESTS_WITHIN)"
        return ""

    def due(self, now):
        """Whether it is time to print the progress."""
        due = now - self.reported > REPORT_EVERY
        self.reported = now if due else self.reported
        return due


class Results:
    """What the tests of a part came to, as far as it is known."""

    def __init__(self, path, part):
        self.path, self.part = path, part
        self.read = 0
        self.failed = []
        self.skipped = []
        path.touch()

    def news(self):
        """Read what has come since, and print each failure at once."""
        with self.path.open("rb") as stream:
            stream.seek(self.read)
            lines = stream.read().splitlines(keepends=True)
        for line in lines:
            if not line.endswith(b"\n"):  # it is being written
                break
            self.read += len(line)
            result = json.loads(line)
            found = (result["test"], result["why"])
            if result["outcome"] == "failed" and found not in self.failed:
                self.failed.append(found)
                show(f"FAILED in {self.part}: {': '.join(found)}")
            elif result["outcome"] == "skipped":
                self.skipped.append(found)


printing = threading.Lock()
running = set()
interrupted = threading.Event()


def show(*lines):
    """Print lines that no other part's come between."""
    with printing:
        print(*lines, sep="\n", flush=True)


def is_in_namespaces(part):
    """Return whether a part runs in namespaces of its own, where its temporary directory is /tmp."""
    return part.isolated and os.geteuid() == 0 and shutil.which("unshare") is not None


@contextlib.contextmanager
def temporary_directory(part, own):
    """Yield a part's temporary directory. Its path has no blank, where scripts that name it would break."""
    if is_in_namespaces(part) or not re.search(r"\s", str(own)):
        yield own / "tmp"
        return
    with tempfile.TemporaryDirectory(prefix="proscribe-tests-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


def command(part, own):
    """The command of a part: it ends with the process that runs it, and root's runs in namespaces of its own."""
    argv = list(part.argv)
    if is_in_namespaces(part):
        argv = isolated.command(own, argv, downloads=part.downloads)
    return [*(["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []), *argv]


def run(part, runs):
    """Run one part, with its output in .cache/logs/ and what it makes below `runs`."""
    if part.missing:
        return Outcome(part, "NOT RUN", note=part.missing)
    name = re.sub(r"[^a-z0-9.]+", "-", part.name.lower()).strip("-")[:60]
    own, log = runs / name, LOGS / f"{name}.log"
    (own / "tmp").mkdir(parents=True)
    results = Results(own / "results.jsonl", part.name)
    places = {
        "GIT_CEILING_DIRECTORIES": str(own),  # what a test makes there is in no repository, though the checkout is one
        RESULTS: str(results.path),
        "PROSCRIBE_TESTS_LEDGER": str(runs / leftovers.LEDGER),
    }
    started = time.monotonic()
    with log.open("w+", encoding="utf-8", errors="replace") as stream, temporary_directory(part, own) as temporary:
        places["TMPDIR"] = str(temporary)
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **places, **part.environment}
        streams = {"stdin": subprocess.DEVNULL, "stdout": stream, "stderr": subprocess.STDOUT, "text": True}
        options = {"cwd": machine.PROJECT, "env": environment, "start_new_session": True, **streams}
        process = subprocess.Popen(command(part, own), **options)
        running.add(process)
        note, working = watched(process, part, log, results)
        running.discard(process)
        stream.seek(0)
        output = stream.read()
    results.news()
    if part.refuse and (refused := re.search(part.refuse, output)):
        note = note or f"its output says {refused[0]!r}"
    state = "FAILED" if note else "passed"
    if process.returncode != 0 and not note:
        is_empty = process.returncode == NONE_SELECTED and "pytest" in part.argv
        state = NO_TEST if is_empty and part.may_be_empty else "FAILED"
        note = "no test is selected" if is_empty else f"exit code {process.returncode}"
    lines = output.rstrip().splitlines()
    seconds = time.monotonic() - started
    shown = lines if state == "FAILED" else lines[-part.tail :]
    show(f"\n=== {part.name}: {state} in {seconds:.0f} s", *shown, "")
    return Outcome(part, state, seconds, working, note, results.failed, results.skipped)


def watched(process, part, log, results):
    """Wait for a part; end it if it hangs or is interrupted. Return why, and its seconds of the processor."""
    started = deadline = time.monotonic()
    progress = Progress(started)
    signals = iter(PATIENCE.items())
    note = ""
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return note, usage.ru_utime + usage.ru_stime
        now = time.monotonic()
        results.news()
        if not note:
            note = "interrupted" if interrupted.is_set() else progress.given_up(log.stat().st_size, now)
            deadline = now
        if note and now >= deadline and (step := next(signals, None)):
            number, patience = step
            deadline = now + patience
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
        elif progress.due(now):
            show(f"... {part.name}: {(now - started) / 60:.0f} min{far(log)}")
        time.sleep(POLL)


def far(log):
    """How far pytest is, by the last share that it printed; "" where none is printed."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 1000))
        shares = PERCENT.findall(stream.read())
    return f", {shares[-1].decode()}" if shares else ""


def run_all(parts, runs):
    """Run the parts: those that wait as memory allows, the others one for each processor. Ctrl-C ends them in order."""
    pools = {
        True: concurrent.futures.ThreadPoolExecutor(max_workers=machine.hosts_at_a_time()),
        False: concurrent.futures.ThreadPoolExecutor(max_workers=machine.processors()),
    }
    futures = [pools[part.waits].submit(run, part, runs) for part in parts]
    try:
        return [future.result() for future in futures]
    except KeyboardInterrupt:
        show("", "Interrupted: the parts that run clean up (Ctrl-C again does not wait for that)")
        interrupted.set()
        for pool in pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        begun = [future for future in futures if not future.cancelled()]  # for wait() the others are never done
        with contextlib.suppress(KeyboardInterrupt):
            concurrent.futures.wait(begun)
        for process in list(running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        concurrent.futures.wait(begun, PATIENCE[signal.SIGKILL])  # or what they hold would still be in use
        raise


def find_failure(outcomes, options, complete):
    """Return why a run has failed; "" if it has passed. With options of pytest, at least one part has to run a test."""
    states = {outcome.state for outcome in outcomes}
    if "FAILED" in states:
        return "a part has failed"
    if complete and "NOT RUN" in states:
        return "a part could not run"
    with_tests = [outcome for outcome in outcomes if outcome.state == "passed" and "pytest" in outcome.part.argv]
    if options and not with_tests:
        return f"no part has run a test that these options select: {shlex.join(options)}"
    return ""


def table(outcomes):
    """The last lines of a run: each part with its time, and what failed or was skipped."""
    width = max(len(outcome.part.name) for outcome in outcomes)
    lines = [f"{'part':<{width}}  minutes  working"]
    for outcome in outcomes:
        took = f"{outcome.seconds / 60:7.1f}  {outcome.working / 60:7.1f}" if outcome.state != "NOT RUN" else " " * 16
        lines.append(f"{outcome.part.name:<{width}}  {took}  {outcome.state:<7}  {outcome.note}".rstrip())
        lines += [f"    {test}: {why}" for test, why in outcome.failed]
        if outcome.skipped:
            reasons = collections.Counter(why for _, why in outcome.skipped)
            named = "; ".join(f"{why} ({number})" for why, number in reasons.most_common())
            lines.append(f"    {len(outcome.skipped)} skipped: {named}")
    return lines
