"""Events at the end of a file: in batches that are whole, one run after the other."""

from __future__ import annotations

import fcntl
import os
import stat

import pytest
from proscribe.controller import waiting
from proscribe.controller.report.exports.event_kinds import Event
from proscribe.controller.report.exports.event_texts import LONGEST
from proscribe.controller.report.sending import log_file
from proscribe.controller.report.sending.log_file import LogFile
from proscribe.controller.report.sending.transport import Failed

EVENT = Event('{"kind":"rule"}', "rule", "web01", "apps/wechat", "noncompliant", True, 4)


def is_open(path):
    """Whether this process has a file open."""
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

    log = LogFile(str(file))
    log.send(EVENT)
    log.send(EVENT)
    monkeypatch.setattr(log_file.os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        log.close()
    log.abandon()
    assert (file.read_text(), log.sent) == ('{"kind":"before"}\n', 0)


def test_a_line_that_was_cut_by_a_power_failure_stays_a_line_of_its_own(own):
    file = own / "events.jsonl"
    file.write_text('{"kind":"ru')
    file.chmod(0o600)
    log = LogFile(str(file))
    log.send(EVENT)
    assert file.read_text() == '{"kind":"ru', "events are written together"
    log.close()
    assert file.read_text() == '{"kind":"ru\n{"kind":"rule"}\n'
    assert stat.S_IMODE(file.stat().st_mode) == 0o600, "it stays as whoever made it has it"


def test_a_file_that_is_closed_is_on_the_disk(own, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    log = LogFile(str(own / "events.jsonl"))
    log.send(EVENT)
    assert is_open(own / "events.jsonl") and synced == []
    log.close()
    assert (synced, is_open(own / "events.jsonl")) == ([str(own / "events.jsonl")], False)
    os.mkfifo(own / "pipe", 0o600)
    with pytest.raises(Failed):
        LogFile(str(own / "pipe"))
    assert not is_open(own / "pipe")


def test_batches_are_written_while_events_come(own):
    file = own / "events.jsonl"
    log = LogFile(str(file))
    large = EVENT._replace(line="x" * LONGEST)
    for _ in range(log_file.BATCH // LONGEST):
        log.send(large)
    assert file.stat().st_size == log.sent == 0
    log.send(large)
    assert file.stat().st_size == log.sent * (LONGEST + 1) > log_file.BATCH
    with file.open() as other:  # which other runs may have between two batches
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    log.send(EVENT)
    before = log.sent
    log.close()
    assert log.sent == before + 1 and len(file.read_bytes().splitlines()) == log.sent


def test_another_run_that_has_the_file_is_waited_for_and_not_for_ever(own, monkeypatch):
    file = own / "events.jsonl"
    file.touch(0o600)
    holder = os.open(file, os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)
    log = LogFile(str(file))
    log.send(EVENT)
    with monkeypatch.context() as patched:
        patched.setattr(log_file, "PATIENCE", 0.2)
        with pytest.raises(Failed, match="another process had the file locked for 0 seconds"):
            log.close()
    monkeypatch.setattr(waiting.time, "sleep", lambda _: fcntl.flock(holder, fcntl.LOCK_UN))
    log.close()
    assert (file.read_text(), log.sent) == ('{"kind":"rule"}\n', 1)
    os.close(holder)
