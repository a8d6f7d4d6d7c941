"""A client of OpenSSH's connection multiplexing: commands over a connection that `ssh` keeps open.

Such a connection (ControlPersist) belongs to a process, to which `ssh` only hands its standard input, output and
errors. That process runs the command and returns the exit code. Starting `ssh` is most of the cost of a call for the
controller (docs/speed.md). The protocol is OpenSSH's `PROTOCOL.mux`, version 4, the same since OpenSSH 5.4 (2010).
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterable

HELLO = 0x00000001
NEW_SESSION = 0x10000002
TERMINATE = 0x10000005
DENIED = 0x80000002
FAILURE = 0x80000003
EXIT = 0x80000004
OPENED = 0x80000006
PROTOCOL_VERSION = 4
MAX_PACKET_BYTES = 256 * 1024  # bytes of a packet; OpenSSH itself refuses longer packets
CHUNK_BYTES = 4096  # bytes of a read; most packets have some 20
NO_ESCAPE = 0xFFFFFFFF
REQUEST_NUMBER = 1  # a conversation here has only one request
LOST_EXIT_CODE = 255  # the exit code of `ssh` when the connection ends


_CONTROL_PATH_PATTERN = re.compile(rb'controlpath[ =]"?([^"]*)"?', re.IGNORECASE)


class NoMultiplexSession(OSError):
    """The error that the open connection is missing, or accepts no command now.

    The caller can still start `ssh`, which opens a new connection.
    """


class MultiplexSession:
    """A command that runs over an open connection of `ssh`.

    `path` is the socket of the connection (ControlPath). The three descriptors (standard input, output and error
    output) are handed over and stay open here. Each answer of the local process that keeps the connection may take
    `timeout` seconds. The constructor raises NoMultiplexSession.
    """

    def __init__(self, path: str, command: str, descriptors: tuple[int, int, int], timeout: float) -> None:
        self._received = b""  # received bytes that are not yet used
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.settimeout(timeout)
            self._socket.connect(path)
            self._open_session(command, descriptors)
        except (OSError, ValueError, struct.error) as error:
            self._socket.close()
            raise NoMultiplexSession(f"{path}: {error}") from error

    def wait_for_exit_code(self, timeout: float) -> int:
        """Return the exit code; 255 if the connection ended first.

        Raises TimeoutError if the command has not ended after `timeout` seconds.
        """
        self._socket.settimeout(timeout)
        try:
            while True:
                kind, content = self._receive_packet()
                if kind == EXIT and len(content) >= 8:
                    return int(struct.unpack(">II", content[:8])[1])
        except TimeoutError:
            raise
        except (OSError, ValueError, struct.error):
            return LOST_EXIT_CODE

    def close(self) -> None:
        """End the conversation with the local process.

        A command that still runs loses its client, as when an `ssh` is killed.
        """
        self._socket.close()

    def _open_session(self, command: str, descriptors: tuple[int, int, int]) -> None:
        """Ask the local process that keeps the connection to run the command with the three descriptors.

        Raises OSError, ValueError or struct.error if the process does not start the command.
        """
        # These flags are false: the command gets no terminal, no X11, no agent, and is no subsystem.
        flags = struct.pack(">IIII", 0, 0, 0, 0)
        # the type of the terminal (none), and the command
        texts = _pack_text(b"") + _pack_text(command.encode("utf-8", "surrogateescape"))
        session = (
            struct.pack(">II", NEW_SESSION, REQUEST_NUMBER)
            + _pack_text(b"")
            + flags
            + struct.pack(">I", NO_ESCAPE)
            + texts
        )
        # This does not wait for the greeting: a process with another protocol version ends the conversation. The
        # process never reads beyond a packet, because each descriptor comes with a separate byte.
        self._socket.sendall(_pack_text(struct.pack(">II", HELLO, PROTOCOL_VERSION)) + _pack_text(session))
        for descriptor in descriptors:
            socket.send_fds(self._socket, [b"\0"], [descriptor])
        kind, content = self._receive_packet()
        if kind != HELLO or len(content) < 4 or struct.unpack(">I", content[:4])[0] != PROTOCOL_VERSION:
            raise NoMultiplexSession("another version of the protocol")
        kind, content = self._receive_packet()
        if kind != OPENED:
            reason = content[8:].decode("utf-8", "replace") if kind in (DENIED, FAILURE) else f"message {kind:#x}"
            raise NoMultiplexSession(f"it takes no command: {reason}")

    def _receive_packet(self) -> tuple[int, bytes]:
        """Return the kind of the next packet (such as OPENED), and the rest of its content.

        Raises ValueError for an invalid length.
        """
        length = struct.unpack(">I", self._receive_bytes(4))[0]
        if not 4 <= length <= MAX_PACKET_BYTES:
            raise ValueError(f"a packet of {length} bytes")
        packet = self._receive_bytes(length)
        return struct.unpack(">I", packet[:4])[0], packet[4:]

    def _receive_bytes(self, count: int) -> bytes:
        """Return exactly `count` bytes.

        Raises ConnectionResetError if the connection ends before.
        """
        while len(self._received) < count:
            part = self._socket.recv(CHUNK_BYTES)
            if not part:
                raise ConnectionResetError("the connection has ended")
            self._received += part
        taken, self._received = self._received[:count], self._received[count:]
        return taken


def find_control_path(command: Iterable[bytes]) -> str:
    """Return the path of the connection's socket from `command`, an `ssh` with its arguments.

    The result is "" if no argument names a socket, or if only `ssh` can expand its path.
    """
    paths = [match[1].decode() for argument in command if (match := _CONTROL_PATH_PATTERN.fullmatch(argument))]
    return paths[0] if paths and paths[0].startswith("/") and "%" not in paths[0] else ""


def end_connection(path: str, timeout: float) -> None:
    """Ask the local process that keeps a connection open to end the connection and all its sessions.

    `ssh -O exit` does the same. Raises OSError if there is no such process, or if it does not answer in time.
    """
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(timeout)
        client.connect(path)
        client.sendall(
            _pack_text(struct.pack(">II", HELLO, PROTOCOL_VERSION))
            + _pack_text(struct.pack(">II", TERMINATE, REQUEST_NUMBER))
        )
        while client.recv(CHUNK_BYTES):  # the greeting, the confirmation, and the end
            pass


def _pack_text(content: bytes) -> bytes:
    """Return bytes with their length before them, as the protocol sends texts and packets."""
    return struct.pack(">I", len(content)) + content
