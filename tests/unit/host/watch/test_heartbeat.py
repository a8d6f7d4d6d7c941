"""The heartbeat of the daemon that notices starts, and the verdict that follows."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from proscribe.host.watch import heartbeat, watch_units
from proscribe.host.watch.heartbeat import DEAF, LATE, NOTICED, UNABLE, UNTRIED, Heartbeat
from proscribe.host.watch.starts import daemon_report
from proscribe.host.watch.state import watch_files
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN
from watch_host import ROOT, Made

pytestmark = ROOT
HEARTBEAT = daemon_report.HEARTBEAT_PATH


def place_of(host: Made, path: str) -> Path:
    return Path(host.root + path)


def write_status(status: str) -> Callable[[Made], None]:
    def change(host: Made) -> None:
        host.link_process()
        place_of(host, "/proc/7/stat").write_text(status)

    return change


def lose_marks(host: Made) -> None:
    """The kernel's list of what the daemon's group listens to has one of the two file systems."""
    host.link_process()
    place_of(host, "/proc/7/fdinfo").mkdir()
    place_of(host, "/proc/7/fdinfo/5").write_text("pos: 0\nfanotify flags:1\nfanotify sdev:10 mflags:0\n")
    host.daemon = {"fanotify": "5", "marked": "2"}


def report(**fields: str) -> Callable[[Made], None]:
    def change(host: Made) -> None:
        host.daemon = fields

    return change


def make_silent(host: Made) -> None:
    host.daemon = None
    host.link_process()
    host.write_file(daemon_report.REPORT_PATH, daemon_report.format_report({"pid": "7", "by": "fanotify"}))


def replace_report(host: Made) -> None:
    host.try_execution(HEARTBEAT)
    host.daemon = None
    os.chown(place_of(host, daemon_report.REPORT_PATH), 65534, -1)


def remove_daemon(host: Made) -> None:
    host.stopped.add(watch_units.LAUNCHES_UNIT)
    place_of(host, daemon_report.REPORT_PATH).unlink()


def make_directory(host: Made) -> None:
    remove_daemon(host)
    place_of(host, daemon_report.REPORT_PATH).mkdir()


def replace_file(host: Made) -> None:
    place_of(host, HEARTBEAT).write_text("#!/bin/sh\nreboot\n")


@pytest.mark.parametrize(
    ("change", "state", "detail"),
    [
        (lambda _: None, NOTICED, ""),
        (write_status("7 (T) S 1 7 7\n"), NOTICED, ""),
        (write_status("7 (py) thon) T 1 7 7\n"), DEAF, "is stopped by a signal, and notices no start"),
        (remove_daemon, DEAF, "does not run"),
        (report(pid="8"), DEAF, "does not run"),
        (make_silent, DEAF, "does not notice a start within 0.02 s"),
        (replace_report, DEAF, "does not run"),
        (make_directory, DEAF, "does not run"),
        (report(by="", refused="no \x1b"), UNABLE, "starts cannot be noticed here (no \\x1b)"),
        (report(by="", refused="full", limited="yes"), DEAF, "starts cannot be noticed here (full)"),
        (lose_marks, DEAF, "notices starts on 1 of 2 file systems"),
        (report(marked="x"), NOTICED, ""),
        (report(failing="no \x1b"), LATE, "cannot verify what starts: no \\x1b"),
        (report(read=""), LATE, "has not read yet what is restricted"),
        (report(read="other"), LATE, "follows another plan than this host has now"),
        (lambda host: place_of(host, HEARTBEAT).unlink(), UNTRIED, "heartbeat: is missing"),
        (replace_file, UNTRIED, "heartbeat: is not what was installed"),
        (lambda host: place_of(host, HEARTBEAT).chmod(0o777), UNTRIED, "root can write it"),
    ],
)
def test_heartbeat_shows_the_state_of_the_daemon(watched, change, state, detail):
    host, settings = watched[0], watch_files.read_settings(watched[0])
    if state == UNTRIED:
        host.try_execution(HEARTBEAT)
        host.try_execution(daemon_report.HEARTBEAT_PATH)
    change(host)
    beat = Heartbeat(host)
    heard = beat.wait_for_result(settings)
    assert heard.state == state and heard.detail.endswith(detail) and bool(heard.detail) is bool(detail)
    assert heard.is_wrong is (state in (DEAF, LATE))
    verdict = heartbeat.judge_launches(host, settings, beat)
    states = {NOTICED: COMPLIANT, UNABLE: NOT_APPLICABLE, UNTRIED: UNKNOWN, DEAF: NONCOMPLIANT, LATE: NONCOMPLIANT}
    assert (verdict.rule, verdict.state) == (heartbeat.LAUNCHES_RULE, states[state])
    assert verdict.drifted is heard.is_wrong
    expected = [(watch_units.LAUNCHES_UNIT, detail)] * heard.is_wrong
    assert [(finding.id, finding.detail) for finding in verdict.findings] == expected
    assert bool(verdict.reason) is (state in (UNABLE, UNTRIED))


def test_other_program_in_place_of_the_heartbeat_is_not_executed(watched, monkeypatch):
    host, _ = watched
    replace_file(host)
    monkeypatch.setattr(Made, "try_execution", lambda *_: pytest.fail("it is executed"))
    Heartbeat(host)


def test_heartbeat_that_cannot_be_executed_is_untried(watched, monkeypatch):
    host, _ = watched
    host.try_execution(HEARTBEAT)
    monkeypatch.setattr(Made, "try_execution", lambda *_: errno.EACCES)
    heard = Heartbeat(host).wait_for_result(watch_files.read_settings(host))
    assert heard.state == UNTRIED and heard.detail.endswith(f"cannot execute {HEARTBEAT}: Permission denied")


def test_daemon_that_systemd_starts_is_waited_for(watched, monkeypatch):
    host, _ = watched
    remove_daemon(host)
    monkeypatch.setattr(heartbeat, "ANSWER_TIMEOUT_SECONDS", 60.0)
    monkeypatch.setattr(heartbeat, "REPEAT_SECONDS", 0.0)
    monkeypatch.setattr(heartbeat, "is_evidently_active", lambda host, name: name == watch_units.LAUNCHES_UNIT)
    monkeypatch.setattr(heartbeat.time, "sleep", lambda _: host.stopped.clear())
    assert Heartbeat(host).wait_for_result(watch_files.read_settings(host)).state == NOTICED
