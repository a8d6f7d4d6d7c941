"""Room for many machines: the first run raises the kernel's limit of inotify instances, the last one lowers it."""

import contextlib
import fcntl
from pathlib import Path

import ledger

INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
ENOUGH = 1024

PRESENT = Path("/run/lock/proscribe-tests-inotify")  # locked by every run that needs the room
BEFORE = PRESENT.with_suffix(".before")  # the limit of the machine's own; locked by who changes it


@contextlib.contextmanager
def room(limit=INSTANCES, present=PRESENT, before=BEFORE):
    """The limit is high enough, as long as anybody is here."""
    with present.open("a") as presence, before.open("a+") as stored:
        with _locked(stored):
            fcntl.flock(presence, fcntl.LOCK_SH)
            stored.seek(0)
            known = stored.read()
            ledger.add(sysctl="fs.inotify.max_user_instances", value=(known or limit.read_text()).strip())
            if not known:
                stored.write(limit.read_text())
                stored.flush()
            if int(limit.read_text()) < ENOUGH:
                limit.write_text(f"{ENOUGH}\n")
        try:
            yield
        finally:
            with _locked(stored):
                fcntl.flock(presence, fcntl.LOCK_UN)
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(presence, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    stored.seek(0)
                    limit.write_text(stored.read())
                    stored.truncate(0)


@contextlib.contextmanager
def _locked(file):
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
