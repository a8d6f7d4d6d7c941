"""Formats of published and public lists."""

import argparse
import base64
import contextlib
import datetime
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import processor
from properties import examples
from proscribe.controller.cli.catalog import download, list_formats, list_sources, publishers, refreshing
from proscribe.controller.cli.catalog.public_lists import extract_host_name
from proscribe.controller.compile.reading import grammar

PIECES = st.sampled_from(
    [*"\n\t\"'`,:#*-|^<>[]{}()/\\ .", "||", "https://", "sdns://", "a.example", "domain", "Domains:", "ID:", "GroupID:"]
    + ["include:", "0.0.0.0 ", "DOMAIN,", "Intel::DOMAIN", "<td>", "<strong>", "NDPI_PROTOCOL_X", "1,", "\x00", "é"]
)


@pytest.mark.parametrize(
    ("form", "text", "found"),
    [
        ("lines", "a # b\n# c\n; d\n\n e f\ng;h\n", ["a", "e", "g"]),
        ("hosts", "0.0.0.0 a b # c\n# d e\n\n::1\n:: f", ["a", "b", "f"]),
        ("first_column", '# x,y\n"a,b",1\n\n ,2\n c ,#\n', ["a,b", "c"]),
        ("google_ranges", '{"prefixes":[{"ipv4Prefix":"1", "ipv6Prefix":"2"}, {"ipv6Prefix":"3"}]}', ["1", "2", "3"]),
        ("onionoo", '{"relays": [{"or_addresses": ["1.2.3.4:5", "[::6]:7"]}]}', ["1.2.3.4", "::6"]),
        (
            "adguard_services",
            '{"blocked_services": [5, {"id": "owl", "rules": 5}, {"id": "parrot", "rules": ["||a^", "||b", "c^", 5]}]}',
            ["a"],
        ),
        ("ripestat", '{"status": "ok", "data": {"prefixes": [{"prefix": "1/8"}, {"prefix": "2/8"}]}}', ["1/8", "2/8"]),
        (
            "json_addresses",
            '["https://a.example", "http://b.example:81/ipfs/:hash", "https://:hash.ipfs.c.example"]',
            ["a.example", "b.example", "ipfs.c.example"],
        ),
        ("v2fly", "a\ndomain:b @ads\nfull:c # d\ninclude:e\nregexp:f\nkeyword:g\n", ["a", "b", "c"]),
    ],
)
def test_a_list_in_its_form(form, text, found):
    assert list(publishers.FORMATS[form](text, "parrot")) == found


@pytest.mark.parametrize(
    ("form", "text", "why"),
    [
        ("first_column", "x" * 200_000, "no comma-separated values"),
        ("google_ranges", "[]", "no list 'prefixes'"),
        ("google_ranges", '{"prefixes": ["ipv4Prefix"]}', "has none of"),
        ("google_ranges", '{"prefixes": [{"ipv4Prefix": "1", "ipv6Prefix": 5}]}', "has none of"),
        ("onionoo", '{"relays": [{}]}', "no list 'or_addresses'"),
        ("adguard_services", '{"blocked_services": [{"id": "parrot"}]}', "no list 'rules'"),
        ("adguard_services", '{"blocked_services": []}', "no service 'parrot'"),
        ("ripestat", "[" * 200_000, "no JSON"),
        ("ripestat", '{"status": "error", "data": {"prefixes": []}}', "no list data.prefixes with status ok"),
        ("ripestat", '{"status": "ok", "data": {"prefixes": [{"prefix": 5}]}}', "has no prefix"),
        ("json_addresses", "{}", "it is no list"),
        ("json_addresses", "[5]", "no text"),
        ("json_addresses", '["a.example"]', "no address with https"),
    ],
)
def test_a_list_without_its_form(form, text, why):
    with pytest.raises(list_formats.ListFormatError, match=why):
        list(publishers.FORMATS[form](text, "parrot"))


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["ok", "8.8.8.0/24", "https://a.example/x", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["status", "data", "prefixes", "prefix", "relays", "or_addresses"]), inner)
    ),
    max_leaves=12,
)


@given(ANY_JSON.map(json.dumps) | st.text(max_size=200))
@examples(300)
def test_any_answer_of_a_publisher_is_texts_or_refused(text):
    for read in publishers.FORMATS.values():
        with contextlib.suppress(list_formats.ListFormatError):
            assert all(isinstance(one, str) for one in read(text, "parrot"))


@pytest.mark.parametrize("found", [download.FetchedList("a", datetime.date(2026, 1, 1)), None])
def test_an_address_of_several_lists_is_fetched_once_whatever_comes_of_it(found):
    reached = []

    def fetched(publisher):
        reached.append(publisher.id)
        if found is None:
            raise download.FetchError("not there")
        return found

    fetch = list_sources.cache_fetches(fetched)
    for id_, url in (("one", "https://a.example/x"), ("two", "https://a.example/x"), ("three", "https://a.example/y")):
        publisher = publishers.Publisher(id_, url, "lines", "feed", "birds", ("birds",), 1)
        if found is None:
            with pytest.raises(download.FetchError, match="not there"):
                fetch(publisher)
        else:
            assert fetch(publisher) == found
    assert reached == ["one", "three"]


@pytest.mark.parametrize(("text", "share"), [("0", 0), ("999999", 999999), ("1000000", None)])
def test_a_share_is_a_number_of_percent(text, share):
    if share is not None:
        assert refreshing._parse_percent(text) == share
        return
    with pytest.raises(argparse.ArgumentTypeError, match="no share"):
        refreshing._parse_percent(text)


def stamp(protocol, *strings):
    data = bytes([protocol]) + bytes(8) + b"".join(bytes([len(one)]) + one for one in strings)
    return "sdns://" + base64.urlsafe_b64encode(data).decode().rstrip("=")


GO = """\
\tID:      "owl",
\tName:    "Owl",
\tRules: []string{
\t\t"||owl.example^",
\t\t"|partly.example",
\t},
\tGroupID: "messenger",
}, {
\tID:      "wren",
\tRules: []string{
\t\t"||wren.example^$third-party",
\t},
\tGroupID: "hosting",
"""
NDPI = """\
    { "owl.example",  "Owl", NDPI_PROTOCOL_OWL, NDPI_PROTOCOL_CATEGORY_VPN, NDPI_PROTOCOL_SAFE, 0 },
    { "wren.",  "Wren", NDPI_PROTOCOL_WREN, NDPI_PROTOCOL_CATEGORY_VPN, NDPI_PROTOCOL_SAFE, 0 },
    { "tit.example",  "Tit", NDPI_PROTOCOL_TIT, NDPI_PROTOCOL_CATEGORY_CHAT, NDPI_PROTOCOL_SAFE, 0 },
    /* "a comment", "of four", "pieces */
"""
PAGE = """\
# Privacy
* [Other](https://other.example/)
## ▷ VPN
* ⭐ **[Owl](https://owl.example/x)**, [2](https://second.example/)
* ↪️ **[Elsewhere](https://elsewhere.example)**
- [Wren](https://wren.example) / [Subreddit](https://www.reddit.example)
* no link
## Proxy
* [Tit](https://tit.example)
"""


@pytest.mark.parametrize(
    ("form", "text", "part", "found"),
    [
        ("adblock", "! x\n||a.example^\n||b.example^$all\n@@||c.example^\n||d.example\ne.example\n", "", ["a", "b"]),
        ("ranks", "1,a.example\n2,b.example\r\nrank,c.example\nd.example\n", "", ["a", "b"]),
        ("json_names", '["a.example"]', "", ["a"]),
        ("json_names", '{"version": 1, "list": [".a.example"]}', "", [".a"]),
        ("adguard_home", GO, "owl", ["owl"]),
        ("adguard_home", GO, "hosting", ["wren"]),
        ("adguard_home", GO, "chat", []),
        ("ndpi", NDPI, "VPN", ["owl"]),
        ("ndpi", NDPI, "TIT", ["tit"]),
        ("clash", "DOMAIN,a.example\nDOMAIN-SUFFIX,b.example,x\nDOMAIN-KEYWORD,c\nIP-CIDR,1.1.1.1\n", "", ["a", "b"]),
        ("zeek_intel", "#fields\tx\na.example\tIntel::DOMAIN\tx\n1.1.1.1\tIntel::ADDR\tx\n", "", ["a"]),
        ("typed_rows", "Tool,EntryType,Data\nx,domain,a.example,allow\nx,ip,1.1.1.1,allow\n", "", ["a"]),
        ("lolrmm", "x:\n- Domains:\n  - '*.a.example'\n  - b.example\n  Ports:\n  - 443\n", "", ["*.a", "b"]),
        ("gluetun", '{"version": 1, "owl": {"servers": [{"hostname": "x.a.example"}, {"hostname": 5}, 5]}}', "", ["a"]),
        ("links", "[x](https://a.example/y) http://b.example\nftp://c.example", "", ["a", "b"]),
        ("resolver_links", "`https://a.example/dns` `tls://b.example` `quic://c.example` https://d.example", "", "abc"),
        ("item_links", PAGE, "VPN", ["owl", "wren"]),
        ("table_links", "<strong>A</strong><td>https://a.example/<strong>B</strong><td>https://b.example<", "B", ["b"]),
        ("dns_stamps", f"{stamp(2, b'', b'a.example')} {stamp(1, b'b.example')} sdns://A sdns://", "", ["", "a"]),
    ],
)
def test_a_public_list_in_its_form(form, text, part, found):
    assert [value.removesuffix(".example") for value in list_formats.FORMATS[form](text, part)] == list(found)


@given(text=st.lists(PIECES | st.text(max_size=4), max_size=40).map("".join), part=st.sampled_from(["", "X", "a"]))
def test_no_text_is_more_than_unreadable(text, part):
    for form in list_formats.FORMATS.values():
        with contextlib.suppress(list_formats.ListFormatError):
            for value in form(text, part):
                name = extract_host_name(value)
                assert not name or not grammar.check_domain(name)


@pytest.mark.parametrize(
    "unit", ["https://", "sdns://A", "](https://", '"', '{ "', "- ", "<td>https://", "`tls://a", "a"]
)
def test_reading_is_linear(unit):
    began = processor()
    for form in list_formats.FORMATS.values():
        for text in (unit * (1 << 15), f"{unit}\n" * (1 << 13), f"# X\n* {unit * (1 << 15)}"):
            with contextlib.suppress(list_formats.ListFormatError):
                for value in form(text, "X"):
                    extract_host_name(value)
    assert processor() - began < 5  # ten times what it takes


@given(st.text(max_size=300))
def test_a_name_of_any_text_is_one_or_none(text):
    name = extract_host_name(text)
    assert not name or (not grammar.check_domain(name) and extract_host_name(name) in (name, name.removeprefix("www.")))


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (" *.Owl.Example. ", "owl.example"), ("'www.owl.example',", "owl.example"), ("owl.example:8443", "owl.example"),
        ("owl.example/path", "owl.example"), ("bücher.example", "xn--bcher-kva.example"), ("co.uk", ""),
        ("1.2.3.4", ""), ("\x1b[31m.example", ""), ("ü" * 80 + ".example", ""), ("a." * 2048 + "example", ""),
    ],
)  # fmt: skip
def test_name_in_a_value_is_read_without_its_surroundings(value, name):
    assert extract_host_name(value) == name
