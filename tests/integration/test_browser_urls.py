"""Addresses in real browsers, made from the whole catalogue."""

import time
import unicodedata
from urllib.parse import urlsplit

import pytest
from browser_probe import host_of, target
from browser_setup import enforce, real_plan, visits
from proscribe.host.controls.browser import firefox
from proscribe.host.controls.browser.list_matching import ClosestMatch, FilterMatch
from proscribe.host.controls.browser.site_rules import SiteName, make_rules

BLOCKED, OPEN = "blocked", "open"
# What each browser says of an address that its policy blocks.
REFUSAL = {"chromium": "net::ERR_BLOCKED_BY_ADMINISTRATOR", "firefox": "e=blockedByPolicy"}
# Of what comes in both browsers alike: addresses behind https://, in groups.
GROUPS = [
    # a name, and what lies below it; its neighbours
    (BLOCKED, ("mail.google.com/", "web.whatsapp.com/", "www.dropbox.com/home?preview=1#x", "a.b.c.d.dropbox.com/")),
    (BLOCKED, ("drive-thirdparty.googleusercontent.com/", "we.chat/")),
    (OPEN, ("notdropbox.com/", "dropbox.com.example/", "dropbox-com.example/", "www.google.com/")),
    (OPEN, ("googleusercontent.com/", "example.org/whatsapp.com", "example.org/#whatsapp.com")),
    # below a blocked name
    (OPEN, ("api.telegram.org/bot1/getMe", "x.api.telegram.org/", "open.work.weixin.qq.com/")),
    (BLOCKED, ("xapi.telegram.org/", "web.telegram.org/k/", "homework.weixin.qq.com/")),
    # paths, each the start of one
    (BLOCKED, ("proton.me/drive/folder/1", "proton.me/drive?x=1", "proton.me/drivers", "www.proton.me/drive")),
    (BLOCKED, ("proton.me/a/../drive", "proton.me/./drive")),
    (OPEN, ("proton.me/mail/",)),
    # ports, and other spellings: of full width, with an ideographic full stop, with a Cyrillic letter (another name)
    (BLOCKED, ("dropbox.com:8443/", "dropbox.com./", "DropBox.COM/", "user:secret@dropbox.com/", "%64ropbox.com/")),
    (BLOCKED, ("example.org@dropbox.com/", "\uff44ropbox.com/", "dropbox\u3002com/", "b\u00fccher.dropbox.com/")),
    (OPEN, ("api.telegram.org:8443/", "api.telegram.org./", "API.Telegram.ORG/", "dropbox.com@example.org/")),
    (OPEN, ("dropbox.com.b\u00fccher.example/", "dr\u043epbox.com/")),
    # translation and archive proxies: the plan includes the service that lists them
    (BLOCKED, ("12ft.io/https://whatsapp.com/", "web-whatsapp-com.translate.goog/?_x_tr_sl=en")),
    (BLOCKED, ("translate.google.com/translate?u=https://whatsapp.com/",)),
    (BLOCKED, ("www-dropbox-com.cdn.ampproject.org/c/s/www.dropbox.com/",)),
    (BLOCKED, ("web.archive.org/web/2024/https://whatsapp.com/",)),
    (OPEN, ("translate.google.com/?text=whatsapp", "archive.org/details/texts")),
]
# By address: what comes of it in both browsers alike; (chromium, firefox) where they differ.
CASES = {
    **{f"https://{rest}": outcome for outcome, addresses in GROUPS for rest in addresses},
    "https://proton.me//drive": (OPEN, BLOCKED),  # Firefox 153 merges slashes (WebsiteFilter.sys.mjs)
    "https://proton.me/Drive": (OPEN, BLOCKED),  # Firefox compares in lower case
    "http://dropbox.com/": BLOCKED,
    "http://api.telegram.org/": OPEN,
    "http://start.test/redirect?https://dropbox.com/": BLOCKED,
    "http://start.test/redirect?https://proton.me/drive/x": BLOCKED,
    "http://start.test/redirect?https://api.telegram.org/": OPEN,
    "http://start.test/frame?http://web.whatsapp.com/": BLOCKED,
    "http://start.test/frame?http://work.weixin.qq.com/": OPEN,
    "view-source:https://dropbox.com/": BLOCKED,
    "view-source:https://api.telegram.org/": OPEN,
}


def address(url, browser):
    """Return the name in an address after what browsers do to it first (https://url.spec.whatwg.org)."""
    steps = []
    for step in urlsplit(unicodedata.normalize("NFKC", target(url))).path.split("/")[1:]:
        if step == "..":
            steps = steps[:-1]
        elif step != "." and (step or browser == "chromium"):
            steps.append(step)
    return SiteName(host_of(url), "/" + "/".join(steps))


@pytest.fixture(scope="module")
def plan():
    return real_plan(services_include=["web_translate_archive_proxies"])


def test_a_real_browser_opens_what_the_lists_leave_open_and_nothing_else(browser, tree, plan, record_property):
    desired = make_rules(plan["controls"]["browser"])
    listed = firefox.make_filter_lists(desired)
    chromiums = ClosestMatch(map(str, desired.blocked_names), map(str, desired.allowed_names))
    effect = chromiums if browser == "chromium" else FilterMatch(listed.blocked_patterns, listed.exception_patterns)
    meant = {url: case if isinstance(case, str) else case[browser == "firefox"] for url, case in CASES.items()}
    predicted = {url: BLOCKED if effect.is_blocked(address(url, browser)) else OPEN for url in CASES}
    assert predicted == meant
    enforce(tree, plan)
    began = time.monotonic()
    opened = visits(tree, browser, list(CASES))
    record_property("seconds", round(time.monotonic() - began, 1))
    assert {url: OPEN if hits else BLOCKED for url, (hits, _) in opened.items()} == predicted
    # Not just silence: the browser says that it is the policy. Of what is in a frame it says nothing.
    refused = {url for url in CASES if predicted[url] == BLOCKED and "/frame?" not in url}
    assert {url for url, (_, error) in opened.items() if REFUSAL[browser] in error} == refused
