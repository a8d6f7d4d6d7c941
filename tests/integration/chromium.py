"""Chromium under remote control by its debugging pipe: JSON, each ended by a zero byte. Standard library only."""

import base64
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time

PATIENCE = 600  # seconds for one answer, of which only what hangs takes as many
# The browser wants to find its ends of the pipes as 3 and 4, whatever numbers these have.
AS_3_AND_4 = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
LOADED = "Page.loadEventFired"
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "Space": 32, "/": 191}
TYPED = {"Enter": "\r", "Space": " ", "/": "/"}


class ChromiumError(Exception):
    """The browser does not answer, or a script in it failed."""


def make_switches(home, names, more=()):
    """Return the switches of a browser without a window, with a profile of its own; `names` says where names lead."""
    parts = ("background-networking", "component-update", "sync", "quic", "gpu", "dev-shm-usage")
    switches = ["--headless", "--no-first-run", "--hide-scrollbars", *(f"--disable-{part}" for part in parts)]
    switches += ["--no-sandbox"] * (os.geteuid() == 0)  # its own isolation does not work for root
    return [*switches, f"--user-data-dir={home}/profile", f"--host-resolver-rules={names}", *more]


class Chromium:
    """One browser without a window, with a profile of its own in `home`."""

    def __init__(self, executable, home, names="MAP * ~NOTFOUND", more=()):
        switches = ["--remote-debugging-pipe", *make_switches(home, names, more)]
        to_browser, self._writing = os.pipe()
        self._reading, from_browser = os.pipe()
        argv = [sys.executable, "-IS", "-c", AS_3_AND_4, str(to_browser), str(from_browser), executable, *switches]
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": home, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        ends = {"pass_fds": (to_browser, from_browser), "start_new_session": True, **streams}
        self._process = subprocess.Popen(argv, env=environment, **ends)
        os.close(to_browser)
        os.close(from_browser)
        self._buffer, self._last = b"", 0
        self.events = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._writing)
        os.close(self._reading)

    def open(self, url, *, width=1280, height=800, scheme="light", script=True):
        """Open an address in a tab of its own, and wait until it has loaded."""
        target = self.ask("Target.createTarget", {"url": "about:blank"})["targetId"]
        page = Page(self, self.ask("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.ask(f"{domain}.enable")
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        page.ask("Emulation.setDeviceMetricsOverride", metrics)
        page.ask("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        page.ask("Emulation.setScriptExecutionDisabled", {"value": not script})
        page.ask("Page.navigate", {"url": url})
        page.wait_for(LOADED)
        return page

    def tabs(self):
        return len(self.ask("Target.getTargets")["targetInfos"])

    def ask(self, method, parameters=None, session=""):
        """Send a command, and return its result. Raises ChromiumError."""
        self._last += 1
        question = {"id": self._last, "method": method, "params": dict(parameters or {})}
        data = json.dumps({**question, **({"sessionId": session} if session else {})}).encode() + b"\0"
        while data:
            data = data[os.write(self._writing, data) :]
        while (answer := self.receive(method)).get("id") != question["id"]:
            self.events.append(answer)
        if "error" in answer:
            raise ChromiumError(f"{method}: {answer['error']['message']}")
        return dict(answer["result"])

    def receive(self, waiting_for):
        """Return the next message. Raises ChromiumError when none comes."""
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._reading], [], [], max(0, end - time.monotonic()))
            more = os.read(self._reading, 1 << 20) if ready else b""
            if not more:
                raise ChromiumError(f"Chromium gives no answer to {waiting_for} (ended: {self._process.poll()})")
            self._buffer += more
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))


class Page:
    def __init__(self, browser, session):
        self._browser, self._session = browser, session

    def ask(self, method, parameters=None):
        return self._browser.ask(method, parameters, self._session)

    def close(self):
        self.ask("Page.close")

    def events(self, method):
        mine = (event for event in self._browser.events if event.get("sessionId") == self._session)
        return [event["params"] for event in mine if event["method"] == method]

    def wait_for(self, method):
        while not self.events(method):
            self._browser.events.append(self._browser.receive(method))

    def load(self, action):
        """Do what loads the page anew, and wait until it has."""
        before = len(self.events(LOADED))
        action()
        while len(self.events(LOADED)) == before:
            self._browser.events.append(self._browser.receive(LOADED))

    def evaluate(self, expression):
        """The value of a JavaScript expression; a promise is waited for. Raises ChromiumError when it throws."""
        answer = self.ask("Runtime.evaluate", {"expression": expression, "returnByValue": True, "awaitPromise": True})
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise ChromiumError(details.get("exception", {}).get("description") or details["text"])
        return answer["result"].get("value")

    def press(self, key, *, shift=False):
        common = {"key": " " if key == "Space" else key, "windowsVirtualKeyCode": KEYS[key], "modifiers": 8 * shift}
        down = {"type": "keyDown", **common}
        if key in TYPED:
            down["text"] = TYPED[key]
        self.ask("Input.dispatchKeyEvent", down)
        self.ask("Input.dispatchKeyEvent", {"type": "keyUp", **common})

    def type(self, text):
        self.ask("Input.insertText", {"text": text})

    def complaints(self):
        """What stands in the console: errors, warnings, refusals of the page's own policy."""
        thrown = [event["exceptionDetails"]["text"] for event in self.events("Runtime.exceptionThrown")]
        logged = [event["entry"]["text"] for event in self.events("Log.entryAdded")]
        return thrown + logged + [str(event["args"]) for event in self.events("Runtime.consoleAPICalled")]

    def requests(self):
        """The addresses that were asked for, but for the page itself."""
        return [event["request"]["url"] for event in self.events("Network.requestWillBeSent")][1:]

    def pdf(self):
        parameters = {"printBackground": True, "paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": True}
        return base64.b64decode(self.ask("Page.printToPDF", parameters)["data"])
