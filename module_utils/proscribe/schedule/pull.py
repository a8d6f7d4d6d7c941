"""Bring this host in line by itself: fetch the policy, see who signed it, run it, and keep the host's record.

Stands alone: it is what brings the project, so it cannot be part of what is fetched. Reads /etc/proscribe/pull.json.
What the network or the repository does wrong costs nothing but freshness: the last good commit goes on being enforced.
A commit is good once it is signed by one of the signers (where there are any), does not go back behind the last good
one, and a run with it has come to a report.

Ends with the run's own code; with 78 where no run came to a report (the record then grows old, and the controller says
`unknown`), and with 75 where another run is under way.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
from typing import Any, Mapping

SETTINGS = "/etc/proscribe/pull.json"
SIGNERS = "/etc/proscribe/pull_signers"
STATE = "/var/lib/proscribe/pull"
RECORD = "/var/lib/proscribe/record.json"

BUSY = 75
NO_REPORT = 78
FETCHING = 600  # seconds
KEPT = 14  # reports; the controller has the history
GOOD = "refs/proscribe/good"
FETCHED = "refs/proscribe/fetched"
# Of the repository nothing is run but what is checked out: no hook, no filter, no helper, no other transport.
GIT = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.ext.allow=never")


class Problem(Exception):
    """Something that keeps this run from being as it should, in words."""


class Checkout:
    """The repository as this host has it, in a directory."""

    def __init__(self, directory: str, settings: Mapping[str, Any]) -> None:
        self.directory = directory
        self.repository = settings["repository"]
        self.branch = settings["branch"]
        self.signed = bool(settings["signed"])

    def git(self, *words: str, timeout: float = 120) -> str:
        """What git answers. Raises Problem."""
        signers = ("-c", f"gpg.ssh.allowedSignersFile={SIGNERS}")
        environment = {
            **os.environ,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
            "LC_ALL": "C",
        }
        try:
            done = subprocess.run(
                ["git", *GIT, *signers, "-C", self.directory, *words],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
            )
        except FileNotFoundError:
            raise Problem("git is not installed on this host") from None
        except subprocess.TimeoutExpired:
            raise Problem(f"git {words[0]} did not end within {timeout:g} s") from None
        if done.returncode:
            said = " ".join((done.stderr.strip() or done.stdout.strip()).split())[-300:]
            raise Problem(f"git {words[0]}: {said or f'ended with {done.returncode}'}")
        return done.stdout.strip()

    def good(self) -> str:
        """The last good commit; "" for none yet."""
        return self._commit(GOOD)

    def _commit(self, name: str) -> str:
        try:
            return self.git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        except Problem:
            return ""

    def fetch(self) -> str:
        """The newest commit of the branch, if it may be run. Nothing is checked out yet. Raises Problem."""
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        if not os.path.isdir(os.path.join(self.directory, ".git")):
            self.git("init", "--quiet")
        options = ("--quiet", "--force", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
        try:
            self.git("fetch", *options, "--", self.repository, f"{self.branch}:{FETCHED}", timeout=FETCHING)
        except Problem as problem:
            raise Problem(f"the repository could not be fetched ({problem})") from None
        commit, good = self._commit(FETCHED), self.good()
        if self.signed:
            try:
                self.git("verify-commit", commit)
            except Problem as problem:
                raise Problem(f"commit {commit[:12]} has no good signature ({problem})") from None
            if good and commit != good:
                try:
                    self.git("merge-base", "--is-ancestor", good, commit)
                except Problem:
                    raise Problem(f"commit {commit[:12]} goes back behind the last good one, {good[:12]}") from None
        return commit

    def have(self, commit: str) -> None:
        """Lay out exactly the files of a commit, whatever lay there. Raises Problem."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.directory, ".git", "index.lock"))  # a run that was killed
        self.git("checkout", "--quiet", "--force", "--detach", commit)
        self.git("clean", "--quiet", "-ffdx", "--exclude=/.venv")

    def keep(self, commit: str) -> None:
        """From now on this is the last good commit."""
        self.git("update-ref", GOOD, commit)


def run(checkout: str, settings: Mapping[str, Any], reports: str) -> tuple[int, dict[str, Any] | None]:
    """Run the drift playbook on this host: its exit code, and the host's record; None where it came to no report."""
    latest = os.path.join(reports, "latest")
    before = os.readlink(latest) if os.path.islink(latest) else ""
    inventory = os.path.join(checkout, settings["inventory"])
    given = {"ansible_connection": "local", "proscribe_history": "sqlite", "proscribe_exports": []}
    argv = [os.path.join(checkout, "proscribe"), "drift", "-i", inventory, "--limit", settings["host"]]
    environment = {**os.environ, "HOME": STATE, "PROSCRIBE_REPORTS": reports, "LC_ALL": "C.UTF-8"}
    if settings.get("ansible_playbook"):
        environment["PROSCRIBE_ANSIBLE_PLAYBOOK"] = settings["ansible_playbook"]
    # Its own session would outlive a run that systemd ends; so it stays in this one.
    code = subprocess.call(
        [*argv, *settings["options"], "-e", json.dumps(given)], env=environment, stdin=subprocess.DEVNULL
    )
    after = os.readlink(latest) if os.path.islink(latest) else ""
    if after in ("", before):
        return code, None
    with open(os.path.join(latest, "hosts.jsonl"), encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    return code, next((record for record in records if record["host"] == settings["host"]), None)


def store(record: Mapping[str, Any], path: str) -> None:
    """Keep the host's record, whole or not at all."""
    beside = f"{path}~"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(beside)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(record, stream, separators=(",", ":"))
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(beside, path)


def forget(reports: str) -> None:
    """Take away all but the newest reports."""
    names = sorted(name for name in os.listdir(reports) if os.path.isdir(os.path.join(reports, name)))
    runs = [name for name in names if name[:8].isdigit()]
    for name in runs[:-KEPT]:
        shutil.rmtree(os.path.join(reports, name), ignore_errors=True)


def say(text: str) -> None:
    print(f"proscribe: {text}", file=sys.stderr, flush=True)


def attempts(checkout: Checkout) -> tuple[list[str], list[str]]:
    """The commits to try, in this order, and what was wrong on the way to them."""
    problems: list[str] = []
    fetched = ""
    try:
        fetched = checkout.fetch()
    except Problem as problem:
        problems.append(str(problem))
    return [commit for commit in dict.fromkeys((fetched, checkout.good())) if commit], problems


def pulled(settings: Mapping[str, Any], reports: str) -> tuple[int, dict[str, Any] | None]:
    """Run the newest good commit; the code and the record, in which stands what was wrong on the way."""
    checkout = Checkout(os.path.join(STATE, "checkout"), settings)
    commits, problems = attempts(checkout)
    for text in problems:
        say(text)
    code, good = NO_REPORT, checkout.good() if commits else ""
    for commit in commits:
        try:
            checkout.have(commit)
            if problems:
                say(f"going on with commit {commit[:12]}")
            code, record = run(checkout.directory, settings, reports)
        except Problem as problem:
            code, record = NO_REPORT, None
            say(str(problem))
        if record is not None:
            if commit != good:
                checkout.keep(commit)
            told = [{"control": "run", "message": f"{text}; commit {commit[:12]} is kept"} for text in problems]
            return code, {**record, "errors": [*record["errors"], *told], "commit": commit}
        problems.append(f"a run with commit {commit[:12]} came to no report (it ended with {code})")
        say(problems[-1])
    return code, None


def main(settings_file: str = SETTINGS) -> int:
    """One run; its exit code."""
    with open(settings_file, encoding="utf-8") as stream:
        settings = json.load(stream)
    reports = os.path.join(STATE, "reports")
    os.makedirs(reports, mode=0o700, exist_ok=True)
    lock = os.open(STATE, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        say("another run is under way")
        return BUSY
    if settings["repository"]:
        code, record = pulled(settings, reports)
    else:
        code, record = run(settings["directory"], settings, reports)
    forget(reports)
    if record is None:
        say("no run came to a report: the host's record stays as it was, and grows old")
        return NO_REPORT
    store(record, RECORD)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
