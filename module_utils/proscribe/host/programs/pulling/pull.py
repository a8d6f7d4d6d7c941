"""Bring this host in line by itself: fetch the policy, see who signed it, run it, and keep the host's record.

Stands alone, with `commits` beside it: they are what brings the project, so they cannot be part of what is fetched.
Reads /etc/proscribe/pull.json. What the network or the repository does wrong costs nothing but freshness: the last good
commit goes on being enforced.

A commit is good once a run with it has come to a report. One of the signers has to have signed it, where there are any.
It comes after the last good one; or it is the first one that is named, or comes after that.

Ends with the run's own code, and with 75 where another run is under way. It ends with 78 where no run came to a report:
the record then grows old, and the controller says `unknown`. It ends with 77 where others can change what it would run:
nothing is run, and the record says so, which the controller reports.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ....model.types.record import HostRecord, RecordError
    from ....model.types.schedule import PullSettings

if __package__:
    from ....base.run_files import UnreadableRunFile, find_exposed_file
    from .commits import Checkout, Problem, write
else:  # on a host
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from base.run_files import Unreadable, find_exposed  # type: ignore[import-not-found, no-redef]
    from commits import Checkout, Problem, write  # type: ignore[import-not-found, no-redef]

SETTINGS = "/etc/proscribe/pull.json"
STATE = "/var/lib/proscribe/pull"
RECORD = "/var/lib/proscribe/record.json"

BUSY = 75
REFUSED = 77
NO_REPORT = 78
MOST_REPORTS = 14  # reports; the controller has the history


def run(checkout: str, settings: PullSettings, reports: str) -> tuple[int, HostRecord | None]:
    """Run the drift playbook on this host: its exit code, and the host's record; None where it came to no report."""
    before = _links(reports)
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
    made = next((name for name in _links(reports) if name not in before), None)
    if made is None:
        return code, None
    with open(os.path.join(reports, made, "hosts.jsonl"), encoding="utf-8") as lines:
        records: list[HostRecord] = [json.loads(line) for line in lines]
    return code, next((record for record in records if record["host"] == settings["host"]), None)


def _links(reports: str) -> list[str]:
    """The reports that a run may have come to; a commit of before there was `newest` points only `latest` to them."""
    links = [os.path.join(reports, name) for name in ("newest", "latest")]
    return [os.readlink(link) for link in links if os.path.islink(link)]


def store(record: HostRecord, path: str) -> None:
    """Keep the host's record, whole or not at all."""
    write(path, json.dumps(record, separators=(",", ":")).encode())


def forget(reports: str) -> None:
    """Take away all but the newest reports."""
    names = sorted(name for name in os.listdir(reports) if os.path.isdir(os.path.join(reports, name)))
    runs = [name for name in names if name[:8].isdigit()]
    for name in runs[:-MOST_REPORTS]:
        shutil.rmtree(os.path.join(reports, name), ignore_errors=True)


def others_can_write(path: str) -> str:
    """What is wrong with a directory that somebody else could change; "" if nobody can."""
    seen = os.lstat(path)
    if stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.geteuid() and not seen.st_mode & 0o022:
        return ""
    found = f"of account {seen.st_uid}, mode {stat.S_IMODE(seen.st_mode):04o}"
    return (
        f"{path} ({found}) is no directory that only root can change; nothing was run. Delete it, and it is made anew"
    )


def say(text: str) -> None:
    print(f"proscribe: {text}", file=sys.stderr, flush=True)


def refuse(reason: str) -> int:
    """Report that nothing was run; the exit code. The host's record keeps its age and gets the reason as an error, so
    the host is `error` when the record is collected.
    """
    say(reason)
    with contextlib.suppress(OSError, ValueError, KeyError):  # a host that has not reported yet is unknown
        with open(RECORD, encoding="utf-8") as stream:
            record: HostRecord = json.load(stream)
        error: RecordError = {"control": "run", "message": reason}
        others = [earlier for earlier in record["errors"] if earlier != error]
        store({**record, "errors": [*others, error]}, RECORD)
    return REFUSED


def exposure(settings: PullSettings) -> str:
    """Return which file of the run others can change, in words; "" for none."""
    try:
        found = find_exposed(settings.get("paths", ()), {os.geteuid()})
    except Unreadable as error:
        return f"the files of the run cannot be checked: {error}; nothing was run"
    return f"{found}; nothing was run, because root would run or follow it. {found.remedy}".rstrip() if found else ""


def attempts(checkout: Checkout) -> tuple[list[str], list[str]]:
    """The commits to try, in this order, and what was wrong on the way to them."""
    problems: list[str] = []
    fetched = ""
    try:
        fetched = checkout.fetch()
    except Problem as problem:
        problems.append(str(problem))
    return [commit for commit in dict.fromkeys((fetched, checkout.good())) if commit], problems


def pulled(settings: PullSettings, reports: str) -> tuple[int, HostRecord | None]:
    """Run the newest good commit; the code and the record, in which stands what was wrong on the way."""
    checkout = Checkout(STATE, settings)
    commits, problems = attempts(checkout)
    first_use = bool(commits) and not checkout.good() and not checkout.first
    if first_use:
        say(
            f"commit {commits[0][:12]} is the first that this host has seen, and is trusted for that: no"
            " proscribe_schedule_first_commit says where it has to begin"
        )
    for text in problems:
        say(text)
    code, good = NO_REPORT, checkout.good() if commits else ""
    for commit in commits:
        try:
            checkout.have(commit)
            say(f"going on with commit {commit[:12]}")
            code, record = run(checkout.directory, settings, reports)
        except Problem as problem:
            code, record = NO_REPORT, None
            say(str(problem))
        if record is not None:
            if commit != good:
                checkout.keep(commit)
            errors: list[RecordError] = [
                {"control": "run", "message": f"{text}; commit {commit[:12]} is kept"} for text in problems
            ]
            record = {**record, "errors": [*record["errors"], *errors], "commit": commit}
            if first_use:
                record["commit_trust"] = "first use"
            return code, record
        problems.append(f"a run with commit {commit[:12]} came to no report (it ended with {code})")
        say(problems[-1])
    return code, None


def main(settings_file: str = SETTINGS) -> int:
    """One run; its exit code."""
    with open(settings_file, encoding="utf-8") as stream:
        settings = json.load(stream)
    os.makedirs(STATE, mode=0o700, exist_ok=True)
    if reason := others_can_write(STATE) or exposure(settings):
        return refuse(reason)
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
