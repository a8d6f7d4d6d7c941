"""Events on their way to a file, the journal and the local syslog, and runs in which that fails."""

import fcntl
import json
import os
import socket
import stat
import time
from logging.handlers import SysLogHandler

import pytest
from event_runs import SETTINGS
from pasts import bad, good
from proscribe.controller import file_lock
from proscribe.controller.report import event_transport
from proscribe.controller.report.event_transport import datagrams, log_file
from proscribe.controller.report.event_transport.transport import SendingError
from proscribe.controller.report.exports import event_kinds, event_texts
from proscribe.controller.report.run_end.publication import ReportExtras, publish_report
from proscribe.controller.report.storage import report_directory, report_reader
from proscribe.controller.report.text.shell_commands import quote_word
from proscribe.wire.installation import LAUNCHER_PATH

EVENT = event_kinds.EncodedEvent('{"kind":"rule"}', "rule", "web01", "apps/wechat", "noncompliant", True, 4)


def read_lines(path):
    text = path.read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def read_kinds(path):
    return [event["kind"] for event in read_lines(path)]


def send(report, records, changes, settings):
    return event_transport.send_report_events(report, records, changes, settings, f"/r/{report['run']['id']}")


def test_above_the_limit_events_are_counted_and_the_run_is_sent(past, own):
    file = own / "events.jsonl"
    report, records, changes = past.report({f"web{number}": bad() for number in range(5)})
    report["run"]["verdict"] = {"gate": "noncompliant", "passed": False, "exit": 10, "reason": "not met"}
    (warning,) = send(report, records, changes, {**SETTINGS, "file": str(file), "limit": 3})
    assert read_kinds(file) == ["host", "rule", "host", "gate", "run"]
    assert read_lines(file)[-1]["events_left_out"] == 7 and read_lines(file)[-1]["events"]["host"] == 5
    assert warning.startswith("above the limit of 3, 7 events not sent; the next run does not send them; all events ")
    assert warning.endswith(f": {quote_word(LAUNCHER_PATH)} report --run /r/run1 --format events")


def test_without_a_history_the_run_is_sent_and_the_rest_is_said_not_to_be_known(past, own):
    file = own / "events.jsonl"
    past.report({"web01": good()})
    report, records, changes = past.report({"web01": bad()}, record=False)
    (warning,) = send(report, records, changes, {**SETTINGS, "file": str(file)})
    assert read_kinds(file) == ["run"]
    assert "the history does not have this run" in warning
    assert send(report, records, changes, {**SETTINGS, "file": str(file), "send": "all"}) == []
    assert [item["changed"] for item in read_lines(file)[1:]] == [None, None, True]


def test_changes_are_appended_run_after_run(past, own):
    file = own / "events.jsonl"
    for answer in (bad(), bad(), good()):
        assert send(*past.report({"web01": answer}), {**SETTINGS, "file": str(file)}) == []
    assert read_kinds(file) == ["host", "rule", "run", "run", "host", "rule", "run"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


class FailingTransport:
    """A transport that fails at some steps and notes its calls."""

    def __init__(self, text, fails=()):
        self.said, self.fails, self.sent_count = text, fails, 0

    def step(self, name):
        self.said.append(name)
        if name in self.fails:
            raise (SendingError if self.sent_count else OSError)("no\nspace")

    def send_event(self, event):
        self.step(event.kind)
        self.sent_count += 1

    def close(self):
        self.step("close")

    def discard_unsent(self):
        self.step("abandon")


@pytest.mark.parametrize(("fails", "steps", "before"), [
    ([], ["host", "rule", "run", "close"], None),
    (["host"], ["host", "abandon"], "0 events"),
    (["rule"], ["host", "rule", "abandon"], "1 event"),
    (["close"], ["host", "rule", "run", "close", "abandon"], "3 events"),
])  # fmt: skip
def test_a_transport_that_fails_is_abandoned_and_the_others_are_not(past, monkeypatch, fails, steps, before):
    text, other = [], []
    failing = {"file": lambda _: FailingTransport(text, fails), "syslog": lambda _: FailingTransport(other)}
    monkeypatch.setattr(event_transport, "TRANSPORTS", {**failing, "journald": lambda _: 1 / 0})
    warnings = send(*past.report({"web01": bad()}), {**SETTINGS, "file": "/x", "syslog": True})
    assert (text, other) == (steps, ["host", "rule", "run", "close"])
    starts = f"events could not be sent to file: no space; {before} sent before; the next run does not send them; "
    assert [warning.startswith(starts) for warning in warnings] == ([True] if before else [])


@pytest.mark.parametrize(("spoil", "why"), [
    (lambda file: file.parent.chmod(0o777), "can be changed by everybody"),
    (lambda file: (file.touch(), file.chmod(0o666)), "can be changed by everybody"),
    (lambda file: file.symlink_to(file.with_name("elsewhere")), "Too many levels of symbolic links"),
    (lambda file: os.mkfifo(file, 0o600), "is no ordinary file"),
    (lambda file: file.mkdir(), "Is a directory"),
    (lambda file: file.parent.rmdir(), "No such file or directory"),
])  # fmt: skip
def test_a_file_that_others_could_lead_elsewhere_or_that_is_none_is_refused(past, own, spoil, why):
    file = own / "place" / "events.jsonl"
    file.parent.mkdir()
    spoil(file)
    (warning,) = send(*past.report({"web01": bad()}), {**SETTINGS, "file": str(file)})
    assert warning.startswith("events could not be sent to file: ") and why in warning and "0 events sent" in warning
    assert not (own / "place" / "elsewhere").exists()


def test_days_and_facilities_are_those_of_syslog():
    names = ["user", "daemon", "auth", "authpriv", *(f"local{number}" for number in range(8))]
    assert {name: SysLogHandler.facility_names[name] for name in names} == datagrams.SYSLOG_FACILITIES

    # RFC 3164, 4.1.2: a receiver takes the place of the host's name by counting.
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    for month, name in enumerate(months, 1):
        for day, text in ((2, f"{name}  2 03:04:05"), (10, f"{name} 10 03:04:05")):
            when = time.struct_time((2026, month, day, 3, 4, 5, 0, 1, 0))
            message = f'<28>{text} proscribe[{os.getpid()}]: {{"kind":"rule"}}'
            assert datagrams.encode_syslog_message(EVENT, 3, when) == message.encode()


def test_journal_entry_has_its_fields_with_their_lengths():
    fields = [
        (b"MESSAGE", b'{"kind":"rule"}'), (b"PRIORITY", b"4"), (b"SYSLOG_IDENTIFIER", b"proscribe"),
        (b"SYSLOG_FACILITY", b"3"), (b"PROSCRIBE_KIND", b"rule"), (b"PROSCRIBE_HOST", b"web01"),
        (b"PROSCRIBE_RULE", b"apps/wechat"), (b"PROSCRIBE_STATE", b"noncompliant"),
    ]  # fmt: skip
    entry = b"".join(b"%s\n%s%s\n" % (name, len(value).to_bytes(8, "little"), value) for name, value in fields)
    assert datagrams.encode_journal_entry(EVENT, 3) == entry
    assert b"PROSCRIBE_RULE" not in datagrams.encode_journal_entry(EVENT._replace(rule=""), 3)


@pytest.fixture
def daemon(tmp_path, monkeypatch):
    """Listen on one socket in the place of the journal's and syslog's."""
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(path)
        listening.settimeout(0.1)
        monkeypatch.setattr(datagrams, "JOURNAL_SOCKET", path)
        monkeypatch.setattr(datagrams, "SYSLOG_SOCKET", path)
        yield listening


@pytest.mark.parametrize(
    ("name", "facility"), [("journald", b"SYSLOG_FACILITY\n\1\0\0\0\0\0\0\0003\n"), ("syslog", b"<28>")]
)
def test_event_is_one_datagram(past, daemon, name, facility):
    assert send(*past.report({"web01": bad()}), {**SETTINGS, name: True}) == []
    got = [daemon.recv(1 << 16) for _ in range(3)]
    with pytest.raises(TimeoutError):
        daemon.recv(1)
    assert [b'"kind":"%s"' % kind in message for kind, message in zip((b"host", b"rule", b"run"), got)] == [True] * 3
    assert facility in got[0]


@pytest.mark.slow
def test_a_daemon_that_takes_nothing_ends_only_its_own_transport(past, daemon, own, monkeypatch):
    monkeypatch.setattr(datagrams, "SEND_TIMEOUT_SECONDS", 0.1)
    file = own / "events.jsonl"
    fleet = {f"web{number:03}": bad() for number in range(2000)}
    (warning,) = send(*past.report(fleet), {**SETTINGS, "file": str(file), "journald": True})
    assert "events could not be sent to journald: " in warning and "nobody took a message" in warning
    queued = 0
    with pytest.raises(TimeoutError):
        while daemon.recv(1 << 16):
            queued += 1
    assert f"; {queued:,} events sent before; " in warning and queued > 1
    assert len(read_lines(file)) == 4001


def test_a_daemon_that_ends_takes_no_message_any_more(daemon):
    transport = datagrams.open_journal(SETTINGS)
    transport.send_event(EVENT)
    daemon.close()
    with pytest.raises(SendingError, match=r"/socket: .*refused"):
        transport.send_event(EVENT)
    assert transport.sent_count == 1
    transport.discard_unsent()


def test_no_daemon_is_a_warning_with_its_place(past, tmp_path, monkeypatch):
    monkeypatch.setattr(datagrams, "SYSLOG_SOCKET", str(tmp_path / "gone"))
    (warning,) = send(*past.report({"web01": bad()}), {**SETTINGS, "syslog": True})
    assert f"events could not be sent to syslog: {tmp_path}/gone: " in warning and "; 0 events sent before; " in warning


@pytest.mark.parametrize(
    "settings", [{**SETTINGS, "file": "/proc/none/x"}, {**SETTINGS, "limit": "many", "syslog": True}]
)
def test_events_that_cannot_be_sent_are_a_warning_of_a_complete_report(past, tmp_path, settings):
    report, records, _ = past.report({"web01": bad()}, history="sqlite", events=settings, exports=["csv", "events"])
    directory = report_directory.ReportDirectory(tmp_path / f"{report['run']['id']}.partial")
    where = publish_report(directory, report, records, ReportExtras())
    (warning,) = report_reader.read_report(where)["warnings"]
    assert "could not be sent" in warning
    assert (where / "report.html").is_file() and (where / "report.csv").is_file()


def is_open(path):
    links = (os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd"))
    return str(path) in [os.readlink(link) for link in links if os.path.islink(link)]


def test_a_batch_that_does_not_fit_leaves_no_half_line(own, monkeypatch):
    file = own / "events.jsonl"
    file.write_text('{"kind":"before"}\n')
    write = os.write

    def full(descriptor, data):
        if file.stat().st_size > 30:
            raise OSError(28, "No space left on device")
        return write(descriptor, bytes(data)[:20])

    log = log_file.LogFile(str(file))
    log.send_event(EVENT)
    log.send_event(EVENT)
    monkeypatch.setattr(log_file.os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        log.close()
    log.discard_unsent()
    assert (file.read_text(), log.sent_count) == ('{"kind":"before"}\n', 0)


def test_a_line_that_was_cut_by_a_power_failure_stays_a_line_of_its_own(own):
    file = own / "events.jsonl"
    file.write_text('{"kind":"ru')
    file.chmod(0o600)
    log = log_file.LogFile(str(file))
    log.send_event(EVENT)
    assert file.read_text() == '{"kind":"ru', "events are written together"
    log.close()
    assert file.read_text() == '{"kind":"ru\n{"kind":"rule"}\n'
    assert stat.S_IMODE(file.stat().st_mode) == 0o600, "it stays as whoever made it has it"


def test_a_file_that_is_closed_is_on_the_disk(own, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    log = log_file.LogFile(str(own / "events.jsonl"))
    log.send_event(EVENT)
    assert is_open(own / "events.jsonl") and synced == []
    log.close()
    assert (synced, is_open(own / "events.jsonl")) == ([str(own / "events.jsonl")], False)
    os.mkfifo(own / "pipe", 0o600)
    with pytest.raises(SendingError):
        log_file.LogFile(str(own / "pipe"))
    assert not is_open(own / "pipe")


def test_batches_are_written_while_events_come(own):
    file = own / "events.jsonl"
    log = log_file.LogFile(str(file))
    large = EVENT._replace(line="x" * event_texts.MAX_LINE_BYTES)
    for _ in range(log_file.BATCH_BYTES // event_texts.MAX_LINE_BYTES):
        log.send_event(large)
    assert file.stat().st_size == log.sent_count == 0
    log.send_event(large)
    assert file.stat().st_size == log.sent_count * (event_texts.MAX_LINE_BYTES + 1) > log_file.BATCH_BYTES
    with file.open() as other:  # which other runs may have between two batches
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    log.send_event(EVENT)
    before = log.sent_count
    log.close()
    assert log.sent_count == before + 1 and len(file.read_bytes().splitlines()) == log.sent_count


def test_another_run_that_has_the_file_is_waited_for_and_not_for_ever(own, monkeypatch):
    file = own / "events.jsonl"
    file.touch(0o600)
    holder = os.open(file, os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)
    log = log_file.LogFile(str(file))
    log.send_event(EVENT)
    with monkeypatch.context() as patched:
        patched.setattr(log_file, "LOCK_TIMEOUT_SECONDS", 0.2)
        with pytest.raises(SendingError, match="another process had the file locked for 0 seconds"):
            log.close()
    monkeypatch.setattr(file_lock.time, "sleep", lambda _: fcntl.flock(holder, fcntl.LOCK_UN))
    log.close()
    assert (file.read_text(), log.sent_count) == ('{"kind":"rule"}\n', 1)
    os.close(holder)
