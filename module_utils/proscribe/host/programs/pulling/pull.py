"""Program by which a host enforces the policy itself.

The program fetches the policy, verifies its signature, runs it, and stores the host's record.

This program and `commits` fetch Proscribe to the host, so they are not part of the fetched files. The program reads
/etc/proscribe/pull.json. If the network or the repository fails, the last good commit stays enforced and only updates
are missing.

A commit is good once a run with it has produced a report. If signers are configured, a signer must have signed the
commit. The commit must descend from the last good commit. Or it is the configured first commit, or descends from the
first commit.

The exit code is that of the run. It is 75 if another run is in progress. It is 78 if no run produced a report: the
record then grows old, and the controller reports `unknown`. It is 77 if others can change the files of the run. Then
nothing is run, and the record has the reason, which the controller reports.
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
    from .commits import Checkout, PullError, write_private_file
else:  # installed on a host, outside of the package
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from base.run_files import (  # type: ignore[import-not-found, no-redef]
        UnreadableRunFile,
        find_exposed_file,
    )
    from commits import Checkout, PullError, write_private_file  # type: ignore[import-not-found, no-redef]

SETTINGS_PATH = "/etc/proscribe/pull.json"
STATE_DIRECTORY = "/var/lib/proscribe/pull"
RECORD_PATH = "/var/lib/proscribe/record.json"

BUSY_EXIT_CODE = 75
REFUSED_EXIT_CODE = 77
NO_REPORT_EXIT_CODE = 78
MAX_REPORTS = 14  # reports that stay on the host; the controller has the longer history


def run_drift(checkout: str, settings: PullSettings, reports: str) -> tuple[int, HostRecord | None]:
    """Run the drift playbook on this host. Return its exit code and the host's record.

    The record is None if the run produced no report, or a report without this host.
    """
    earlier_links = _read_report_links(reports)
    inventory = os.path.join(checkout, settings["inventory"])
    extra_variables = {"ansible_connection": "local", "proscribe_history": "sqlite", "proscribe_exports": []}
    argv = [os.path.join(checkout, "proscribe"), "drift", "-i", inventory, "--limit", settings["host"]]
    environment = {**os.environ, "HOME": STATE_DIRECTORY, "PROSCRIBE_REPORTS": reports, "LC_ALL": "C.UTF-8"}
    if settings.get("ansible_playbook"):
        environment["PROSCRIBE_ANSIBLE_PLAYBOOK"] = settings["ansible_playbook"]
    # The playbook stays in this session: a process in a session of its own could continue after systemd ends this run.
    code = subprocess.call(
        [*argv, *settings["options"], "-e", json.dumps(extra_variables)], env=environment, stdin=subprocess.DEVNULL
    )
    new_report = next((name for name in _read_report_links(reports) if name not in earlier_links), None)
    if new_report is None:
        return code, None
    with open(os.path.join(reports, new_report, "hosts.jsonl"), encoding="utf-8") as lines:
        records: list[HostRecord] = [json.loads(line) for line in lines]
    return code, next((record for record in records if record["host"] == settings["host"]), None)


def _read_report_links(reports: str) -> list[str]:
    """Return the targets of the links to the newest report, to see later whether a run produced a report.

    Commits from before the link `newest` existed update only `latest`.
    """
    links = [os.path.join(reports, name) for name in ("newest", "latest")]
    return [os.readlink(link) for link in links if os.path.islink(link)]


def store_record(record: HostRecord, path: str) -> None:
    """Write the host's record in one step: another program sees the old or the new content."""
    write_private_file(path, json.dumps(record, separators=(",", ":")).encode())


def prune_reports(reports: str) -> None:
    """Remove the oldest reports; the newest MAX_REPORTS stay."""
    names = sorted(name for name in os.listdir(reports) if os.path.isdir(os.path.join(reports, name)))
    runs = [name for name in names if name[:8].isdigit()]
    for name in runs[:-MAX_REPORTS]:
        shutil.rmtree(os.path.join(reports, name), ignore_errors=True)


def explain_foreign_access(path: str) -> str:
    """Return the reason why a directory is not safe; "" if only this account can change the directory."""
    status = os.lstat(path)
    if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022:
        return ""
    ownership = f"of account {status.st_uid}, mode {stat.S_IMODE(status.st_mode):04o}"
    return (
        f"{path} ({ownership}) is no directory that only root can change; nothing was run. Delete it, and it is "
        f"made anew"
    )


def log_message(text: str) -> None:
    print(f"proscribe: {text}", file=sys.stderr, flush=True)


def refuse_run(reason: str) -> int:
    """Report that nothing was run, for the given reason. Return the exit code.

    The stored record keeps its time and gets the reason as an error. So the controller reports the host as `error`.
    """
    log_message(reason)
    # without a record to change, the controller reports the host as `unknown`
    with contextlib.suppress(OSError, ValueError, KeyError):
        with open(RECORD_PATH, encoding="utf-8") as stream:
            record: HostRecord = json.load(stream)
        error: RecordError = {"control": "run", "message": reason}
        other_errors = [recorded_error for recorded_error in record["errors"] if recorded_error != error]
        store_record({**record, "errors": [*other_errors, error]}, RECORD_PATH)
    return REFUSED_EXIT_CODE


def describe_exposure(settings: PullSettings) -> str:
    """Return a message about the first file of the run that others can change; "" if there is none."""
    try:
        exposed = find_exposed_file(settings.get("paths", ()), {os.geteuid()})
    except UnreadableRunFile as error:
        return f"the files of the run cannot be checked: {error}; nothing was run"
    return (
        f"{exposed}; nothing was run, because root would run or follow it. {exposed.remedy}".rstrip() if exposed else ""
    )


def list_commits_to_try(checkout: Checkout) -> tuple[list[str], list[str]]:
    """Fetch, and return the commits to try in this order: the newest, then the last good one.

    Return problems too.
    """
    problems: list[str] = []
    fetched = ""
    try:
        fetched = checkout.fetch_commit()
    except PullError as problem:
        problems.append(str(problem))
    return [commit for commit in dict.fromkeys((fetched, checkout.find_good_commit())) if commit], problems


def run_newest_commit(settings: PullSettings, reports: str) -> tuple[int, HostRecord | None]:
    """Run with the newest commit; if that produces no report, with the last good commit.

    Returns the exit code, and the host's record with the problems on the way. The record is None if no run produced a
    report.
    """
    checkout = Checkout(STATE_DIRECTORY, settings)
    commits, problems = list_commits_to_try(checkout)
    is_first_use = bool(commits) and not checkout.find_good_commit() and not checkout.first_commit
    if is_first_use:
        log_message(
            f"commit {commits[0][:12]} is the first that this host has seen, and is trusted for that: no"
            " proscribe_schedule_first_commit says where it has to begin"
        )
    for text in problems:
        log_message(text)
    code, good_commit = NO_REPORT_EXIT_CODE, checkout.find_good_commit() if commits else ""
    for commit in commits:
        try:
            checkout.check_out_commit(commit)
            log_message(f"going on with commit {commit[:12]}")
            code, record = run_drift(checkout.directory, settings, reports)
        except PullError as problem:
            code, record = NO_REPORT_EXIT_CODE, None
            log_message(str(problem))
        if record is not None:
            if commit != good_commit:
                checkout.keep_good_commit(commit)
            errors: list[RecordError] = [
                {"control": "run", "message": f"{text}; commit {commit[:12]} is kept"} for text in problems
            ]
            record = {**record, "errors": [*record["errors"], *errors], "commit": commit}
            if is_first_use:
                record["commit_trust"] = "first use"
            return code, record
        problems.append(f"a run with commit {commit[:12]} came to no report (it ended with {code})")
        log_message(problems[-1])
    return code, None


def run_pull(settings_file: str = SETTINGS_PATH) -> int:
    """Fetch and run once, and return the exit code. `settings_file` is the path of the settings."""
    with open(settings_file, encoding="utf-8") as stream:
        settings = json.load(stream)
    os.makedirs(STATE_DIRECTORY, mode=0o700, exist_ok=True)
    if reason := explain_foreign_access(STATE_DIRECTORY) or describe_exposure(settings):
        return refuse_run(reason)
    reports = os.path.join(STATE_DIRECTORY, "reports")
    os.makedirs(reports, mode=0o700, exist_ok=True)
    lock = os.open(STATE_DIRECTORY, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        log_message("another run is under way")
        return BUSY_EXIT_CODE
    if settings["repository"]:
        code, record = run_newest_commit(settings, reports)
    else:
        code, record = run_drift(settings["directory"], settings, reports)
    prune_reports(reports)
    if record is None:
        log_message("no run came to a report: the host's record stays as it was, and grows old")
        return NO_REPORT_EXIT_CODE
    store_record(record, RECORD_PATH)
    return code


if __name__ == "__main__":
    sys.exit(run_pull(*sys.argv[1:2]))
