"""The verifier process (launch_verifier.py), as the daemon sees it."""

from __future__ import annotations

import _socket  # see proc_events.py
import marshal
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....model.types.watch import VerifierVerdicts
    from .start_queue import ProgramStart

ANSWER_TIMEOUT_SECONDS = 15.0


class VerifierProcess:
    """Verifier process, started by the command that started the daemon."""

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
        self.busy_until = 0.0  # 0 while the verifier is idle
        self.starts: list[ProgramStart] = []
        self.used_seconds = 0.0  # processor time that is already charged

    def fileno(self) -> int:
        number: int = self._socket.fileno()
        return number

    def send_request(self, request: tuple[Any, ...], now: float, timeout: float = ANSWER_TIMEOUT_SECONDS) -> None:
        """Send a request of at most a few kilobytes, which fit into the socket. Raises OSError."""
        content = marshal.dumps(request)
        self._socket.send(len(content).to_bytes(4, "little") + content)
        self.busy_until = now + timeout

    def read_answer(self) -> VerifierVerdicts | None:
        """Return the answer; None while it is incomplete. Raises OSError if no answer will come."""
        while True:
            try:
                piece = self._socket.recv(65536)
            except BlockingIOError:
                return None
            if not piece:
                raise OSError
            self._received += piece
            size = int.from_bytes(self._received[:4], "little")
            if len(self._received) >= 4 + size > 4:
                verdicts: VerifierVerdicts = marshal.loads(bytes(self._received[4 : 4 + size]))
                self._received = bytearray()
                self.busy_until = 0.0
                return verdicts

    def end_verifier(self) -> None:
        """Close the socket, so that the verifier ends. Kill a verifier that hangs."""
        self._socket.close()
        try:
            if self.busy_until:
                os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
        except OSError:
            pass
