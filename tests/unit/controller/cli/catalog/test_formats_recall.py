"""The forms of public lists that `catalog recall` reads: what each finds, and that none of them fails or takes long."""

from __future__ import annotations

import base64
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import processor
from proscribe.controller.cli.catalog.formats import FORMATS, INCLUDES, Unreadable
from proscribe.controller.cli.catalog.public_lists import name_of
from proscribe.controller.compile.reading import grammar


def stamp(protocol: int, *strings: bytes) -> str:
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
        (
            "clash",
            "DOMAIN,a.example\nDOMAIN-SUFFIX,b.example,x\nDOMAIN-KEYWORD,c\nIP-CIDR,1.1.1.1/32\n",
            "",
            ["a", "b"],
        ),
        ("zeek_intel", "#fields\tx\na.example\tIntel::DOMAIN\tx\n1.1.1.1\tIntel::ADDR\tx\n", "", ["a"]),
        ("typed_rows", "Tool,EntryType,Data\nx,domain,a.example,allow\nx,ip,1.1.1.1,allow\n", "", ["a"]),
        ("lolrmm", "x:\n- Domains:\n  - '*.a.example'\n  - b.example\n  Ports:\n  - 443\n", "", ["*.a", "b"]),
        (
            "gluetun",
            json.dumps({"version": 1, "owl": {"servers": [{"hostname": "x.y.a.example"}, {"hostname": 5}, 5]}}),
            "",
            ["a"],
        ),
        ("links", "[x](https://a.example/y) http://b.example\nftp://c.example", "", ["a", "b"]),
        (
            "resolver_links",
            "`https://a.example/dns` `tls://b.example` `quic://c.example:8` https://d.example",
            "",
            "abc",
        ),
        ("item_links", PAGE, "VPN", ["owl", "wren"]),
        ("table_links", "<strong>A</strong><td>https://a.example/<strong>B</strong><td>https://b.example<", "B", ["b"]),
        ("dns_stamps", f"{stamp(2, b'', b'a.example')} {stamp(1, b'b.example')} sdns://A sdns://", "", ["", "a"]),
    ],
)
def test_a_list_in_its_form(form: str, text: str, part: str, found: list[str]) -> None:
    assert [value.removesuffix(".example") for value in FORMATS[form](text, part)] == list(found)


def test_what_a_file_of_v2fly_includes() -> None:
    assert list(INCLUDES["v2fly"]("a.example\ninclude:birds @x # y\ndomain:b.example\n")) == ["birds"]


PIECES = st.sampled_from(
    [*"\n\t\"'`,:#*-|^<>[]{}()/\\ .", "||", "https://", "sdns://", "a.example", "domain", "Domains:", "ID:", "GroupID:"]
    + ["include:", "0.0.0.0 ", "DOMAIN,", "Intel::DOMAIN", "<td>", "<strong>", "NDPI_PROTOCOL_X", "1,", "\x00", "é"]
)


@given(text=st.lists(PIECES | st.text(max_size=4), max_size=40).map("".join), part=st.sampled_from(["", "X", "a"]))
def test_no_text_is_more_than_unreadable(text: str, part: str) -> None:
    for form in FORMATS.values():
        with contextlib.suppress(Unreadable):
            for value in form(text, part):
                name = name_of(value)
                assert not name or not grammar.domain(name)


@pytest.mark.parametrize(
    "unit", ["https://", "sdns://A", "](https://", '"', '{ "', "- ", "<td>https://", "`tls://a", "a"]
)
def test_reading_is_linear(unit: str) -> None:
    began = processor()
    for form in FORMATS.values():
        for text in (unit * (1 << 15), f"{unit}\n" * (1 << 13), f"# X\n* {unit * (1 << 15)}"):
            with contextlib.suppress(Unreadable):
                for value in form(text, "X"):
                    name_of(value)
    assert processor() - began < 5  # ten times what it takes


@given(st.text(max_size=300))
def test_a_name_of_any_text_is_one_or_none(text: str) -> None:
    name = name_of(text)
    assert not name or (not grammar.domain(name) and name_of(name) in (name, name.removeprefix("www.")))
