"""A publisher of lists on this machine: real https, with a certificate of its own authority."""

import contextlib
import http.server
import json
import ssl
import subprocess
import threading
from typing import Any

NAMES = [f"bird{number:03}.example" for number in range(100)]
PUBLISHED = {
    "nets": "# ours\n8.8.4.0/24\n8.8.8.0/24\n",
    "geo": "# prefix,country\n8.8.4.0/24,US,,,\n8.8.8.0/24,US,,,\n",
    "goog": json.dumps({"syncToken": "1", "prefixes": [{"ipv4Prefix": "8.8.4.0/24"}, {"ipv4Prefix": "8.8.8.0/24"}]}),
    "tor": json.dumps({"relays": [{"or_addresses": ["8.8.4.4:9001", "[2001:4860::1]:9001"]}, {"or_addresses": []}]}),
    "birds": "\n".join(NAMES) + "\n",
    "hosts": "".join(f"0.0.0.0 {name}  # a bird\n" for name in NAMES),
    "adguard": json.dumps({"blocked_services": [{"id": "parrot", "rules": ["||parrot.example^", "||cdn.example^"]}]}),
    "ripe": json.dumps({"status": "ok", "data": {"prefixes": [{"prefix": "8.8.0.0/16", "timelines": []}]}}),
    "gateways": json.dumps([f"https://{name}" for name in NAMES]),
    # Two that agree on sixty names; neither has most of the other, which would be a copy.
    "flock1": "\n".join([*NAMES[:60], *(f"tree{number}.example" for number in range(20))]) + "\n",
    "flock2": "".join(f"0.0.0.0 {name}\n" for name in [*NAMES[:60], *(f"bush{n}.example" for n in range(20))]),
    "v2fly": "include:others\ndomain:parrot.example\nfull:toys.example @ads\nregexp:^x$\n",
}


class Publisher(http.server.ThreadingHTTPServer):
    """Answers with what `answers` has under a path: a text, or a function of the request."""

    answers: dict[str, Any]
    headers: list[tuple[str, str]]


class Requests(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answer = self.server.answers.get(self.path.strip("/"))
        if callable(answer):
            answer(self)
            return
        content = b"" if answer is None else answer if isinstance(answer, bytes) else answer.encode()
        self.send_response(404 if answer is None else 200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Last-Modified", "Sun, 29 Nov 2026 10:00:00 GMT")
        for name, value in self.server.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def certificate(folder):
    """A certificate for 127.0.0.1 with its key, and the authority that made it, which is itself."""
    path = folder / "pair.pem"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*command, "-keyout", str(path), "-out", str(folder / "ca.pem")], check=True, capture_output=True)
    path.write_text(path.read_text() + (folder / "ca.pem").read_text())
    return path


@contextlib.contextmanager
def published(pair, answers):
    server = Publisher(("127.0.0.1", 0), Requests)
    server.answers, server.headers = dict(answers), []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
