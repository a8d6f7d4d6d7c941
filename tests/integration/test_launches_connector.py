"""Starts as a machine's own kernel reports them. Nothing is ended here: what starts is only listened to."""

import os
import select
import subprocess
import time

import made_starts as starts
import pytest
from conftest import require_root
from made_host import plan
from patience import BUSY, until
from proscribe.host.system import Host
from proscribe.host.watch.restricted_programs import RestrictedPrograms, make_prefilter_sets
from proscribe.host.watch.starts import daemon as noticing
from proscribe.host.watch.starts.prefilter import Prefilter
from proscribe.host.watch.starts.proc_events import ProcEvents

ELSEWHERE = ("on an own file system", "over another program")  # the timer's observation finds what has such a path


def test_a_start_is_reported_and_forks_are_not():
    require_root()
    try:
        events = ProcEvents()
    except OSError as error:
        pytest.skip(f"needs a kernel with proc events, and no container around it: {error}")  # nothing to install
    try:
        while events.read_pids() is not None:  # of others, before the filter was there
            pass
        for _ in range(20):  # forks without a start: the kernel's filter leaves them out
            if not (pid := os.fork()):
                os._exit(0)
            os.waitpid(pid, 0)
        process = subprocess.Popen(["sleep", "600"])
        poll, seen, end = select.poll(), set(), time.monotonic() + BUSY
        poll.register(events, select.POLLIN)
        while process.pid not in seen and time.monotonic() < end:
            poll.poll(1000)
            while (event := events.read_pids()) is not None:
                assert event[0], "what the filter lets through is a start"
                seen.update(event[0])
        process.kill()
        process.wait()
        assert process.pid in seen
    finally:
        events.close()


@pytest.fixture
def daemon(tmp_path, monkeypatch):
    """A daemon that knows of a marked program, and hears of this machine's starts."""
    require_root()
    if not starts.may():
        pytest.skip("needs glibc for x86-64, and user namespaces for users")  # nothing to install
    monkeypatch.setattr(noticing, "REPORT_PATH", str(tmp_path / "state"))
    noticer = noticing.LaunchDaemon([])
    section = plan(rclone=starts.RCLONE)["controls"]["apps"]
    noticer.prefilter = Prefilter(make_prefilter_sets(Host(), [section], RestrictedPrograms(Host(), section)))
    sources = [source for source in (noticer.sources.fanotify, noticer.sources.proc_events) if source]
    assert sources
    yield noticer
    for descriptor in (*(source.fileno() for source in sources), noticer.sources.mountinfo, noticer.inotify.descriptor):
        os.close(descriptor)


@pytest.mark.parametrize("attack", [name for name in starts.ATTACKS if name not in ELSEWHERE])
def test_a_marked_program_goes_to_the_verifier_however_it_is_started(daemon, attack):
    def is_waiting(pid):
        daemon.take_starts()
        if daemon.scan_due is None and not daemon.sources.proc_events:
            daemon._scan_processes(0.0)  # which the daemon does each half minute there
        return any(pid in own for own in daemon.queue.starts_by_user.values())

    with starts.place_of_user() as place, starts.started(place, starts.ATTACKS[attack]) as process:
        until(lambda: is_waiting(process.pid), BUSY)
