"""Prints the headers that a browser sends to each address, null where no request came. Standard library and openssl."""

import argparse
import http.server
import os
import ssl
import subprocess
import sys
import threading
from urllib.parse import urlsplit

from browser_probe import START, find_executable, print_answer
from chromium import Chromium
from marionette import Firefox


class Server(http.server.ThreadingHTTPServer):
    """Answers every request with an empty page, and remembers the headers of the first one for each name."""

    daemon_threads = True

    def __init__(self, home):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.headers = {}
        key, certificate = os.path.join(home, "key.pem"), os.path.join(home, "certificate.pem")
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-days", "2", "-subj", "/CN=every.test", "-keyout", key, "-out", certificate]
        subprocess.run(command, check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def handle_error(self, *_): ...


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.headers.get("Host", "").partition(":")[0]
        self.server.headers.setdefault(name, {key.lower(): value for key, value in self.headers.items()})
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_): ...


def visit(browser, executable, urls, home, server):
    port = server.server_address[1]
    if browser == "chromium":
        with Chromium(executable, home, f"MAP * 127.0.0.1:{port}", ["--ignore-certificate-errors"]) as running:
            page = running.open(START)
            for url in urls:
                running.events.clear()
                if not page.ask("Page.navigate", {"url": url}).get("errorText"):
                    page.wait_for("Page.loadEventFired")
        return
    names = {"network.dns.forceResolve": "127.0.0.1", "network.socket.forcePort": f"443={port}"}
    with Firefox(executable, home, {**names, "network.proxy.type": 0}) as marionette:
        for url in urls:
            marionette.visit(url)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print the headers that a browser sends to each address.")
    parser.add_argument("--browser", choices=["chromium", "firefox"], required=True)
    parser.add_argument("url", nargs="+")
    options = parser.parse_args()

    def answer(home):
        with Server(home) as server:
            visit(options.browser, find_executable(options.browser), options.url, home, server)
            return {url: server.headers.get(urlsplit(url).hostname or "") for url in options.url}

    sys.exit(print_answer(answer))
