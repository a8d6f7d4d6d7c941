"""A server on a loopback address that takes what channels of notifications send."""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any, NamedTuple


class Post(NamedTuple):
    """One thing that was sent."""

    path: str
    kind: str  # the Content-Type
    body: str

    @property
    def facts(self) -> Any:
        """A body of JSON."""
        return json.loads(self.body)


class Loopback(http.server.HTTPServer):
    """A context, in which `got` has what was sent. `codes` are what it answers, the last one for ever."""

    def __init__(self, *codes: int) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.codes, self.got = list(codes or (204,)), list[Post]()
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    def __enter__(self) -> Loopback:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self.server_port}"


class _Taking(http.server.BaseHTTPRequestHandler):
    server: Loopback

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.got.append(Post(self.path, self.headers.get("Content-Type", ""), body))
        codes = self.server.codes
        self.send_response(codes.pop(0) if len(codes) > 1 else codes[0])
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing on the tests' screen."""
