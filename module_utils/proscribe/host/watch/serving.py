"""The verifier's end of the socket to the daemon (starts/verifier.py is the other one)."""

from __future__ import annotations

import _socket
import marshal
import select
import signal
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Protocol

    from ...model.types.watch import VerifierVerdicts
    from .attempts import Attempts
    from .ending import Endings

    class Verifying(Protocol):
        """What answers (verifying.py)."""

        attempts: Attempts
        endings: Endings

        def answer(self, request: Any) -> VerifierVerdicts: ...

        def due(self) -> float | None: ...

        def proceed(self, now: float) -> None: ...


LINGERS = 70.0  # seconds without a request; longer than what is counted waits to be written


def serve(verifying: Verifying, descriptor: int) -> None:
    """Answer requests on a socket until nobody is there, or nobody wanted anything for a while."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the service ends with the daemon; what was counted is written first
    channel = _socket.socket(fileno=descriptor)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    end = time.monotonic() + LINGERS
    while True:
        now = time.monotonic()
        until = min(end, verifying.due() or end)
        if poll.poll(max(0.0, until - now) * 1000 + 1):
            request = _request(channel)
            if request is None:
                break
            content = marshal.dumps(dict(verifying.answer(request)))
            channel.sendall(len(content).to_bytes(4, "little") + content)
            end = time.monotonic() + LINGERS
        now = time.monotonic()
        verifying.proceed(now)
        if now >= end and not verifying.endings:
            break
    while verifying.endings:
        time.sleep(0.02)
        verifying.proceed(time.monotonic())
    verifying.attempts.proceed(time.monotonic(), all_of_it=True)


def _request(channel: Any) -> Any:
    """The next request; None at the end."""
    head = _exactly(channel, 4)
    body = _exactly(channel, int.from_bytes(head, "little")) if head else b""
    return marshal.loads(body) if body else None


def _exactly(channel: Any, size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = channel.recv(size - len(found))
        if not piece:
            return b""
        found += piece
    return found
