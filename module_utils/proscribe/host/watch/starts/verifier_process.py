"""The daemon's end of the connection to the verifier process (launch_verifier.py)."""

from __future__ import annotations

import _socket  # not `socket`, to save memory: see proc_events.py
import marshal
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....model.types.watch import VerifierVerdicts
    from .start_queue import ProgramStart

ANSWER_TIMEOUT_SECONDS = 15.0  # for a request to verify starts


class VerifierProcess:
    """A running verifier process. `command` is the command line that starts it."""

    def __init__(self, command: Sequence[str]) -> None:
        own_socket, verifier_socket = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            actions = [(os.POSIX_SPAWN_DUP2, verifier_socket.fileno(), 0)]
            self.pid = os.posix_spawn(command[0], list(command), os.environ, file_actions=actions)
        except OSError:
            own_socket.close()
            raise
        finally:
            verifier_socket.close()
        self._socket = own_socket
        self._socket.setblocking(False)
        self._received = bytearray()
        self.busy_until = 0.0  # time (time.monotonic) by which the answer must come; 0 while no answer is expected
        self.starts: list[ProgramStart] = []  # the starts of the request that waits for its answer
        self.used_seconds = 0.0  # processor time of the verifier that the daemon's budget has already paid

    def fileno(self) -> int:
        number: int = self._socket.fileno()
        return number

    def send_request(self, request: tuple[Any, ...], now: float, timeout: float = ANSWER_TIMEOUT_SECONDS) -> None:
        """Send a request to the verifier, and expect the answer within `timeout` seconds. Raises OSError.

        A request is at most a few kilobytes long, so that the socket can hold it without waiting.
        """
        content = marshal.dumps(request)
        self._socket.send(len(content).to_bytes(4, "little") + content)
        self.busy_until = now + timeout

    def read_answer(self) -> VerifierVerdicts | None:
        """Return the verifier's answer; None while it is incomplete. Raises OSError if the verifier has ended."""
        while True:
            try:
                piece = self._socket.recv(65536)
            except BlockingIOError:
                return None
            if not piece:
                raise OSError
            self._received += piece
            size = int.from_bytes(self._received[:4], "little")
            # the answer is complete: four bytes with its length, and as many bytes
            if len(self._received) >= 4 + size > 4:
                verdicts: VerifierVerdicts = marshal.loads(bytes(self._received[4 : 4 + size]))
                self._received = bytearray()
                self.busy_until = 0.0
                return verdicts

    def end_verifier(self) -> None:
        """Close the socket, so that an idle verifier ends by itself. Kill a verifier that still owes an answer."""
        self._socket.close()
        try:
            if self.busy_until:
                os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
        except OSError:
            pass
