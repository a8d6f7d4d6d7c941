"""Addresses in real browsers, made from the whole catalogue."""

import time
import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from browser_probe import host_of, target
from browser_setup import enforce, real_plan, visits
from conftest import require_tool
from proscribe.host.controls.browser import firefox
from proscribe.host.controls.browser.matching import Closest, Unless
from proscribe.host.controls.browser.rendering import Name, rules

BLOCKED, OPEN = "blocked", "open"
# What each browser says of an address that its policy blocks.
REFUSAL = {"chromium": "net::ERR_BLOCKED_BY_ADMINISTRATOR", "firefox": "e=blockedByPolicy"}
# Whatever comes of it in both browsers alike; (chromium, firefox) where they differ.
CASES: Mapping[str, str | tuple[str, str]] = {
    # a name, and what lies below it
    "https://mail.google.com/": BLOCKED,
    "https://web.whatsapp.com/": BLOCKED,
    "https://www.dropbox.com/home?preview=1#x": BLOCKED,
    "https://a.b.c.d.dropbox.com/": BLOCKED,
    "https://drive-thirdparty.googleusercontent.com/": BLOCKED,
    "https://we.chat/": BLOCKED,
    # its neighbours
    "https://notdropbox.com/": OPEN,
    "https://dropbox.com.example/": OPEN,
    "https://dropbox-com.example/": OPEN,
    "https://www.google.com/": OPEN,
    "https://googleusercontent.com/": OPEN,
    "https://example.org/whatsapp.com": OPEN,
    "https://example.org/#whatsapp.com": OPEN,
    # what stays open below a blocked name, and what does not
    "https://api.telegram.org/bot1/getMe": OPEN,
    "https://x.api.telegram.org/": OPEN,
    "https://xapi.telegram.org/": BLOCKED,
    "https://web.telegram.org/k/": BLOCKED,
    "https://open.work.weixin.qq.com/": OPEN,
    "https://homework.weixin.qq.com/": BLOCKED,
    # paths
    "https://proton.me/drive/folder/1": BLOCKED,
    "https://proton.me/drive?x=1": BLOCKED,
    "https://proton.me/drivers": BLOCKED,  # a path is the start of one
    "https://www.proton.me/drive": BLOCKED,
    "https://proton.me/mail/": OPEN,
    "https://proton.me//drive": (OPEN, BLOCKED),  # Firefox 153 merges slashes (WebsiteFilter.sys.mjs)
    "https://proton.me/a/../drive": BLOCKED,
    "https://proton.me/./drive": BLOCKED,
    "https://proton.me/Drive": (OPEN, BLOCKED),  # Firefox compares in lower case
    # schemes and ports
    "http://dropbox.com/": BLOCKED,
    "http://api.telegram.org/": OPEN,
    "https://dropbox.com:8443/": BLOCKED,
    "https://api.telegram.org:8443/": OPEN,
    # other spellings of a name
    "https://dropbox.com./": BLOCKED,
    "https://api.telegram.org./": OPEN,
    "https://DropBox.COM/": BLOCKED,
    "https://API.Telegram.ORG/": OPEN,
    "https://user:secret@dropbox.com/": BLOCKED,
    "https://dropbox.com@example.org/": OPEN,
    "https://example.org@dropbox.com/": BLOCKED,
    "https://%64ropbox.com/": BLOCKED,
    "https://\uff44ropbox.com/": BLOCKED,  # full width
    "https://dropbox\u3002com/": BLOCKED,  # an ideographic full stop
    "https://b\u00fccher.dropbox.com/": BLOCKED,
    "https://dropbox.com.b\u00fccher.example/": OPEN,
    "https://dr\u043epbox.com/": OPEN,  # a Cyrillic letter: another name
    # ways to it
    "http://start.test/redirect?https://dropbox.com/": BLOCKED,
    "http://start.test/redirect?https://proton.me/drive/x": BLOCKED,
    "http://start.test/redirect?https://api.telegram.org/": OPEN,
    "http://start.test/frame?http://web.whatsapp.com/": BLOCKED,
    "http://start.test/frame?http://work.weixin.qq.com/": OPEN,
    "view-source:https://dropbox.com/": BLOCKED,
    "view-source:https://api.telegram.org/": OPEN,
    # translation and archive proxies: the plan includes the service that lists them
    "https://12ft.io/https://whatsapp.com/": BLOCKED,
    "https://web-whatsapp-com.translate.goog/?_x_tr_sl=en": BLOCKED,
    "https://translate.google.com/translate?u=https://whatsapp.com/": BLOCKED,
    "https://translate.google.com/?text=whatsapp": OPEN,
    "https://www-dropbox-com.cdn.ampproject.org/c/s/www.dropbox.com/": BLOCKED,
    "https://web.archive.org/web/2024/https://whatsapp.com/": BLOCKED,
    "https://archive.org/details/texts": OPEN,
}


def address(url: str, browser: str) -> Name:
    """Return the name in an address after what browsers do to it first (https://url.spec.whatwg.org)."""
    steps: list[str] = []
    for step in urlsplit(unicodedata.normalize("NFKC", target(url))).path.split("/")[1:]:
        if step == "..":
            steps = steps[:-1]
        elif step != "." and (step or browser == "chromium"):
            steps.append(step)
    return Name(host_of(url), "/" + "/".join(steps))


@pytest.fixture(scope="module")
def plan():
    return real_plan(services_include=["web_translate_archive_proxies"])


def reading(name: str, plan: Mapping[str, Any]) -> Closest | Unless:
    """Our own reading of the lists that are written for a browser."""
    desired = rules(plan["controls"]["browser"])
    if name == "chromium":
        return Closest(map(str, desired.block), map(str, desired.allow))
    listed = firefox.lists(desired)
    return Unless(listed.block, listed.exceptions)


@pytest.mark.parametrize(("name", "tool"), [("chromium", "chromium"), ("firefox", "firefox-esr")])
def test_a_real_browser_opens_what_the_lists_leave_open_and_nothing_else(name, tool, tree, plan, record_property):
    require_tool(tool)
    effect = reading(name, plan)
    meant = {url: case if isinstance(case, str) else case[name == "firefox"] for url, case in CASES.items()}
    predicted = {url: BLOCKED if effect.blocked(address(url, name)) else OPEN for url in CASES}
    assert predicted == meant
    enforce(tree, plan)
    began = time.monotonic()
    found = visits(tree, name, list(CASES))
    record_property("seconds", round(time.monotonic() - began, 1))
    assert {url: OPEN if hits else BLOCKED for url, (hits, _) in found.items()} == predicted
    # Not just silence: the browser says that it is the policy. Of what is in a frame it says nothing.
    refused = {url for url in CASES if predicted[url] == BLOCKED and "/frame?" not in url}
    assert {url for url, (_, said) in found.items() if REFUSAL[name] in said} == refused
