"""Resolution of a name as in an ordinary user's program: by the C library, with the host's name services.

A name service may wait without limit. So a thread resolves the name, and the caller waits only until the timeout. A
child process would take thirty times as long.
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
    """Result of a name resolution. No addresses and no failure mean that the name does not exist."""

    addresses: tuple[str, ...] = ()
    failure: str = ""  # why the addresses are unknown; "" if they are known, or if the name does not exist


def resolve_name(name: str, family: int, timeout: float) -> NameResolution:
    """Resolve a name without root's rights. `family` is an AF_ constant of socket; 0 means IPv4 and IPv6.

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
    """Ask the C library for the addresses of a name, and wait for the answer."""
    try:
        # The name is passed as bytes: for a str, Python would load many more modules.
        answers = _socket.getaddrinfo(name.encode("ascii"), None, family, _socket.SOCK_DGRAM)
    except _socket.gaierror as error:
        return NameResolution() if error.errno in _NO_SUCH_NAME_ERRORS else NameResolution(failure=str(error.strerror))
    except OSError as error:
        return NameResolution(failure=str(error.strerror))
    return NameResolution(tuple(str(answer[4][0]) for answer in answers))


@contextlib.contextmanager
def _drop_privileges() -> Iterator[None]:
    """Run the `with` body as user and group 65534, if this process is root and can change its user.

    Root can read configuration files that other users cannot read, so root's result might differ. A thread that starts
    in the body has the same reduced rights.
    """
    if os.geteuid():
        yield
        return
    group, groups = os.getegid(), os.getgroups()
    try:
        # An error means: the process lacks the capability, or its user namespace lacks the number 65534
        # (user_namespaces(7)).
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setegid(NOBODY_UID)
            os.seteuid(NOBODY_UID)
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        with contextlib.suppress(OSError):  # this process may have been unable to change its groups
            os.setgroups(groups)
