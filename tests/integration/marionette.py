"""Firefox, or Thunderbird, under its own remote control (`<length>:<JSON>` over TCP). Standard library only."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time

START = 60  # seconds for a browser to start; it takes 2 to 5, but far more on a busy host
PAGE = 20  # seconds for one address

QUIET_PREFERENCES = (
    *("app.normandy.enabled", "app.update.enabled", "browser.shell.checkDefaultBrowser", "extensions.update.enabled"),
    *("datareporting.policy.dataSubmissionEnabled", "network.captive-portal-service.enabled"),
    *("network.connectivity-service.enabled", "toolkit.telemetry.enabled"),
)
QUIET = dict.fromkeys(QUIET_PREFERENCES, False)


class FirefoxError(Exception):
    """The browser does not start, does not answer, or answers with an error."""


class Firefox:
    """One browser without a window, with a profile of its own in `home`."""

    def __init__(self, executable, home, preferences, start=START):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        profile = os.path.join(home, "profile")
        os.makedirs(profile, exist_ok=True)
        prefs = {**QUIET, "marionette.port": port, **preferences}
        with open(os.path.join(profile, "user.js"), "w", encoding="utf-8") as stream:
            stream.writelines(f"user_pref({json.dumps(key)}, {json.dumps(value)});\n" for key, value in prefs.items())
        null = subprocess.DEVNULL
        environment = {"HOME": home, "LC_ALL": "C.UTF-8", "MOZ_CRASHREPORTER_DISABLE": "1"}
        environment["PATH"] = os.environ.get("PATH", os.defpath)
        argv = [executable, "--headless", "--no-remote", "--marionette", "--remote-allow-system-access"]
        argv += ["--profile", profile]
        self._process = subprocess.Popen(
            argv, stdin=null, stdout=null, stderr=null, env=environment, start_new_session=True
        )
        self._stream = None
        self._buffer = b""
        self._id = 0
        try:
            self._stream = self._connect(port, start)
            self._receive()  # it introduces itself
            self.ask("WebDriver:NewSession", {"acceptInsecureCerts": True})
            self.ask("WebDriver:SetTimeouts", {"pageLoad": PAGE * 1000})
        except BaseException:
            self.close()
            raise

    def _connect(self, port, start):
        end = time.monotonic() + start
        while time.monotonic() < end and self._process.poll() is None:
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=PAGE + START)
            except ConnectionRefusedError:
                time.sleep(0.1)
        raise FirefoxError(f"no remote control listens (ended: {self._process.poll()})")

    def visit(self, url):
        """Open an address, wait until its page is there or an error or a refusal in its place, and return the error."""
        answer = self._exchange("WebDriver:Navigate", {"url": url})
        error = f"{answer[2]['error']}: {answer[2]['message']}" if answer[2] else ""
        if "timeout" in error:
            raise FirefoxError(f"not done with {url} within {PAGE} s")
        return error

    def evaluate(self, script):
        """What a script returns that runs in the browser's own context, with all its rights."""
        self.ask("Marionette:SetContext", {"value": "chrome"})
        return self.ask("WebDriver:ExecuteScript", {"script": script, "args": []})["value"]

    def ask(self, command, parameters):
        """Send a command, and return its result. Raises FirefoxError."""
        answer = self._exchange(command, parameters)
        if answer[2]:
            raise FirefoxError(f"{command}: {answer[2]['error']}: {answer[2]['message']}")
        return answer[3]

    def _exchange(self, command, parameters):
        self._id += 1
        body = json.dumps([0, self._id, command, dict(parameters)]).encode()
        if self._stream is not None:
            self._stream.sendall(b"%d:%b" % (len(body), body))
        return self._receive()

    def _receive(self):
        while b":" not in self._buffer:
            self._more()
        length, _, self._buffer = self._buffer.partition(b":")
        while len(self._buffer) < int(length):
            self._more()
        body, self._buffer = self._buffer[: int(length)], self._buffer[int(length) :]
        return json.loads(body)

    def _more(self):
        try:
            more = self._stream.recv(65536) if self._stream is not None else b""
        except OSError as error:
            raise FirefoxError(f"the remote control fails: {error}") from None
        if not more:
            raise FirefoxError("the remote control was closed")
        self._buffer += more

    def quit(self):
        """Have the browser end by itself, so that its profile is whole."""
        self._process.terminate()
        self._process.wait(START)

    def close(self):
        """End the browser, with all that it started."""
        if self._stream is not None:
            self._stream.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
