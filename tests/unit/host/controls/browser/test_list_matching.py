"""Our reading of lists against the browsers' documented precedence, written down anew here, the slow and plain way.

Chromium: https://support.google.com/chrome/a/answer/9942583 and url_blocklist_policy's FilterTakesPrecedence. Firefox:
match patterns (https://developer.mozilla.org/docs/Mozilla/Add-ons/WebExtensions/Match_patterns), and an exception wins
whatever the block. That the documents say what the browsers do is tested in tests/integration/test_browser_urls.py.
"""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from proscribe.host.controls.browser import list_matching
from proscribe.host.controls.browser.site_rules import SiteName

LABELS = ("a", "b", "com", "xn--a")
HOSTS = st.lists(st.sampled_from(LABELS), min_size=2, max_size=4).map(".".join)
PATHS = st.sampled_from(("", "/", "/x", "/X", "/x/y", "/xy", "/z"))
ADDRESSES = st.builds(SiteName, HOSTS, st.sampled_from(("", "/", "/x", "/X", "/x/y/z", "/xyz", "/z")))
FILTERS = st.builds(lambda host, path: host + (path if path != "/" else ""), HOSTS | st.just("*"), PATHS)
EXACT = st.builds(lambda host, path: f".{host}{path if path != '/' else ''}", HOSTS, PATHS)
BELOW = st.builds(lambda host, path: f"*://*.{host}{path or '/'}*", HOSTS, PATHS)
ALONE = st.builds(lambda host, path: f"*://{host}{path or '/'}*", HOSTS, PATHS)
ALL = st.sampled_from(("*://*/*",))


def chromium_says(block: list[str], allow: list[str], address: SiteName) -> bool:
    """Of all filters that match, the first by Chromium's order decides; none leaves the address open."""
    matching = []
    for listed, opens in ((block, False), (allow, True)):
        for text in listed:
            host, _, path = text.partition("/")
            path = "/" + path if path else ""
            exact, name = host.startswith("."), host.lstrip(".")
            fits = host == "*" or address.host == name or (not exact and address.host.endswith("." + name))
            if fits and (address.path or "/").startswith(path):
                matching.append((host != "*", exact, len(name), len(path), opens))
    return bool(matching) and not max(matching)[-1]


def firefox_says(block: list[str], exceptions: list[str], address: SiteName) -> bool:
    """Blocked is what one pattern of Block matches and none of Exceptions; everything is compared in lower case."""

    def fits(pattern: str) -> bool:
        _, _, rest = pattern.lower().partition("://")
        host, slash, path = rest.partition("/")
        any_below = r"(?:[^/]*\.)?" if host.startswith("*.") else ""
        where = "[^/]*" if host == "*" else any_below + re.escape(host.removeprefix("*."))
        what = ".*".join(map(re.escape, (slash + path).split("*")))
        return re.fullmatch(where + what, (address.host + (address.path or "/")).lower()) is not None

    return any(map(fits, block)) and not any(map(fits, exceptions))


@given(st.lists(HOSTS | FILTERS, max_size=6), st.lists(FILTERS | EXACT, max_size=6), ADDRESSES)
@example(["a.com"], ["a.com"], SiteName("b.a.com"))  # a tie: the exception
@example(["a.com/x"], ["a.com"], SiteName("a.com", "/x/y"))  # the longer path
@example(["b.a.com"], ["a.com/x"], SiteName("b.a.com", "/x"))  # the longer host before the longer path
@example(["b.a.com"], [".b.a.com"], SiteName("b.a.com"))  # just this host before all below
@example(["*"], ["a.com"], SiteName("a.com"))  # everything comes last
def test_chromium_closest_filter_decides(block, allow, address):
    # "*" with a path is read as no filter of the web's hosts; Proscribe writes none, and nobody is known to.
    block = [text for text in block if not text.startswith("*/")]
    allow = [text for text in allow if not text.startswith("*/")]
    assert list_matching.ClosestMatch(block, allow).is_blocked(address) == chromium_says(block, allow, address)


@given(st.lists(FILTERS | EXACT, max_size=6), st.lists(FILTERS | EXACT, max_size=6), ADDRESSES)
def test_name_read_as_blocked_is_blocked_by_chromium(block, allow, address):
    """Also with foreign blocks of one host alone, which are read so that they speak against us."""
    block = [text for text in block if not text.startswith("*/")]
    allow = [text for text in allow if not text.startswith("*/")]
    if list_matching.ClosestMatch(block, allow).is_blocked(address):
        assert chromium_says(block, allow, address)


@given(st.lists(BELOW | ALL, max_size=6), st.lists(BELOW | ALONE | ALL, max_size=6), ADDRESSES)
def test_firefox_blocks_unless_there_is_an_exception(block, exceptions, address):
    assert list_matching.FilterMatch(block, exceptions).is_blocked(address) == firefox_says(block, exceptions, address)


@given(st.lists(BELOW | ALONE | ALL, max_size=6), st.lists(BELOW | ALONE | ALL, max_size=6), ADDRESSES)
def test_name_read_as_blocked_is_blocked_by_firefox(block, exceptions, address):
    if list_matching.FilterMatch(block, exceptions).is_blocked(address):
        assert firefox_says(block, exceptions, address)


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("a.com", list_matching.SiteListEntry(SiteName("a.com"))),
        (".A.com/X", list_matching.SiteListEntry(SiteName("a.com", "/X"), includes_below=False)),
        ("a.com/x*", list_matching.SiteListEntry(SiteName("a.com", "/x"))),
        ("*", list_matching.SiteListEntry(SiteName("*"))),
        ("*://a.com:*/x", list_matching.SiteListEntry(SiteName("a.com", "/x"))),
        ("a.com:8443", list_matching.SiteListEntry(SiteName("a.com"), is_whole=False)),
        ("a.com/x?y=z", list_matching.SiteListEntry(SiteName("a.com", "/x"), is_whole=False)),
        *((text, None) for text in ("*.a.com", "a*", "user@a.com", "", "/x", 5, None, ["a.com"])),
    ],
)
def test_an_entry_of_chromiums(text, entry):
    assert list_matching.parse_chromium_entry(text) == entry


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("<all_urls>", list_matching.SiteListEntry(SiteName("*"))),
        ("*://*/*", list_matching.SiteListEntry(SiteName("*"))),
        ("*://*.A.com/*", list_matching.SiteListEntry(SiteName("a.com"))),
        ("*://a.com/*", list_matching.SiteListEntry(SiteName("a.com"), includes_below=False)),
        ("*://*.a.com/X*", list_matching.SiteListEntry(SiteName("a.com", "/x"))),
        ("https://*.a.com/*", list_matching.SiteListEntry(SiteName("a.com"), is_whole=False)),
        ("*://*.a.com/x", list_matching.SiteListEntry(SiteName("a.com", "/x"), is_whole=False)),
        *((text, None) for text in ("a.com", "*://a.com", "*://a*.com/", "about://a.com/", "*://a.com:80/", 5, None)),
    ],
)
def test_an_entry_of_firefoxs(text, entry):
    assert list_matching.parse_firefox_entry(text) == entry
