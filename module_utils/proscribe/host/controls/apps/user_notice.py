"""Notifies logged-in users why something of theirs ends or goes: a line on their terminals, a note on their desktops.

Nobody waits for a reader: terminals are written to without blocking, desktops called with a limit, and nothing that
goes wrong here keeps the ban from being enforced.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from functools import partial
from typing import Collection, Iterator, Sequence

from ...system import ControlError, Host, ObservationError, format_one_line
from ...system.forked import WorkLimits, run_apart
from ..base import Action
from .request_hint import hints

SHOWN = ("end", "remove", "quarantine")  # verbs of which users notice something
LONGEST = 400  # characters
PATIENCE = 4  # seconds for a desktop to answer
APART = WorkLimits(seconds=PATIENCE + 2, memory=0)
DESKTOPS_SECONDS = 15.0  # for all desktops: other runs wait for the host meanwhile
_FLAGS = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW


def notifying(
    host: Host, text: str, actions: Sequence[Action], until: str = "", requests: bool = False
) -> list[Action]:
    """The action that notifies users before these others happen; none if there is nothing to say, or nobody notices.

    A text in several languages has a line for each, and all are shown in their order: which language somebody reads is
    not known here. Where hosts have the command for `requests`, it comes last. `until` is when what is moved has been
    kept long enough (UTC); "" if it is kept for ever.
    """
    lines = [line for line in map(cleaned, text.split("\n")) if line]
    if lines and until and any(action.verb == "quarantine" for action in actions):
        lines[-1] = cleaned(f"{lines[-1][: LONGEST - 60]} What is moved is kept until {until[:10]}.")
    shown = [action for action in actions if action.verb in SHOWN]
    if not lines or not shown:
        return []
    services = {rule.partition("/")[2] for action in shown for rule in action.rules}
    text = with_hints("\n".join(lines), services, requests)
    return [Action("tell", "logged-in users", partial(notify, host, text), "", text + "\n")]


def with_hints(text: str, services: Collection[str], requests: bool) -> str:
    """A text, and last how its readers request an exception for the services; "" for no text."""
    if not text or not requests:
        return text
    (named,) = services if len(services) == 1 else ("SERVICE",)
    return "\n".join([text, *hints(text, named)])


def cleaned(text: str) -> str:
    """A line of the text that cannot command a terminal, nor a desktop that knows markup."""
    return format_one_line(text)[:LONGEST].translate(str.maketrans("<>&", "()+"))


def notify(host: Host, text: str, uid: int | None = None) -> None:
    """Notify everybody who is logged in, or the user of that number. Never raises, never blocks for long.

    Each line is cleaned here, whoever wrote it: the answer to a request, too.
    """
    text = "\n".join(filter(None, map(cleaned, text.split("\n"))))
    lines = "\r\n".join(f"proscribe: {line}" for line in text.split("\n"))
    message = f"\r\n\r\n{lines}\r\n\r\n".encode("utf-8", "replace")
    with contextlib.suppress(ObservationError, ControlError):
        for name in terminals(host, uid):
            _write(host, name, message)
    end = time.monotonic() + DESKTOPS_SECONDS
    with contextlib.suppress(ObservationError, ControlError):
        for name in host.list_directory("/run/user"):
            if name.isdigit() and uid in (None, int(name)) and time.monotonic() < end:
                with contextlib.suppress(ObservationError, ControlError):  # what is in there is that user's word
                    run_apart(partial(_notify, host, int(name), f"/run/user/{name}/bus", text), APART)


def terminals(host: Host, uid: int | None = None) -> Iterator[str]:
    """The terminals of users (or of one) who let others write to them (mesg(1)), but for those that this run itself
    talks to.
    """
    ours = {_terminal(host, pid) for pid in host.list_ancestor_pids()}
    for folder in ("/dev/pts", "/dev"):
        for name in host.list_directory(folder):
            if not name.isdigit() and not (folder == "/dev" and name[:3] == "tty" and name[3:].isdigit()):
                continue
            seen = host.find_entry(f"{folder}/{name}")
            if seen is None or not stat.S_ISCHR(seen.st_mode) or not seen.st_mode & stat.S_IWGRP:
                continue
            if uid is not None and seen.st_uid != uid:
                continue
            if seen.st_rdev not in ours and (folder == "/dev/pts" or seen.st_uid):  # an unused console is root's
                yield f"{folder}/{name}"


def _terminal(host: Host, pid: int) -> int:
    """The device of a process's controlling terminal; 0 for none. Its number is split as in proc_pid_stat(5)."""
    fields = (host.read_text(f"/proc/{pid}/stat") or "").rpartition(")")[2].split()
    number = int(fields[4]) if len(fields) > 4 else 0
    return os.makedev((number >> 8) & 0xFFF, (number & 0xFF) | ((number >> 12) & 0xFFF00)) if number else 0


def _write(host: Host, path: str, message: bytes) -> None:
    folder, _, name = path.rpartition("/")
    with contextlib.suppress(OSError), host.open_directory(folder) as directory:
        descriptor = os.open(name, _FLAGS, dir_fd=directory)
        try:
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                os.write(descriptor, message)
        finally:
            os.close(descriptor)


def _notify(host: Host, uid: int, bus: str, text: str) -> None:
    """A note by the desktop's own service, asked on the user's own bus as that user (Desktop Notifications 1.2)."""
    if not host.find_entry(bus):
        return
    where = ("org.freedesktop.Notifications", "/org/freedesktop/Notifications", "org.freedesktop.Notifications")
    words = [
        "busctl",
        f"--address=unix:path={bus}",
        "--auto-start=no",
        f"--timeout={PATIENCE}",
        "call",
        *where,
        "Notify",
    ]
    content = ["susssasa{sv}i", "proscribe", "0", "dialog-information", "Restricted software", text, "0", "0", "-1"]
    with contextlib.suppress(ControlError):
        host.run_command([*words, *content], user=host.find_account(uid), timeout=PATIENCE + 1)
