"""A TCP listener that counts connections by server name and answers nothing. It imports nothing of Proscribe."""

import collections
import contextlib
import socket
import socketserver
import threading

HANDSHAKE, CLIENT_HELLO, SERVER_NAME = 22, 1, 0
PATIENCE = 5  # seconds for a client to say whom it wants
LARGEST = 65536  # bytes of what a client says


def server_name(hello):
    """The name in a whole TLS client hello (RFC 8446 section 4.1.2, RFC 6066 section 3); "" if there is none."""
    if hello[:1] != bytes([HANDSHAKE]) or hello[5:6] != bytes([CLIENT_HELLO]):
        return ""
    at = 5 + 4 + 2 + 32  # record header, handshake header, version, random
    at += 1 + _number(hello, at, 1)  # session id
    at += 2 + _number(hello, at, 2)  # cipher suites
    at += 1 + _number(hello, at, 1)  # compression methods
    end = min(len(hello), at + 2 + _number(hello, at, 2))
    at += 2
    while at + 4 <= end:
        kind, size = _number(hello, at, 2), _number(hello, at + 2, 2)
        if kind == SERVER_NAME:
            return hello[at + 9 : at + 9 + _number(hello, at + 7, 2)].decode("ascii", "replace")
        at += 4 + size
    return ""


def _number(data, at, size):
    return int.from_bytes(data[at : at + size], "big")


def http_host(request):
    """The name in the Host line of an HTTP request, without the port; "" if there is none."""
    for line in request.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == b"host":
            return value.decode("ascii", "replace").strip().partition(":")[0]
    return ""


class Listener:
    """Listens on a free port of an address while its block runs; `hits` counts the connections for a name."""

    def __init__(self, address="127.0.0.1"):
        self._hits = collections.Counter()
        self._lock = threading.Lock()
        self._server = _Server((address, 0), self)
        self.address, self.port = str(self._server.server_address[0]), int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    def hits(self, name):
        """How often somebody connected for exactly that name (a dot at its end does not count)."""
        return self._hits[_plain(name)]

    def heard(self, said):
        """Count what a client said first, and return what it is answered."""
        name = server_name(said) if said[:1] == bytes([HANDSHAKE]) else http_host(said)
        if name:
            with self._lock:
                self._hits[_plain(name)] += 1
        return b""

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def _plain(name):
    return name.lower().rstrip(".")


class _Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.settimeout(PATIENCE)
        with contextlib.suppress(OSError):  # it said nothing in time, or is gone
            self.request.sendall(self.server.listener.heard(self._said()))

    def _said(self):
        """A whole TLS record, or what came of a request at once."""
        said = self.request.recv(LARGEST)
        while said[:1] == bytes([HANDSHAKE]) and len(said) < 5 + _number(said, 3, 2):
            if not (more := self.request.recv(LARGEST)):
                break
            said += more
        return said


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address, listener):
        self.listener = listener
        super().__init__(address, _Handler)

    def shutdown_request(self, request):
        # Closed without the polite half-close: the browser then knows at once that nothing will come.
        if isinstance(request, socket.socket):
            self.close_request(request)
