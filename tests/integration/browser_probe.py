"""Does a real browser on this host connect to a site, or does its policy keep it from that?

    python3 browser_probe.py --browser chromium --listen 127.0.0.1 https://mail.google.com/ https://www.example.org/

prints how many connections each address led to: {"https://mail.google.com/": 0, "https://www.example.org/": 1}. All
names lead to a listener on this host, so nothing leaves it. The browser runs without a window and with a profile of
its own; every address is waited for until the browser itself is done with it, so that 0 means refused and not late.

Ends with 0; with 2 when the browser is missing or does not work. Standard library only; needs listener.py beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from typing import Any, Iterator, Sequence
from urllib.parse import urlsplit

from listener import Listener

EXECUTABLES = {
    "chromium": ("chromium", "chromium-browser"),
    "google_chrome": ("google-chrome-stable", "google-chrome"),
    "firefox": ("firefox-esr", "firefox"),
}
START = 60  # seconds for a browser to start; it takes 2 to 5, but far more on a busy host
PAGE = 20  # seconds for one address


class ProbeError(Exception):
    """The browser cannot be used, so nothing is known about its policy."""


def probe(browser: str, urls: Sequence[str], listen: str = "127.0.0.1") -> dict[str, int]:
    """How many connections each address led to when `browser` (a key of EXECUTABLES) opened it. Raises ProbeError."""
    executable = next(filter(None, map(shutil.which, EXECUTABLES[browser])), None)
    if executable is None:
        raise ProbeError(f"{browser} is not installed (looked for {', '.join(EXECUTABLES[browser])})")
    visit = _firefox if browser == "firefox" else _chromium
    hits: dict[str, int] = {}
    seen: dict[str, int] = {}  # by name, since several addresses may have the same one
    with tempfile.TemporaryDirectory(prefix="probe-", ignore_cleanup_errors=True) as home, Listener(listen) as listener:
        for url in visit(executable, urls, listener, home):
            name = urlsplit(url).hostname or ""
            total = listener.hits(name)
            hits[url] = total - seen.get(name, 0)
            seen[name] = total
    return hits


@contextlib.contextmanager
def _running(argv: Sequence[str], home: str) -> Iterator[subprocess.Popen[bytes]]:
    """A browser with all that it starts; nothing of it is left afterwards."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": home,
        "LC_ALL": "C.UTF-8",
        "MOZ_CRASHREPORTER_DISABLE": "1",
    }
    null = subprocess.DEVNULL
    process = subprocess.Popen(argv, stdin=null, stdout=null, stderr=null, env=environment, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _chromium(executable: str, urls: Sequence[str], listener: Listener, home: str) -> Iterator[str]:
    """Start the browser once for each address: it ends when the page has come or has been refused."""
    switches = ["--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    switches += ["--disable-component-update", "--disable-sync", f"--user-data-dir={home}/profile", "--dump-dom"]
    switches += [f"--host-resolver-rules=MAP * {listener.address}:{listener.port}"]
    if os.geteuid() == 0:  # its own isolation does not work for root
        switches.append("--no-sandbox")
    for url in urls:
        with _running([executable, *switches, url], home) as process:
            try:
                process.wait(PAGE + START)
            except subprocess.TimeoutExpired:
                raise ProbeError(f"{executable} did not end on {url} within {PAGE + START} s") from None
        yield url


def _firefox(executable: str, urls: Sequence[str], listener: Listener, home: str) -> Iterator[str]:
    """Start the browser once, and send it to one address after the other."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    preferences = {
        "app.normandy.enabled": False,
        "app.update.enabled": False,
        "browser.shell.checkDefaultBrowser": False,
        "datareporting.policy.dataSubmissionEnabled": False,
        "extensions.update.enabled": False,
        "marionette.port": port,
        "network.captive-portal-service.enabled": False,
        "network.connectivity-service.enabled": False,
        "network.dns.forceResolve": listener.address,
        "network.proxy.type": 0,
        "network.socket.forcePort": f"443={listener.port};80={listener.port}",
        "toolkit.telemetry.enabled": False,
    }
    profile = os.path.join(home, "profile")
    os.mkdir(profile)
    with open(os.path.join(profile, "user.js"), "w", encoding="utf-8") as stream:
        stream.writelines(f"user_pref({json.dumps(key)}, {json.dumps(value)});\n" for key, value in preferences.items())
    argv = [executable, "--headless", "--no-remote", "--marionette", "--profile", profile, "about:blank"]
    with _running(argv, home) as process, Marionette(port, process) as remote:
        for url in urls:
            remote.visit(url)
            yield url


class Marionette:
    """Firefox's own remote control: `<length>:<JSON>` over TCP.

    A question is [0, id, command, parameters], its answer [1, id, error, result].
    """

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self._stream = self._connect(port, process)
        self._buffer = b""
        self._id = 0
        try:
            self._receive()  # it introduces itself
            self._ask("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"acceptInsecureCerts": True}}})
            self._ask("WebDriver:SetTimeouts", {"pageLoad": PAGE * 1000})
        except BaseException:
            self._stream.close()
            raise

    @staticmethod
    def _connect(port: int, process: subprocess.Popen[bytes]) -> socket.socket:
        end = time.monotonic() + START
        while time.monotonic() < end and process.poll() is None:
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=PAGE + START)
            except ConnectionRefusedError:
                time.sleep(0.1)
        raise ProbeError(f"Firefox does not listen for its remote control (ended: {process.poll()})")

    def visit(self, url: str) -> None:
        """Open an address, and wait until its page is there, or an error or a refusal in its place."""
        error = self._ask("WebDriver:Navigate", {"url": url}, may_fail=True)
        if error and "timeout" in error:
            raise ProbeError(f"Firefox was not done with {url} within {PAGE} s")

    def _ask(self, command: str, parameters: dict[str, Any], may_fail: bool = False) -> str:
        self._id += 1
        body = json.dumps([0, self._id, command, parameters]).encode()
        self._stream.sendall(b"%d:%b" % (len(body), body))
        error = self._receive()[2]
        if error and not may_fail:
            raise ProbeError(f"Firefox answers {command} with {error}")
        return f"{error['error']}: {error['message']}" if error else ""

    def _receive(self) -> Any:
        while b":" not in self._buffer:
            self._more()
        length, _, self._buffer = self._buffer.partition(b":")
        while len(self._buffer) < int(length):
            self._more()
        body, self._buffer = self._buffer[: int(length)], self._buffer[int(length) :]
        return json.loads(body)

    def _more(self) -> None:
        try:
            more = self._stream.recv(65536)
        except OSError as error:
            raise ProbeError(f"Firefox's remote control fails: {error}") from None
        if not more:
            raise ProbeError("Firefox closed its remote control")
        self._buffer += more

    def __enter__(self) -> Marionette:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()


def main() -> int:
    parser = argparse.ArgumentParser(description="Count the connections that a browser makes for each address.")
    parser.add_argument("--browser", choices=sorted(EXECUTABLES), required=True)
    parser.add_argument("--listen", default="127.0.0.1", help="address of this host to lead all names to")
    parser.add_argument("url", nargs="+")
    arguments = parser.parse_args()
    try:
        print(json.dumps(probe(arguments.browser, arguments.url, arguments.listen)))
    except ProbeError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
