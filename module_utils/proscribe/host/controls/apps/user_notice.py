"""Notification of logged-in users about ended or removed software, on terminals and desktops.

A run never waits for a reader: terminals are written without blocking, and calls of desktops have a timeout. A failed
notification does not stop the enforcement.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from functools import partial
from typing import Collection, Iterator, Sequence

from ...system import ControlError, Host, ObservationError, format_one_line
from ...system.forked_work import WorkLimits, run_apart
from ..base import ControlAction
from .request_hint import list_request_hints

NOTICED_VERBS = ("end", "remove", "quarantine")  # verbs of actions that users notice
MAX_LINE_CHARACTERS = 400
DESKTOP_TIMEOUT_SECONDS = 4
DESKTOP_LIMITS = WorkLimits(seconds=DESKTOP_TIMEOUT_SECONDS + 2, memory=0)
ALL_DESKTOPS_SECONDS = 15.0  # limit for all desktops together, because other runs wait for the host's lock meanwhile
_TERMINAL_FLAGS = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW


def make_notify_actions(
    host: Host, text: str, actions: Sequence[ControlAction], kept_until: str = "", has_requests: bool = False
) -> list[ControlAction]:
    """Return the action that notifies users before `actions`.

    Return [] without a text, or if users notice none of the actions. A text in several languages has a line for each
    language. All lines are shown, because the language of a reader is unknown. With `has_requests`, last lines have the
    command by which users request an exception. `kept_until` is when the quarantine deletes moved apps (UTC); "" means
    never.
    """
    lines = [line for line in map(clean_line, text.split("\n")) if line]
    if lines and kept_until and any(action.verb == "quarantine" for action in actions):
        lines[-1] = clean_line(
            f"{lines[-1][: MAX_LINE_CHARACTERS - 60]} What is moved is kept until {kept_until[:10]}."
        )
    noticed_actions = [action for action in actions if action.verb in NOTICED_VERBS]
    if not lines or not noticed_actions:
        return []
    services = {rule.partition("/")[2] for action in noticed_actions for rule in action.rules}
    text = append_request_hints("\n".join(lines), services, has_requests)
    return [ControlAction("tell", "logged-in users", partial(notify_users, host, text), "", text + "\n")]


def append_request_hints(text: str, services: Collection[str], has_requests: bool) -> str:
    """Append to a text the command with which its readers request an exception for `services`.

    An empty text stays empty. Without `has_requests`, the host has no such command, and the text is returned unchanged.
    For several services, the command has the placeholder SERVICE.
    """
    if not text or not has_requests:
        return text
    (service_name,) = services if len(services) == 1 else ("SERVICE",)
    return "\n".join([text, *list_request_hints(text, service_name)])


def clean_line(text: str) -> str:
    """Return a line of limited length, without characters that control a terminal or are markup on a desktop."""
    return format_one_line(text)[:MAX_LINE_CHARACTERS].translate(str.maketrans("<>&", "()+"))


def notify_users(host: Host, text: str, uid: int | None = None) -> None:
    """Notify all logged-in users, or only the user with `uid`, on terminals and desktops.

    The function raises no error, and has time limits. Each line is cleaned here, because it may come from any source,
    such as the answer to a request.
    """
    text = "\n".join(filter(None, map(clean_line, text.split("\n"))))
    lines = "\r\n".join(f"proscribe: {line}" for line in text.split("\n"))
    message = f"\r\n\r\n{lines}\r\n\r\n".encode("utf-8", "replace")
    with contextlib.suppress(ObservationError, ControlError):
        for name in list_terminals(host, uid):
            _write_to_terminal(host, name, message)
    deadline = time.monotonic() + ALL_DESKTOPS_SECONDS
    with contextlib.suppress(ObservationError, ControlError):
        for name in host.list_directory("/run/user"):
            if name.isdigit() and uid in (None, int(name)) and time.monotonic() < deadline:
                # The user controls the content of this directory, so a forked process with limits uses it.
                with contextlib.suppress(ObservationError, ControlError):
                    run_apart(partial(_notify_desktop, host, int(name), f"/run/user/{name}/bus", text), DESKTOP_LIMITS)


def list_terminals(host: Host, uid: int | None = None) -> Iterator[str]:
    """Yield the paths of the terminals that accept messages of other users (mesg(1)).

    With `uid`, only the terminals of that user are yielded. The terminals from which this run was started are left out.
    """
    own_devices = {_find_terminal_device(host, pid) for pid in host.list_ancestor_pids()}
    for folder in ("/dev/pts", "/dev"):
        for name in host.list_directory(folder):
            # terminals are the numbers in /dev/pts, and tty1, tty2, ... in /dev
            if not name.isdigit() and not (folder == "/dev" and name[:3] == "tty" and name[3:].isdigit()):
                continue
            status = host.find_entry(f"{folder}/{name}")
            if status is None or not stat.S_ISCHR(status.st_mode) or not status.st_mode & stat.S_IWGRP:
                continue
            if uid is not None and status.st_uid != uid:
                continue
            if status.st_rdev not in own_devices and (
                folder == "/dev/pts" or status.st_uid
            ):  # a console that nobody uses belongs to root
                yield f"{folder}/{name}"


def _find_terminal_device(host: Host, pid: int) -> int:
    """Return the device of a process's controlling terminal, or 0 if it has none.

    The kernel prints the device as one number, from which major and minor number are taken (proc_pid_stat(5)).
    """
    fields = (host.read_text(f"/proc/{pid}/stat") or "").rpartition(")")[2].split()
    number = int(fields[4]) if len(fields) > 4 else 0
    return os.makedev((number >> 8) & 0xFFF, (number & 0xFF) | ((number >> 12) & 0xFFF00)) if number else 0


def _write_to_terminal(host: Host, path: str, message: bytes) -> None:
    """Write a message to a terminal without blocking. Errors are ignored."""
    folder, _, name = path.rpartition("/")
    with contextlib.suppress(OSError), host.open_directory(folder) as directory:
        descriptor = os.open(name, _TERMINAL_FLAGS, dir_fd=directory)
        try:
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                os.write(descriptor, message)
        finally:
            os.close(descriptor)


def _notify_desktop(host: Host, uid: int, bus: str, text: str) -> None:
    """Show a notification on a user's desktop (Desktop Notifications 1.2).

    `busctl` calls the notification service of the desktop, as that user. `bus` is the path of the user's D-Bus socket.
    Without the socket, nothing happens. Errors of `busctl` are ignored.
    """
    if not host.find_entry(bus):
        return
    bus_address = ("org.freedesktop.Notifications", "/org/freedesktop/Notifications", "org.freedesktop.Notifications")
    command = [
        "busctl",
        f"--address=unix:path={bus}",
        "--auto-start=no",
        f"--timeout={DESKTOP_TIMEOUT_SECONDS}",
        "call",
        *bus_address,
        "Notify",
    ]
    content = ["susssasa{sv}i", "proscribe", "0", "dialog-information", "Restricted software", text, "0", "0", "-1"]
    with contextlib.suppress(ControlError):
        host.run_command([*command, *content], user=host.find_account(uid), timeout=DESKTOP_TIMEOUT_SECONDS + 1)
