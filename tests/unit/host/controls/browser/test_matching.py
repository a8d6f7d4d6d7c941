"""Our reading of lists against the browsers' documented precedence, written down anew here, the slow and plain way.

Chromium: https://support.google.com/chrome/a/answer/9942583 and url_blocklist_policy's FilterTakesPrecedence. Firefox:
match patterns (https://developer.mozilla.org/docs/Mozilla/Add-ons/WebExtensions/Match_patterns), and an exception wins
whatever the block. That the documents say what the browsers do is tested in tests/integration/test_browser_urls.py.
"""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from proscribe.host.controls.browser.matching import Closest, Entry, Unless, chromium_entry, firefox_entry
from proscribe.host.controls.browser.rendering import Name

LABELS = ("a", "b", "com", "xn--a")
HOSTS = st.lists(st.sampled_from(LABELS), min_size=2, max_size=4).map(".".join)
PATHS = st.sampled_from(("", "/", "/x", "/X", "/x/y", "/xy", "/z"))
ADDRESSES = st.builds(Name, HOSTS, st.sampled_from(("", "/", "/x", "/X", "/x/y/z", "/xyz", "/z")))
FILTERS = st.builds(lambda host, path: host + (path if path != "/" else ""), HOSTS | st.just("*"), PATHS)
EXACT = st.builds(lambda host, path: f".{host}{path if path != '/' else ''}", HOSTS, PATHS)
BELOW = st.builds(lambda host, path: f"*://*.{host}{path or '/'}*", HOSTS, PATHS)
ALONE = st.builds(lambda host, path: f"*://{host}{path or '/'}*", HOSTS, PATHS)
ALL = st.sampled_from(("*://*/*",))


def chromium_says(block: list[str], allow: list[str], address: Name) -> bool:
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


def firefox_says(block: list[str], exceptions: list[str], address: Name) -> bool:
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
@example(["a.com"], ["a.com"], Name("b.a.com"))  # a tie: the exception
@example(["a.com/x"], ["a.com"], Name("a.com", "/x/y"))  # the longer path
@example(["b.a.com"], ["a.com/x"], Name("b.a.com", "/x"))  # the longer host before the longer path
@example(["b.a.com"], [".b.a.com"], Name("b.a.com"))  # just this host before all below
@example(["*"], ["a.com"], Name("a.com"))  # everything comes last
def test_chromium_closest_filter_decides(block, allow, address):
    # "*" with a path is read as no filter of the web's hosts; Proscribe writes none, and nobody is known to.
    block = [text for text in block if not text.startswith("*/")]
    allow = [text for text in allow if not text.startswith("*/")]
    assert Closest(block, allow).blocked(address) == chromium_says(block, allow, address)


@given(st.lists(FILTERS | EXACT, max_size=6), st.lists(FILTERS | EXACT, max_size=6), ADDRESSES)
def test_name_read_as_blocked_is_blocked_by_chromium(block, allow, address):
    """Also with foreign blocks of one host alone, which are read so that they speak against us."""
    block = [text for text in block if not text.startswith("*/")]
    allow = [text for text in allow if not text.startswith("*/")]
    if Closest(block, allow).blocked(address):
        assert chromium_says(block, allow, address)


@given(st.lists(BELOW | ALL, max_size=6), st.lists(BELOW | ALONE | ALL, max_size=6), ADDRESSES)
def test_firefox_blocks_unless_there_is_an_exception(block, exceptions, address):
    assert Unless(block, exceptions).blocked(address) == firefox_says(block, exceptions, address)


@given(st.lists(BELOW | ALONE | ALL, max_size=6), st.lists(BELOW | ALONE | ALL, max_size=6), ADDRESSES)
def test_name_read_as_blocked_is_blocked_by_firefox(block, exceptions, address):
    if Unless(block, exceptions).blocked(address):
        assert firefox_says(block, exceptions, address)


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("a.com", Entry(Name("a.com"))),
        (".A.com/X", Entry(Name("a.com", "/X"), below=False)),
        ("a.com/x*", Entry(Name("a.com", "/x"))),
        ("*", Entry(Name("*"))),
        ("*://a.com:*/x", Entry(Name("a.com", "/x"))),
        ("a.com:8443", Entry(Name("a.com"), whole=False)),
        ("a.com/x?y=z", Entry(Name("a.com", "/x"), whole=False)),
        *((text, None) for text in ("*.a.com", "a*", "user@a.com", "", "/x", 5, None, ["a.com"])),
    ],
)
def test_an_entry_of_chromiums(text, entry):
    assert chromium_entry(text) == entry


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("<all_urls>", Entry(Name("*"))),
        ("*://*/*", Entry(Name("*"))),
        ("*://*.A.com/*", Entry(Name("a.com"))),
        ("*://a.com/*", Entry(Name("a.com"), below=False)),
        ("*://*.a.com/X*", Entry(Name("a.com", "/x"))),
        ("https://*.a.com/*", Entry(Name("a.com"), whole=False)),
        ("*://*.a.com/x", Entry(Name("a.com", "/x"), whole=False)),
        *((text, None) for text in ("a.com", "*://a.com", "*://a*.com/", "about://a.com/", "*://a.com:80/", 5, None)),
    ],
)
def test_an_entry_of_firefoxs(text, entry):
    assert firefox_entry(text) == entry
