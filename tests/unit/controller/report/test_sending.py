"""Events on their way: to a file, the journal and the local syslog; and what becomes of a run when that fails."""

from __future__ import annotations

import json
import os
import socket
from logging.handlers import SysLogHandler

import pytest
from event_runs import SETTINGS
from pasts import bad, good
from proscribe.controller.compile.restrictions.event_values import read_events
from proscribe.controller.policy_errors import Expected
from proscribe.controller.report import sending
from proscribe.controller.report.end.publishing import Beyond, publish
from proscribe.controller.report.exports.event_kinds import Event
from proscribe.controller.report.sending import datagrams
from proscribe.controller.report.sending.transport import Failed
from proscribe.controller.report.storage.complete import read_report
from proscribe.controller.report.storage.files import ReportDirectory
from proscribe.controller.report.text.command import quoted
from proscribe.wire.installation import LAUNCHER

EVENT = Event('{"kind":"rule"}', "rule", "web01", "apps/wechat", "noncompliant", True, 4)


def lines(path):
    text = path.read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def kinds(path):
    return [one["kind"] for one in lines(path)]


def send(report, records, changes, settings):
    return sending.send(report, records, changes, settings, f"/r/{report['run']['id']}")


# -- what is sent ------------------------------------------------------------------------------------------------------


def test_above_the_limit_events_are_counted_and_the_run_is_sent(past, own):
    file = own / "events.jsonl"
    report, records, changes = past.report({f"web{number}": bad() for number in range(5)})
    report["run"]["verdict"] = {"gate": "noncompliant", "passed": False, "exit": 10, "reason": "not met"}
    (warning,) = send(report, records, changes, {**SETTINGS, "file": str(file), "limit": 3})
    assert kinds(file) == ["host", "rule", "host", "gate", "run"]
    assert lines(file)[-1]["events_left_out"] == 7 and lines(file)[-1]["events"]["host"] == 5
    assert warning.startswith("above the limit of 3, 7 events not sent; the next run does not send them; all events ")
    assert warning.endswith(f": {quoted(LAUNCHER)} report --run /r/run1 --format events")


def test_without_a_history_the_run_is_sent_and_the_rest_is_said_not_to_be_known(past, own):
    file = own / "events.jsonl"
    past.report({"web01": good()})
    report, records, changes = past.report({"web01": bad()}, record=False)
    (warning,) = send(report, records, changes, {**SETTINGS, "file": str(file)})
    assert kinds(file) == ["run"]
    assert "the history does not have this run" in warning
    assert send(report, records, changes, {**SETTINGS, "file": str(file), "send": "all"}) == []


def test_the_usual_settings_and_the_most_that_is_sent():
    assert read_events({"syslog": True}) == {**SETTINGS, "syslog": True}
    assert read_events({"syslog": True, "limit": 10_000_000})["limit"] == 10_000_000
    with pytest.raises(Expected):
        read_events({"syslog": True, "limit": 10_000_001})


class Made:
    """A transport that fails at some steps, and what is asked of it."""

    def __init__(self, said, fails=()):
        self.said, self.fails, self.sent = said, fails, 0

    def step(self, name):
        self.said.append(name)
        if name in self.fails:
            raise (Failed if self.sent else OSError)("no\nspace")

    def send(self, event):
        self.step(event.kind)
        self.sent += 1

    def close(self):
        self.step("close")

    def abandon(self):
        self.step("abandon")


@pytest.mark.parametrize(
    ("fails", "steps", "before"),
    [
        ([], ["host", "rule", "run", "close"], None),
        (["host"], ["host", "abandon"], "0 events"),
        (["rule"], ["host", "rule", "abandon"], "1 event"),
        (["close"], ["host", "rule", "run", "close", "abandon"], "3 events"),
    ],
)
def test_a_transport_that_fails_is_abandoned_and_the_others_are_not(past, monkeypatch, fails, steps, before):
    said, other = [], []
    made = {"file": lambda _: Made(said, fails), "journald": lambda _: 1 / 0, "syslog": lambda _: Made(other)}
    monkeypatch.setattr(sending, "TRANSPORTS", made)
    warnings = send(*past.report({"web01": bad()}), {**SETTINGS, "file": "/x", "syslog": True})
    assert (said, other) == (steps, ["host", "rule", "run", "close"])
    starts = f"events could not be sent to file: no space; {before} sent before; the next run does not send them; "
    assert [warning.startswith(starts) for warning in warnings] == ([True] if before else [])


# -- the file ----------------------------------------------------------------------------------------------------------


def in_a_place_of_everybodys(file):
    file.parent.chmod(0o777)


def writable(file):
    file.touch()
    file.chmod(0o666)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (in_a_place_of_everybodys, "can be changed by everybody"),
        (writable, "can be changed by everybody"),
        (lambda file: file.symlink_to(file.with_name("elsewhere")), "Too many levels of symbolic links"),
        (lambda file: os.mkfifo(file, 0o600), "is no ordinary file"),
        (lambda file: file.mkdir(), "Is a directory"),
        (lambda file: file.parent.rmdir(), "No such file or directory"),
    ],
)
def test_a_file_that_others_could_lead_elsewhere_or_that_is_none_is_refused(past, own, made, why):
    file = own / "place" / "events.jsonl"
    file.parent.mkdir()
    made(file)
    (warning,) = send(*past.report({"web01": bad()}), {**SETTINGS, "file": str(file)})
    assert warning.startswith("events could not be sent to file: ") and why in warning and "0 events sent" in warning
    assert not (own / "place" / "elsewhere").exists()


# -- datagrams ---------------------------------------------------------------------------------------------------------


def test_the_facilities_are_those_of_syslog():
    names = ["user", "daemon", "auth", "authpriv", *(f"local{number}" for number in range(8))]
    assert {name: SysLogHandler.facility_names[name] for name in names} == datagrams.FACILITIES


@pytest.fixture
def daemon(tmp_path, monkeypatch):
    """A daemon's socket, in the place of both."""
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(path)
        listening.settimeout(0.1)
        monkeypatch.setattr(datagrams, "JOURNAL", path)
        monkeypatch.setattr(datagrams, "SYSLOG", path)
        yield listening


@pytest.mark.parametrize("name", ["journald", "syslog"])
def test_each_event_is_one_datagram(past, daemon, name):
    assert send(*past.report({"web01": bad()}), {**SETTINGS, name: True}) == []
    got = [daemon.recv(1 << 16) for _ in range(3)]
    with pytest.raises(TimeoutError):
        daemon.recv(1)
    assert [b'"kind":"%s"' % kind in message for kind, message in zip((b"host", b"rule", b"run"), got)] == [True] * 3


def test_a_daemon_that_takes_nothing_ends_only_its_own_transport(past, daemon, own, monkeypatch):
    monkeypatch.setattr(datagrams, "PATIENCE", 0.1)
    file = own / "events.jsonl"
    fleet = {f"web{number:03}": bad() for number in range(2000)}
    (warning,) = send(*past.report(fleet), {**SETTINGS, "file": str(file), "journald": True})
    assert "events could not be sent to journald: " in warning and "nobody took a message" in warning
    queued = 0
    with pytest.raises(TimeoutError):
        while daemon.recv(1 << 16):
            queued += 1
    assert f"; {queued:,} events sent before; " in warning and queued > 1
    assert len(lines(file)) == 4001


def test_a_daemon_that_ends_takes_no_message_any_more(daemon):
    transport = datagrams.journal(SETTINGS)
    transport.send(EVENT)
    daemon.close()
    with pytest.raises(Failed, match=r"/socket: .*refused"):
        transport.send(EVENT)
    assert transport.sent == 1
    transport.abandon()


def test_no_daemon_is_a_warning_with_its_place(past, tmp_path, monkeypatch):
    monkeypatch.setattr(datagrams, "SYSLOG", str(tmp_path / "gone"))
    (warning,) = send(*past.report({"web01": bad()}), {**SETTINGS, "syslog": True})
    assert f"events could not be sent to syslog: {tmp_path}/gone: " in warning and "; 0 events sent before; " in warning


# -- the end of a run --------------------------------------------------------------------------------------------------


def published(past, tmp_path, settings, answer):
    report, records, _ = past.report({"web01": answer}, history="sqlite", events=settings, exports=["csv", "events"])
    directory = ReportDirectory(tmp_path / f"{report['run']['id']}.partial")
    return publish(directory, report, records, Beyond())


@pytest.mark.parametrize(
    "settings", [{**SETTINGS, "file": "/proc/none/x"}, {**SETTINGS, "limit": "many", "syslog": True}]
)
def test_events_that_cannot_be_sent_are_a_warning_of_a_complete_report(past, tmp_path, settings):
    where = published(past, tmp_path, settings, bad())
    (warning,) = read_report(where)["warnings"]
    assert "could not be sent" in warning
    assert (where / "report.html").is_file() and (where / "report.csv").is_file()
