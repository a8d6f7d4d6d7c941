"""A TCP listener that says which names browsers tried to reach: by the server name in a TLS hello, or by an HTTP Host
line.

It answers nothing and closes, which is all that counting takes: a name that a policy blocks is never connected to.
Standard library only, so that it can be copied to any host together with browser_probe.py.
"""

from __future__ import annotations

import collections
import socket
import socketserver
import threading
from types import TracebackType

HANDSHAKE, CLIENT_HELLO, SERVER_NAME = 22, 1, 0
PATIENCE = 5  # seconds for a client to say whom it wants


def server_name(hello: bytes) -> str:
    """The name in a whole TLS client hello (RFC 8446 section 4.1.2, RFC 6066 section 3); "" if there is none."""
    if hello[0] != HANDSHAKE or hello[5] != CLIENT_HELLO:
        return ""
    at = 5 + 4 + 2 + 32  # record header, handshake header, version, random
    at += 1 + hello[at]  # session id
    at += 2 + int.from_bytes(hello[at : at + 2], "big")  # cipher suites
    at += 1 + hello[at]  # compression methods
    end = at + 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 2
    while at < end:
        kind, size = int.from_bytes(hello[at : at + 2], "big"), int.from_bytes(hello[at + 2 : at + 4], "big")
        if kind == SERVER_NAME:
            length = int.from_bytes(hello[at + 7 : at + 9], "big")
            return hello[at + 9 : at + 9 + length].decode("ascii", "replace")
        at += 4 + size
    return ""


def http_host(request: bytes) -> str:
    """The name in the Host line of an HTTP request, without the port; "" if there is none."""
    for line in request.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == b"host":
            return value.decode("ascii", "replace").strip().partition(":")[0]
    return ""


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.request.settimeout(PATIENCE)
        try:
            name = self._name()
        except OSError:
            return
        if name:
            self.server.count(name.lower())

    def _name(self) -> str:
        said = self.request.recv(16384)
        if said[:1] != bytes([HANDSHAKE]):
            return http_host(said)
        while len(said) < 5 or len(said) < 5 + int.from_bytes(said[3:5], "big"):
            more = self.request.recv(16384)
            if not more:
                return ""
            said += more
        return server_name(said)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: str) -> None:
        self.hits: collections.Counter[str] = collections.Counter()
        self._lock = threading.Lock()
        super().__init__((address, 0), _Handler)

    def count(self, name: str) -> None:
        with self._lock:
            self.hits[name] += 1

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        # Closed without the polite half-close: the browser then knows at once that nothing will come.
        if isinstance(request, socket.socket):
            self.close_request(request)


class Listener:
    """Listens on a free port of an address while its block runs; `hits` counts the connections for a name."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self._server = _Server(address)
        self.address, self.port = str(self._server.server_address[0]), int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    def hits(self, name: str) -> int:
        """How often somebody connected for exactly that name."""
        return self._server.hits[name.lower()]

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
