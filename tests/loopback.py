"""A server on a loopback address that takes what channels of notifications send."""

import http.server
import json
import threading
from typing import NamedTuple


class Post(NamedTuple):
    """One thing that was sent."""

    path: str
    kind: str  # the Content-Type
    body: str

    @property
    def facts(self):
        return json.loads(self.body)


class Loopback(http.server.HTTPServer):
    """A context, in which `got` has what was sent. `codes` are what it answers, the last one for ever."""

    def __init__(self, *codes):
        super().__init__(("127.0.0.1", 0), _Taking)
        self.codes, self.got = list(codes or (204,)), list[Post]()
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
        self._thread.join()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Taking(http.server.BaseHTTPRequestHandler):
    server: Loopback

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.got.append(Post(self.path, self.headers.get("Content-Type", ""), body))
        codes = self.server.codes
        self.send_response(codes.pop(0) if len(codes) > 1 else codes[0])
        self.end_headers()

    def log_message(self, *_):
        """Say nothing on the tests' screen."""
