"""The process that verifies starts (verifying.py), as the daemon sees it."""

from __future__ import annotations

import _socket  # see proc_events.py
import marshal
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....model.types.watch import VerifierVerdicts
    from .waiting import Start

ANSWERS_WITHIN = 15.0  # seconds


class Verifier:
    """It is started by the command that started the daemon."""

    def __init__(self, command: Sequence[str]) -> None:
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0)]
            self.pid = os.posix_spawn(command[0], list(command), os.environ, file_actions=actions)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._socket = ours
        self._socket.setblocking(False)
        self._said = bytearray()
        self.busy_until = 0.0  # 0 while it has nothing to do
        self.starts: list[Start] = []
        self.used = 0.0  # processor time that is accounted for

    def fileno(self) -> int:
        number: int = self._socket.fileno()
        return number

    def request(self, what: tuple[Any, ...], now: float, within: float = ANSWERS_WITHIN) -> None:
        """Send a request: at most a few kilobytes, which a socket takes. Raises OSError."""
        content = marshal.dumps(what)
        self._socket.send(len(content).to_bytes(4, "little") + content)
        self.busy_until = now + within

    def answer(self) -> VerifierVerdicts | None:
        """The answer, None while it is not whole. Raises OSError where there will be none."""
        while True:
            try:
                piece = self._socket.recv(65536)
            except BlockingIOError:
                return None
            if not piece:
                raise OSError
            self._said += piece
            size = int.from_bytes(self._said[:4], "little")
            if len(self._said) >= 4 + size > 4:
                found: VerifierVerdicts = marshal.loads(bytes(self._said[4 : 4 + size]))
                self._said = bytearray()
                self.busy_until = 0.0
                return found

    def end(self) -> None:
        """Be done with it: it ends once nobody is there, and at once where it hangs."""
        self._socket.close()
        try:
            if self.busy_until:
                os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
        except OSError:
            pass
