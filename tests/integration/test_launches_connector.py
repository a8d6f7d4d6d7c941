"""The proc connector of a machine's own kernel. Nothing is ended here: what starts is only listened to."""

from __future__ import annotations

import os
import select
import subprocess
import time

import pytest
from conftest import require_root
from patience import BUSY
from proscribe.host.watch.starts.proc_events import ProcEvents

pytestmark = pytest.mark.integration


def test_a_start_is_reported_and_forks_are_not() -> None:
    require_root()
    try:
        events = ProcEvents()
    except OSError as error:
        pytest.skip(f"needs a kernel with proc events, and no container around it: {error}")  # nothing to install
    try:
        while events.read() is not None:  # of others, before the filter was there
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
            while (found := events.read()) is not None:
                assert found[0], "what the filter lets through is a start"
                seen.update(found[0])
        process.kill()
        process.wait()
        assert process.pid in seen
    finally:
        events.close()
