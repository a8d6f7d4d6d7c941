"""Names as a program of an ordinary user looks them up: by the C library, with all that this is configured to ask.

A module of the C library may wait for as long as it likes. So a thread asks, and nobody waits for that longer than
agreed: a child instead would cost thirty times as much.
"""

from __future__ import annotations

import _socket
import _thread
import contextlib
import os
from typing import Iterator

from ...base.tuples import NamedTuple
from .processes import NOBODY
from .types import Unseen

_NO_SUCH_NAME = (_socket.EAI_NONAME, getattr(_socket, "EAI_NODATA", _socket.EAI_NONAME))


class Resolution(NamedTuple):
    """What became of one name."""

    addresses: tuple[str, ...] = ()
    failure: str = ""  # why it is not known whether it has addresses


def resolve(name: str, family: int, patience: float) -> Resolution:
    """Resolve a name; `family` 0 is both. Raises Unseen if that takes longer than `patience` seconds."""
    found: list[Resolution] = []
    done = _thread.allocate_lock()
    done.acquire()

    def ask() -> None:
        try:
            found.append(_resolution(name, family))
        finally:
            done.release()

    with _as_nobody():
        _thread.start_new_thread(ask, ())
        done.acquire(True, patience)
    if not found:
        raise Unseen(f"the C library has no answer for {name} within {patience:g} s")
    return found[0]


def _resolution(name: str, family: int) -> Resolution:
    try:
        answers = _socket.getaddrinfo(name.encode("ascii"), None, family, _socket.SOCK_DGRAM)  # a str loads much more
    except _socket.gaierror as error:
        return Resolution() if error.errno in _NO_SUCH_NAME else Resolution(failure=str(error.strerror))
    except OSError as error:
        return Resolution(failure=str(error.strerror))
    return Resolution(tuple(str(answer[4][0]) for answer in answers))


@contextlib.contextmanager
def _as_nobody() -> Iterator[None]:
    """With the rights of nobody in particular, where this process can give its own up: root reads files that others
    may not. A thread that is started meanwhile has them, too.
    """
    if os.geteuid():
        yield
        return
    group, groups = os.getegid(), os.getgroups()
    try:
        with contextlib.suppress(OSError):  # without that capability, or without that number (user_namespaces(7))
            os.setgroups([])
            os.setegid(NOBODY)
            os.seteuid(NOBODY)
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        with contextlib.suppress(OSError):  # where none could be given up
            os.setgroups(groups)
