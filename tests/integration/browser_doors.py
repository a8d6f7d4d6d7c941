"""Opens a blocked site through a browser's own doors (remote control, unpacked extensions, installed apps), if it can.

Prints {"pipe": true, ...}: whether the site was reached. All names lead to a server of this script, so nothing leaves
the host. The attack `prepare` makes what `app installed` and `app offline` need. Standard library only.
"""

import argparse
import contextlib
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path

import chromium as driven
from chromium import Chromium, ChromiumError, make_switches

OPEN = "open.test"  # a name that no list has: a browser that reaches it works
START, SETTLE = 30, 3  # seconds for a browser to reach that name, and then for an attack
TRIES = 3  # of a start: now and then Chromium (156) opens no page, and stays
WORKER = b"""
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", event => event.waitUntil(clients.claim()));
self.addEventListener("fetch", event => event.respondWith(
  new Response("<title>offline</title>offline", {headers: {"Content-Type": "text/html"}})));
"""
REGISTER = b"""<script>navigator.serviceWorker.register("/worker.js")
  .then(() => navigator.serviceWorker.ready).then(() => document.title = "ready")</script>"""
EXTENSIONS = {
    # The debugger of a tab sends the request for an open page to the blocked site.
    "extension with the debugger": (
        {"permissions": ["debugger", "tabs"]},
        """(async () => {
          const tab = {tabId: (await chrome.tabs.create({url: "about:blank"})).id};
          await chrome.debugger.attach(tab, "1.3");
          chrome.debugger.onEvent.addListener((source, method, event) => chrome.debugger.sendCommand(
            tab, "Fetch.continueRequest", {requestId: event.requestId, url: "http://BLOCKED/"}));
          await chrome.debugger.sendCommand(tab, "Fetch.enable", {});
          await chrome.debugger.sendCommand(tab, "Page.navigate", {url: "http://open.test/page"});
        })()""",
    ),
    "extension that redirects": (
        {"permissions": ["declarativeNetRequest", "tabs"]},
        """(async () => {
          const rule = {id: 1, action: {type: "redirect", redirect: {url: "http://BLOCKED/"}},
            condition: {urlFilter: "||open.test/go", resourceTypes: ["main_frame"]}};
          await chrome.declarativeNetRequest.updateDynamicRules({addRules: [rule]});
          await chrome.tabs.create({url: "http://open.test/go"});
          await fetch("http://open.test/");  // this tab may take the place of the first one
        })()""",
    ),
    "extension with a frame": ({"permissions": ["tabs"]}, 'chrome.tabs.create({url: "page.html"})'),
}
BROWSERS_OWN = """
  const {WebsiteFilter} = ChromeUtils.importESModule("resource:///modules/policies/WebsiteFilter.sys.mjs");
  WebsiteFilter.init([], ["<all_urls>"]);
  Services.wm.getMostRecentWindow("navigator:browser").gBrowser.addTab(
    "http://BLOCKED/", {triggeringPrincipal: Services.scriptSecurityManager.getSystemPrincipal()});
"""


class Site(http.server.ThreadingHTTPServer):
    """All sites. `requests` has the name and the path of each request."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self):
        return int(self.server_address[1])

    def has(self, name):
        return any(host == name for host, _ in self.requests)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append((self.headers.get("Host", ""), self.path))
        kind, body = PAGES.get(self.path, ("text/html", ONLINE))
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_): ...


def _icon():
    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = (192).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    rows = zlib.compress((b"\0" + bytes([16, 32, 240]) * 192) * 192)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


ICON = {"src": "/icon.png", "sizes": "192x192", "type": "image/png"}
MANIFEST = {"name": "App", "start_url": "/app", "display": "standalone", "icons": [ICON]}
ONLINE = b'<link rel="manifest" href="/app.json"><title>online</title>online'
PAGES = {"/worker.js": ("text/javascript", WORKER), "/register": ("text/html", REGISTER)}
PAGES |= {"/icon.png": ("image/png", _icon()), "/app.json": ("application/json", json.dumps(MANIFEST).encode())}


def new_home():
    return tempfile.TemporaryDirectory(prefix="doors-", ignore_cleanup_errors=True)


def until(met, seconds):
    end = time.monotonic() + seconds
    while not met() and time.monotonic() < end:
        time.sleep(0.1)
    return met()


def write_files(folder, files):
    for name, text in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@contextlib.contextmanager
def running(argv, home):
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": home, "MOZ_CRASHREPORTER_DISABLE": "1"}
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    environment["LC_ALL"] = "C.UTF-8"
    process = subprocess.Popen(argv, env=environment, start_new_session=True, **streams)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class OfChromium:
    def __init__(self, executable, blocked, home, patience):
        self.executable, self.blocked, self.home, self.patience = executable, blocked, home, patience
        self.site = Site()
        self.names = f"MAP * 127.0.0.1:{self.site.port}"
        self.more = ["--disable-features=HttpsUpgrades,DisableLoadExtensionCommandLineSwitch"]
        self.more += [f"--unsafely-treat-insecure-origin-as-secure=http://{blocked}"]

    def attack(self, name):
        """Try one attack. Raises ChromiumError where the browser does not work."""
        for _ in range(TRIES - 1):
            with contextlib.suppress(ChromiumError):
                return self._try(name)
        return self._try(name)

    def _try(self, name):
        self.site.requests.clear()
        if name.startswith("app ") or name == "prepare":
            return self._prepare() if name == "prepare" else self._app(name)
        with new_home() as home:
            if name == "pipe":
                return self._pipe(home)
            if name == "port":
                with self._running(home, "--remote-debugging-port=0", f"http://{OPEN}/") as process:
                    # Where a policy refuses it, Chromium without a window ends.
                    until(lambda: self.site.has(OPEN) or process.poll() is not None, START)
                    return until(lambda: os.path.exists(f"{home}/profile/DevToolsActivePort"), SETTLE)
            with self._running(home, f"--load-extension={self._extension(name, home)}", f"http://{OPEN}/"):
                self._wait_for(OPEN)
                return until(lambda: self.site.has(self.blocked), 2 * SETTLE)

    def _running(self, home, *words):
        return running([self.executable, *make_switches(home, self.names, self.more), *words], home)

    def _wait_for(self, name):
        if not until(lambda: self.site.has(name) or self.site.has(self.blocked), START):
            raise ChromiumError(f"{name} was not opened")

    def _pipe(self, home):
        """Send the request for an open page to the blocked site."""
        with Chromium(self.executable, home, self.names, [*self.more, f"http://{OPEN}/"]) as browser:
            self._wait_for(OPEN)
            driven.PATIENCE = self.patience
            try:
                page = browser.open("data:text/html,page")
                page.ask("Fetch.enable", {"patterns": [{"urlPattern": f"http://{OPEN}/page"}]})
                page.evaluate(f'void (location = "http://{OPEN}/page")')
                page.wait_for("Fetch.requestPaused")
                paused = page.events("Fetch.requestPaused")[0]["requestId"]
                page.ask("Fetch.continueRequest", {"requestId": paused, "url": f"http://{self.blocked}/"})
            except ChromiumError:
                return False
            return until(lambda: self.site.has(self.blocked), SETTLE)

    def _extension(self, name, home):
        permissions, script = EXTENSIONS[name]
        manifest = {"manifest_version": 3, "name": "made", "version": "1", "host_permissions": ["<all_urls>"]}
        files = {
            "manifest.json": json.dumps({**manifest, **permissions, "background": {"service_worker": "made.js"}}),
            "made.js": script.replace("BLOCKED", self.blocked),
            "page.html": f'<iframe src="http://{self.blocked}/"></iframe>',
        }
        return write_files(f"{home}/extension", files)

    def _prepare(self):
        """Install the site as an app in one profile; in another one, have it answer without a network."""
        site = f"http://{self.blocked}"
        with Chromium(self.executable, f"{self.home}/installed", self.names, self.more) as browser:
            browser.open(f"{site}/")
            browser.ask("PWA.install", {"manifestId": f"{site}/app", "installUrlOrBundleUrl": f"{site}/app"})
            self._close(browser)
        with Chromium(self.executable, f"{self.home}/offline", self.names, self.more) as browser:
            page = browser.open(f"{site}/register")
            ready = until(lambda: bool(page.evaluate("document.title") == "ready"), START)
            self._close(browser)
        return ready

    def _close(self, browser):
        browser.ask("Browser.close")
        time.sleep(SETTLE)  # it writes its profile

    def _app(self, name):
        began = time.monotonic()
        with new_home() as home, self._running(home, f"--app=http://{OPEN}/"):
            self._wait_for(OPEN)
        took = time.monotonic() - began
        if name == "app offline":
            return self._offline()
        with new_home() as home:
            words = [f"--app=http://{self.blocked}/"]
            if name == "app installed":
                home = f"{self.home}/installed"
                (id_,) = os.listdir(f"{home}/profile/Default/Web Applications/Manifest Resources")
                words = [f"--app-id={id_}", "--profile-directory=Default"]
            with self._running(home, *words):
                return until(lambda: self.site.has(self.blocked), SETTLE + 2 * took)

    def _offline(self):
        switches = make_switches(f"{self.home}/offline", self.names, self.more)
        address = f"http://{self.blocked}/"
        argv = ["timeout", "-k", "2", str(START), self.executable, *switches, "--dump-dom", address]
        return "offline" in subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def main():
    from firefox_doors import OfFirefox  # it needs this file's parts

    parser = argparse.ArgumentParser(description="Try to open a blocked site through a browser's own doors.")
    parser.add_argument("--browser", choices=("chromium", "firefox"), required=True)
    parser.add_argument("--blocked", required=True)
    parser.add_argument("--home", required=True, help="a directory for what `prepare` leaves to other attacks")
    parser.add_argument("--patience", type=float, default=START, help="seconds for remote control to answer")
    parser.add_argument("attack", nargs="+")
    arguments = parser.parse_args()
    made = {"chromium": OfChromium, "firefox": OfFirefox}
    names = {"chromium": "chromium", "firefox": "firefox-esr"}
    executable = shutil.which(names[arguments.browser]) or names[arguments.browser]
    of = made[arguments.browser](executable, arguments.blocked, arguments.home, arguments.patience)
    print(json.dumps({name: of.attack(name) for name in arguments.attack}))
    return 0


if __name__ == "__main__":
    sys.modules["browser_doors"] = sys.modules["__main__"]
    sys.exit(main())
