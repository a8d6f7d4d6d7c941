"""Paths that users take for policy places, and that no browser reads: a file there has no effect.

Tried on Debian 13 (firefox-esr 153). Source for Brave: https://github.com/flathub/com.brave.Browser/issues/103
"""

from __future__ import annotations

from typing import Iterator, Mapping

from ....model.finding import Finding
from ...system import Host

# By path: the path that counts, and its browser.
UNREAD_PATHS: Mapping[str, tuple[str, str]] = {
    "/etc/firefox-esr/policies": ("/etc/firefox/policies/policies.json", "firefox_esr"),
    "/etc/firefox/policies.json": ("/etc/firefox/policies/policies.json", "firefox"),
    "/etc/thunderbird/policies.json": ("/etc/thunderbird/policies/policies.json", "thunderbird"),
    "/etc/opt/brave/policies": ("/etc/brave/policies/managed", "brave"),
}


def find_unread_policies(host: Host) -> Iterator[Finding]:
    """Yield a finding for each such file or folder. It is no violation: the ban does not depend on it."""
    for path, (effective_path, browser) in UNREAD_PATHS.items():
        if host.find_entry(path) is not None:
            name = path.rpartition("/")[2]
            yield Finding(
                "policy", name, browser, path=path, detail=f"without effect: {browser} reads {effective_path}"
            )
