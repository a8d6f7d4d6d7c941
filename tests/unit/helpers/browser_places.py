"""The places of a made plan: two of Chromium's language, one of Firefox's."""

from typing import Any

from proscribe.host.controls.browser.places import Place

CHROMIUM = Place("chromium", "chromium", "/etc/chromium/policies/managed/proscribe.json", browsers=("chromium",))
FIREFOX = Place("firefox", "firefox", "/etc/firefox/policies/policies.json", browsers=("firefox", "firefox_esr"))

BROWSERS: list[dict[str, Any]] = [
    {"id": "chromium", "family": "chromium", "path": CHROMIUM.path, "browsers": ["chromium"]},
    {
        "id": "google_chrome",
        "family": "chromium",
        "path": "/etc/opt/chrome/policies/managed/proscribe.json",
        "browsers": ["google_chrome"],
    },
    {
        "id": "firefox",
        "family": "firefox",
        "path": FIREFOX.path,
        "browsers": ["firefox", "firefox_esr"],
        "fallbacks": [
            "/usr/lib/firefox-esr/distribution/policies.json",
            "/usr/share/firefox-esr/distribution/policies.json",
            "/usr/lib/firefox/distribution/policies.json",
            "/usr/lib64/firefox/distribution/policies.json",
        ],
    },
]
