"""The places of a made plan: two of Chromium's language, one of Firefox's."""

from proscribe.host.controls.browser.policy_places import PolicyPlace

CHROMIUM = PolicyPlace("chromium", "chromium", "/etc/chromium/policies/managed/proscribe.json", browsers=("chromium",))
FIREFOX = PolicyPlace("firefox", "firefox", "/etc/firefox/policies/policies.json", browsers=("firefox", "firefox_esr"))

FALLBACKS = ("lib/firefox-esr", "share/firefox-esr", "lib/firefox", "lib64/firefox")
BROWSERS = [
    {"id": "chromium", "family": "chromium", "path": CHROMIUM.path, "browsers": ["chromium"]},
    {
        "id": "google_chrome",
        "family": "chromium",
        "browsers": ["google_chrome"],
        "path": "/etc/opt/chrome/policies/managed/proscribe.json",
    },
    {
        "id": "firefox",
        "family": "firefox",
        "path": FIREFOX.path,
        "browsers": ["firefox", "firefox_esr"],
        "fallbacks": [f"/usr/{folder}/distribution/policies.json" for folder in FALLBACKS],
    },
]
