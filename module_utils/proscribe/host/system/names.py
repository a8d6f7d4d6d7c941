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
from .processes import NOBODY_UID
from .types import ObservationError

_NO_SUCH_NAME_ERRORS = (_socket.EAI_NONAME, getattr(_socket, "EAI_NODATA", _socket.EAI_NONAME))


class NameResolution(NamedTuple):
    """What became of one name."""

    addresses: tuple[str, ...] = ()
    failure: str = ""  # why it is not known whether it has addresses


def resolve_name(name: str, family: int, timeout: float) -> NameResolution:
    """Resolve a name; `family` 0 is both. Raises Unseen if that takes longer than `timeout` seconds."""
    resolutions: list[NameResolution] = []
    done = _thread.allocate_lock()
    done.acquire()

    def resolve_in_thread() -> None:
        try:
            resolutions.append(_query_resolver(name, family))
        finally:
            done.release()

    with _drop_privileges():
        _thread.start_new_thread(resolve_in_thread, ())
        done.acquire(True, timeout)
    if not resolutions:
        raise ObservationError(f"the C library has no answer for {name} within {timeout:g} s")
    return resolutions[0]


def _query_resolver(name: str, family: int) -> NameResolution:
    try:
        answers = _socket.getaddrinfo(name.encode("ascii"), None, family, _socket.SOCK_DGRAM)  # a str loads much more
    except _socket.gaierror as error:
        return NameResolution() if error.errno in _NO_SUCH_NAME_ERRORS else NameResolution(failure=str(error.strerror))
    except OSError as error:
        return NameResolution(failure=str(error.strerror))
    return NameResolution(tuple(str(answer[4][0]) for answer in answers))


@contextlib.contextmanager
def _drop_privileges() -> Iterator[None]:
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
            os.setegid(NOBODY_UID)
            os.seteuid(NOBODY_UID)
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        with contextlib.suppress(OSError):  # where none could be given up
            os.setgroups(groups)
