"""Counts the connections that a real browser on this host makes for some addresses.

Prints {"https://mail.google.com/": 0, "https://www.example.org/": 1}; with --said also how each ended. All names lead
to a listener on this host. Each address is waited for until the browser is done with it: 0 means refused, and not late.
Of http://any.test/redirect?<address> and http://any.test/frame?<address>, the connections to <address> are counted.
Standard library only; needs chromium.py, marionette.py and listener.py beside it.
"""

import argparse
import json
import shutil
import sys
import tempfile
from urllib.parse import unquote, urlsplit

from chromium import Chromium, ChromiumError
from listener import Listener
from marionette import Firefox, FirefoxError

EXECUTABLES = {
    "chromium": ("chromium", "chromium-browser"),
    "google_chrome": ("google-chrome-stable", "google-chrome"),
    "firefox": ("firefox-esr", "firefox"),
    "thunderbird": ("thunderbird",),
}
PORTS = (80, 443, 8000, 8080, 8443)  # that Firefox is led to the listener on
TLS = b"\x16"  # how a hello begins (RFC 8446 section 5.1)
TLS_REFUSED = b"\x15\x03\x01\x00\x02\x02\x28"  # the alert handshake_failure (section 6)
START = 'data:text/html,<meta charset="utf-8">'


class Site(Listener):
    """A listener that answers some requests, so that a browser is led on."""

    def heard(self, said):
        super().heard(said)
        route, _, to = said.partition(b" HTTP/")[0].partition(b" ")[2].partition(b"?")
        if route == b"/redirect":
            return b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % to
        if route == b"/frame":
            return _page(b'<iframe src="%b"></iframe>' % to)
        # Plain answers, where a closed connection would be tried again, ten times over.
        return TLS_REFUSED if said[:1] == TLS else _page(b"here")


def _page(body):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    page = b"<!doctype html><title>page</title>" + body
    return head % len(page) + page


def target(url):
    """The address that a browser is led to in the end."""
    for path in ("/redirect?", "/frame?"):
        _, found, to = url.partition(path)
        if found:
            return to
    return url.removeprefix("view-source:").removeprefix("about:reader?url=")


def host_of(url):
    """The name in an address as browsers make it out: in ASCII and lower case, without a dot at its end."""
    host = unquote(urlsplit(target(url)).hostname or "").rstrip(".")
    return host if host.isascii() else host.encode("idna").decode()


def find_executable(browser):
    """Return the program of a browser. Raises ChromiumError where it is not installed."""
    program = next(filter(None, map(shutil.which, EXECUTABLES[browser])), None)
    if program is None:
        raise ChromiumError(f"{browser} is not installed (looked for {', '.join(EXECUTABLES[browser])})")
    return program


def print_answer(answer):
    """Print what comes of a browser with a home of its own. Return the exit code: 2 where the browser does not work."""
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as home:
        try:
            print(json.dumps(answer(home)))
        except (ChromiumError, FirefoxError) as error:
            print(error, file=sys.stderr)
            return 2
    return 0


def probe(browser, urls, listen, executable, home):
    """Open addresses in a browser. Return for each one the connections, and the error that the browser shows."""
    open_urls = _firefox if browser == "firefox" else _chromium
    visits = {}
    seen = {}  # by name, since several addresses may have the same one
    with Site(listen) as site:
        for url, error in open_urls(executable, urls, site, home):
            name = host_of(url)
            total = site.hits(name)
            visits[url] = total - seen.get(name, 0), error
            seen[name] = total
    return visits


def _chromium(executable, urls, site, home):
    to_site = f"MAP * {site.address}:{site.port}"
    with Chromium(executable, home, to_site, ["--disable-features=HttpsUpgrades"]) as browser:
        page = browser.open(START)
        for url in urls:
            browser.events.clear()
            said = page.ask("Page.navigate", {"url": url}).get("errorText", "")
            if not said:
                page.wait_for("Page.loadEventFired")  # with the frames of the page
            yield url, said


def _firefox(executable, urls, site, home):
    ports = ";".join(f"{port}={site.port}" for port in PORTS)
    to_site = {"network.dns.forceResolve": site.address, "network.socket.forcePort": ports, "network.proxy.type": 0}
    with Firefox(executable, home, {**to_site, "dom.security.https_first": False}) as browser:
        for url in urls:
            yield url, browser.visit(url)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Count the connections that a browser makes for each address.")
    parser.add_argument("--browser", choices=sorted(EXECUTABLES), required=True)
    parser.add_argument("--executable", help="another one than what this machine has under its usual names")
    parser.add_argument("--listen", default="127.0.0.1", help="address of this host to lead all names to")
    parser.add_argument("--said", action="store_true", help="print also what the browser said")
    parser.add_argument("url", nargs="+")
    options = parser.parse_args()

    def count(home):
        executable = options.executable or find_executable(options.browser)
        visits = probe(options.browser, options.url, options.listen, executable, home)
        return {url: visit if options.said else visit[0] for url, visit in visits.items()}

    sys.exit(print_answer(count))
