"""Paths that administrators mistake for places of policies, although no browser reads them.

A file there has no effect. Tried on Debian 13 (firefox-esr 153). Source for Brave:
https://github.com/flathub/com.brave.Browser/issues/103
"""

from __future__ import annotations

from typing import Iterator, Mapping

from ....model.finding import Finding
from ...system import Host

# Key: a path that the browser ignores. Value: the path that the browser reads instead, and the browser's id.
UNREAD_PATHS: Mapping[str, tuple[str, str]] = {
    "/etc/firefox-esr/policies": ("/etc/firefox/policies/policies.json", "firefox_esr"),
    "/etc/firefox/policies.json": ("/etc/firefox/policies/policies.json", "firefox"),
    "/etc/thunderbird/policies.json": ("/etc/thunderbird/policies/policies.json", "thunderbird"),
    "/etc/opt/brave/policies": ("/etc/brave/policies/managed", "brave"),
}


def find_unread_policies(host: Host) -> Iterator[Finding]:
    """Yield a finding for each path of UNREAD_PATHS that exists on the host.

    The detail names the path that the browser reads instead. Such a file is no violation, because the ban does not
    depend on it.
    """
    for path, (effective_path, browser) in UNREAD_PATHS.items():
        if host.find_entry(path) is not None:
            name = path.rpartition("/")[2]
            yield Finding(
                "policy", name, browser, path=path, detail=f"without effect: {browser} reads {effective_path}"
            )
