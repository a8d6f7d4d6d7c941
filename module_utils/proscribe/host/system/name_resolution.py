"""Resolution of names as in a program of an ordinary user: by the C library, with its configured sources.

A module of the C library may wait without limit. So a thread resolves the name, and the caller waits only for the
agreed time. A child process would cost thirty times as much.
"""

from __future__ import annotations

import _socket
import _thread
import contextlib
import os
from typing import Iterator

from ...base.named_tuple import NamedTuple
from .processes import NOBODY_UID
from .types import ObservationError

_NO_SUCH_NAME_ERRORS = (_socket.EAI_NONAME, getattr(_socket, "EAI_NODATA", _socket.EAI_NONAME))


class NameResolution(NamedTuple):
    """Result of the resolution of a name."""

    addresses: tuple[str, ...] = ()
    failure: str = ""  # the reason why its addresses are unknown


def resolve_name(name: str, family: int, timeout: float) -> NameResolution:
    """Resolve a name; `family` 0 means IPv4 and IPv6.

    Raises ObservationError if the resolution takes longer than `timeout` seconds.
    """
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
        # Bytes, because a str loads many more modules.
        answers = _socket.getaddrinfo(name.encode("ascii"), None, family, _socket.SOCK_DGRAM)
    except _socket.gaierror as error:
        return NameResolution() if error.errno in _NO_SUCH_NAME_ERRORS else NameResolution(failure=str(error.strerror))
    except OSError as error:
        return NameResolution(failure=str(error.strerror))
    return NameResolution(tuple(str(answer[4][0]) for answer in answers))


@contextlib.contextmanager
def _drop_privileges() -> Iterator[None]:
    """Run the block as user and group 65534, if this process can drop its own rights.

    Root reads files that other users may not read. A thread that starts in the block has the dropped rights too.
    """
    if os.geteuid():
        yield
        return
    group, groups = os.getegid(), os.getgroups()
    try:
        # The process lacks the capability, or its namespace lacks that number (user_namespaces(7)).
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setegid(NOBODY_UID)
            os.seteuid(NOBODY_UID)
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        with contextlib.suppress(OSError):  # in case no rights could be dropped
            os.setgroups(groups)
