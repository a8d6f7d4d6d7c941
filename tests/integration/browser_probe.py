"""Does a real browser on this host connect to a site, or does its policy keep it from that?

    python3 browser_probe.py --browser chromium --listen 127.0.0.1 https://mail.google.com/ https://www.example.org/

prints how many connections each address led to: {"https://mail.google.com/": 0, "https://www.example.org/": 1}; with
--said how each ended: {"https://mail.google.com/": [0, "net::ERR_BLOCKED_BY_ADMINISTRATOR"], ...}. All names lead to a
listener on this host, so nothing leaves it. The browser runs without a window and with a profile of its own; every
address is waited for until the browser itself is done with it, so that 0 means refused and not late.

    http://any.test/redirect?<address>      leads there by a redirection
    http://any.test/frame?<address>         has it in a frame

and then the connections of the name in <address> are counted.

Ends with 0; with 2 when the browser is missing or does not work. Standard library only; needs chromium.py,
marionette.py and listener.py beside it.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from chromium import Chromium, ChromiumError
from listener import Listener
from marionette import Firefox, FirefoxError

EXECUTABLES = {
    "chromium": ("chromium", "chromium-browser"),
    "google_chrome": ("google-chrome-stable", "google-chrome"),
    "firefox": ("firefox-esr", "firefox"),
}
PORTS = (80, 443, 8000, 8080, 8443)  # that Firefox is led to the listener on
TLS = b"\x16"  # how a hello begins (RFC 8446 section 5.1)
TLS_REFUSED = b"\x15\x03\x01\x00\x02\x02\x28"  # the alert handshake_failure (section 6)
START = 'data:text/html,<meta charset="utf-8">'


class ProbeError(Exception):
    """The browser cannot be used, so nothing is known about its policy."""


class Visit(NamedTuple):
    connections: int
    said: str  # the error that the browser gave, if any


class Site(Listener):
    """A listener that answers some requests, so that a browser is led on."""

    def heard(self, said: bytes) -> bytes:
        super().heard(said)
        route, _, to = said.partition(b" HTTP/")[0].partition(b" ")[2].partition(b"?")
        if route == b"/redirect":
            return b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % to
        if route == b"/frame":
            return _page(b'<iframe src="%b"></iframe>' % to)
        # Plain answers, where a closed connection would be tried again, ten times over.
        return TLS_REFUSED if said[:1] == TLS else _page(b"here")


def _page(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    page = b"<!doctype html><title>page</title>" + body
    return head % len(page) + page


def target(url: str) -> str:
    """The address that a browser is led to in the end."""
    for path in ("/redirect?", "/frame?"):
        _, found, to = url.partition(path)
        if found:
            return to
    return url.removeprefix("view-source:").removeprefix("about:reader?url=")


def host_of(url: str) -> str:
    """The name in an address as browsers make it out: in ASCII and lower case, without a dot at its end."""
    host = unquote(urlsplit(target(url)).hostname or "").rstrip(".")
    return host if host.isascii() else host.encode("idna").decode()


def probe(
    browser: str, urls: Sequence[str], listen: str = "127.0.0.1", executable: str | None = None
) -> dict[str, Visit]:
    """What came of each address when `browser` (a key of EXECUTABLES) opened it. Raises ProbeError."""
    executable = executable or next(filter(None, map(shutil.which, EXECUTABLES[browser])), None)
    if executable is None:
        raise ProbeError(f"{browser} is not installed (looked for {', '.join(EXECUTABLES[browser])})")
    session = _firefox if browser == "firefox" else _chromium
    visits: dict[str, Visit] = {}
    seen: dict[str, int] = {}  # by name, since several addresses may have the same one
    with tempfile.TemporaryDirectory(prefix="probe-", ignore_cleanup_errors=True) as home, Site(listen) as site:
        try:
            for url, said in session(executable, urls, site, home):
                name = host_of(url)
                total = site.hits(name)
                visits[url] = Visit(total - seen.get(name, 0), said)
                seen[name] = total
        except (ChromiumError, FirefoxError) as error:
            raise ProbeError(f"{executable}: {error}") from None
    return visits


def _chromium(executable: str, urls: Sequence[str], site: Site, home: str) -> Iterator[tuple[str, str]]:
    """Start the browser once, and send it to one address after the other."""
    to_site = f"MAP * {site.address}:{site.port}"
    with Chromium(executable, home, to_site, ["--disable-features=HttpsUpgrades"]) as browser:
        page = browser.open(START)
        for url in urls:
            browser.events.clear()
            said = page.ask("Page.navigate", {"url": url}).get("errorText", "")
            if not said:
                page.wait_for("Page.loadEventFired")  # with the frames of the page
            yield url, said


def _firefox(executable: str, urls: Sequence[str], site: Site, home: str) -> Iterator[tuple[str, str]]:
    """Start the browser once, and send it to one address after the other."""
    preferences = {
        "dom.security.https_first": False,
        "network.dns.forceResolve": site.address,
        "network.proxy.type": 0,
        "network.socket.forcePort": ";".join(f"{port}={site.port}" for port in PORTS),
    }
    with Firefox(executable, home, preferences) as browser:
        for url in urls:
            yield url, browser.visit(url)


def main() -> int:
    parser = argparse.ArgumentParser(description="Count the connections that a browser makes for each address.")
    parser.add_argument("--browser", choices=sorted(EXECUTABLES), required=True)
    parser.add_argument("--executable", help="another one than what this machine has under its usual names")
    parser.add_argument("--listen", default="127.0.0.1", help="address of this host to lead all names to")
    parser.add_argument("--said", action="store_true", help="print also what the browser said")
    parser.add_argument("url", nargs="+")
    arguments = parser.parse_args()
    try:
        visits = probe(arguments.browser, arguments.url, arguments.listen, arguments.executable)
    except ProbeError as error:
        print(error, file=sys.stderr)
        return 2
    brief: Callable[[Visit], object] = tuple if arguments.said else lambda visit: visit.connections
    print(json.dumps({url: brief(visit) for url, visit in visits.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
