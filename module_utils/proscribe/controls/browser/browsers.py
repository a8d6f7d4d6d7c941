"""The managed browsers, one row each. The path is compiled into a browser: a copy of it at home reads the same file."""

from __future__ import annotations

from typing import NamedTuple


class Browser(NamedTuple):
    """A managed browser."""

    id: str
    family: str  # whose policy language it speaks
    path: str  # the file that Proscribe keeps for it
    fallbacks: tuple[str, ...] = ()  # firefox: what it reads only as long as `path` is not there


BROWSERS = (
    Browser("chromium", "chromium", "/etc/chromium/policies/managed/proscribe.json"),
    Browser("google_chrome", "chromium", "/etc/opt/chrome/policies/managed/proscribe.json"),
    Browser(
        "firefox",
        "firefox",
        "/etc/firefox/policies/policies.json",
        (
            "/usr/lib/firefox-esr/distribution/policies.json",
            "/usr/share/firefox-esr/distribution/policies.json",
            "/usr/lib/firefox/distribution/policies.json",
            "/usr/lib64/firefox/distribution/policies.json",
        ),
    ),
)
