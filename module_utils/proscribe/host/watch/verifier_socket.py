"""The verifier's end of its socket connection to the daemon. The daemon's end is starts/verifier_process.py."""

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
    from .attempt_counter import AttemptCounter
    from .terminations import ProcessTerminations

    class RequestHandler(Protocol):
        """Object that answers requests (launch_verifier.py)."""

        attempts: AttemptCounter
        endings: ProcessTerminations

        def process_request(self, request: Any) -> VerifierVerdicts: ...

        def get_due_time(self) -> float | None: ...

        def process_due(self, now: float) -> None: ...


# wait for a request before the verifier ends; longer than counted attempts wait before they are written
IDLE_TIMEOUT_SECONDS = 70.0


def serve_requests(verifier: RequestHandler, descriptor: int) -> None:
    """Answer requests on a socket until the daemon closes it, or sends none for IDLE_TIMEOUT_SECONDS.

    `descriptor` is that of the socket. Each message has its length in four bytes before it. Before this function
    returns, all begun terminations are finished, and all counted attempts are written.
    """
    # When the service stops, systemd sends SIGTERM to the verifier too. The verifier ignores it, and first writes the
    # counts.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    channel = _socket.socket(fileno=descriptor)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    deadline = time.monotonic() + IDLE_TIMEOUT_SECONDS
    while True:
        now = time.monotonic()
        until = min(deadline, verifier.get_due_time() or deadline)
        if poll.poll(max(0.0, until - now) * 1000 + 1):
            request = _receive_request(channel)
            if request is None:
                break
            content = marshal.dumps(dict(verifier.process_request(request)))
            channel.sendall(len(content).to_bytes(4, "little") + content)
            deadline = time.monotonic() + IDLE_TIMEOUT_SECONDS
        now = time.monotonic()
        verifier.process_due(now)
        if now >= deadline and not verifier.endings:
            break
    while verifier.endings:
        time.sleep(0.02)
        verifier.process_due(time.monotonic())
    verifier.attempts.write_due_counts(time.monotonic(), writes_all=True)


def _receive_request(channel: Any) -> Any:
    """Return the next request; None if the daemon has closed the socket."""
    head = _receive_bytes(channel, 4)
    body = _receive_bytes(channel, int.from_bytes(head, "little")) if head else b""
    return marshal.loads(body) if body else None


def _receive_bytes(channel: Any, size: int) -> bytes:
    """Return exactly `size` bytes from a socket; b"" if the socket is closed before."""
    content = b""
    while len(content) < size:
        piece = channel.recv(size - len(content))
        if not piece:
            return b""
        content += piece
    return content
