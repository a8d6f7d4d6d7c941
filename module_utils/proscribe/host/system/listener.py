"""TCP listener that counts the host names that a browser tries to reach.

The name comes from the TLS server name or the HTTP Host header. The listener closes each connection without an answer.
That is enough to test a policy: a browser never connects to a name that the policy blocks. The module imports nothing
of Proscribe, so that this file alone can be copied to a host.
"""

from __future__ import annotations

import collections
import contextlib
import socket
import socketserver
import threading
from typing import Counter, Tuple

HANDSHAKE, CLIENT_HELLO, SERVER_NAME = 22, 1, 0
TIMEOUT_SECONDS = 5  # how long a client may take to send its first message
MAX_REQUEST_BYTES = 65536  # most bytes that are read from a client at a time


def parse_server_name(hello: bytes) -> str:
    """Return the server name in a complete TLS client hello; "" if there is none.

    RFC 8446 section 4.1.2, RFC 6066 section 3.
    """
    if hello[:1] != bytes([HANDSHAKE]) or hello[5:6] != bytes([CLIENT_HELLO]):
        return ""
    offset = 5 + 4 + 2 + 32  # record header, handshake header, version, random
    offset += 1 + _parse_number(hello, offset, 1)  # session id
    offset += 2 + _parse_number(hello, offset, 2)  # cipher suites
    offset += 1 + _parse_number(hello, offset, 1)  # compression methods
    end = min(len(hello), offset + 2 + _parse_number(hello, offset, 2))
    offset += 2
    while offset + 4 <= end:
        extension, size = _parse_number(hello, offset, 2), _parse_number(hello, offset + 2, 2)
        if extension == SERVER_NAME:
            length = _parse_number(hello, offset + 7, 2)
            return hello[offset + 9 : offset + 9 + length].decode("ascii", "replace")
        offset += 4 + size
    return ""


def _parse_number(data: bytes, offset: int, size: int) -> int:
    return int.from_bytes(data[offset : offset + size], "big")


def parse_http_host(request: bytes) -> str:
    """Return the name in the Host header of an HTTP request, without the port; "" if there is none."""
    for line in request.split(b"\r\n")[1:]:
        key, _, host_name = line.partition(b":")
        if key.strip().lower() == b"host":
            return host_name.decode("ascii", "replace").strip().partition(":")[0]
    return ""


class Listener:
    """Listener on a free port of an address while its `with` body runs."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self._hits: Counter[str] = collections.Counter()
        self._lock = threading.Lock()
        self._server = _ListenerServer((address, 0), self)
        self.address, self.port = str(self._server.server_address[0]), int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    def count_hits(self, name: str) -> int:
        """Return the number of connections for exactly this name. A dot at the end of the name is ignored."""
        return self._hits[_normalise_name(name)]

    def note_request(self, request: bytes) -> bytes:
        """Count the name in the first message of a client, and return the answer: always b""."""
        name = parse_server_name(request) if request[:1] == bytes([HANDSHAKE]) else parse_http_host(request)
        if name:
            with self._lock:
                self._hits[_normalise_name(name)] += 1
        return b""

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _normalise_name(name: str) -> str:
    return name.lower().rstrip(".")


class _ListenerHandler(socketserver.BaseRequestHandler):
    server: _ListenerServer

    def handle(self) -> None:
        self.request.settimeout(TIMEOUT_SECONDS)
        with contextlib.suppress(OSError):  # the client sent nothing within the timeout, or has disconnected
            self.request.sendall(self.server.listener.note_request(self._read_request()))

    def _read_request(self) -> bytes:
        """Read the first message of a client: a whole TLS record, or the first piece of another request."""
        request: bytes = self.request.recv(MAX_REQUEST_BYTES)
        while request[:1] == bytes([HANDSHAKE]) and len(request) < 5 + _parse_number(request, 3, 2):
            piece = self.request.recv(MAX_REQUEST_BYTES)
            if not piece:
                break
            request += piece
        return request


class _ListenerServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: Tuple[str, int], listener: Listener) -> None:
        self.listener = listener
        super().__init__(address, _ListenerHandler)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        # Close completely, without the usual half-close: the browser then knows immediately that no answer comes.
        if isinstance(request, socket.socket):
            self.close_request(request)
