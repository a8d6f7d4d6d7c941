"""The policies beside the organisation's own, on real browsers."""

from typing import Any

import pytest
from browser_setup import PROJECT, connections, enforce, lift, put, unmet
from conftest import require_tool
from proscribe.controller.compile.catalogue.loading import load
from proscribe.controller.compile.plans.browsers import places

SERVICES = {
    "gmail": {"domains": ["mail.google.com"], "urls": ["mail.google.com/mail"]},
    "whatsapp": {"domains": ["whatsapp.com"], "urls": ["web.whatsapp.com"]},
    "dropbox": {"domains": ["dropbox.com"]},
    "proton_drive": {"urls": ["proton.me/drive"]},
    "telegram": {"domains": ["telegram.org"], "allow": ["api.telegram.org"]},
    "closed": {"domains": ["closed.test"], "allow": ["open.closed.test"]},
    "again": {"domains": ["again.open.closed.test"]},
}
RESTRICTED = [
    "https://mail.google.com/",
    "https://web.whatsapp.com/",
    "https://www.dropbox.com/",
    "https://proton.me/drive/folder",
    "https://web.telegram.org/",
    "https://www.closed.test/",
    "https://again.open.closed.test/",
]
PERMITTED = [
    "https://www.example.org/",
    "https://proton.me/mail",
    "https://api.telegram.org/",
    "https://open.closed.test/",
]
OWN = ["https://www.example.net/", "https://www.example.com/"]  # what the organisation itself blocks
OWN_FILES = {
    "chromium": {
        "/etc/chromium/policies/managed/10-organisation.json": {"URLBlocklist": ["www.example.net"]},
        "/etc/chromium/policies/managed/zz-organisation.json": {"URLBlocklist": ["www.example.com"]},
    },
    "firefox": {
        "/etc/firefox/policies/policies.json": {
            "policies": {"WebsiteFilter": {"Block": ["*://www.example.net/*", "*://*.www.example.com/*"]}}
        }
    },
}


def section() -> dict[str, Any]:
    services = {id_: {"name": id_, "mode": "enforce", **entry} for id_, entry in SERVICES.items()}
    return {"mode": "enforce", "services": services, "settings": {"browsers": {"dns_over_https": "blocked"}}}


@pytest.mark.parametrize(("name", "tool"), [("chromium", "chromium"), ("firefox", "firefox-esr")])
def test_a_real_browser_is_kept_from_what_is_restricted_until_the_lift(name, tool, tree):
    require_tool(tool)
    put(tree, OWN_FILES[name])
    before = {path: (tree / path[1:]).read_bytes() for path in OWN_FILES[name]}
    plan = {"browsers": places(load([PROJECT / "catalog"])), "controls": {"browser": section()}}
    enforce(tree, plan)
    assert unmet(tree, plan) == []
    counted = connections(tree, name, RESTRICTED + OWN + PERMITTED)
    assert [url for url in RESTRICTED + OWN if counted[url]] == []
    assert [url for url in PERMITTED if not counted[url]] == []
    lift(tree, plan)
    counted = connections(tree, name, RESTRICTED[:2])
    assert [url for url in RESTRICTED[:2] if not counted[url]] == []
    assert {path: (tree / path[1:]).read_bytes() for path in OWN_FILES[name]} == before
