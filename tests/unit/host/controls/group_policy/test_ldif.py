"""The text in which Samba's directory answers and is given changes, letter by letter."""

from __future__ import annotations

import pytest
from proscribe.host.controls.group_policy.ldif import Entry, added, exchanged, line, modified, parse, replaced

ANSWER = """\
# record 1
dn: CN=a,DC=example
displayName: Desktops
member: CN=one,
 DC=example
member: CN=two
Flags:0
# comment: of nothing
note::  TcO8bWU=
odd:: /w==
empty:
broken:: T
strange:: \u00e4
: nameless
without a colon

# Referral
ref: ldap://elsewhere

dn:: Q049Yg==
"""


def test_what_an_answer_has() -> None:
    one, other = parse(ANSWER)
    assert one == Entry(
        "CN=a,DC=example",
        {
            "displayname": ["Desktops"],
            "member": ["CN=one,DC=example", "CN=two"],
            "flags": ["0"],
            "note": ["M\u00fcme"],
            "odd": ["\ufffd"],
            "empty": [""],
            "broken": [""],
            "strange": [""],
        },
    )
    assert other == Entry("CN=b", {})
    assert (one.one("displayName"), one.one("member"), one.one("absent")) == ("Desktops", "CN=one,DC=example", "")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "a: plain"),
        ("in the middle : < ok", "a: in the middle : < ok"),
        ("", "a:: "),
        (" x", "a:: IHg="),
        ("x ", "a:: eCA="),
        (":x", "a:: Ong="),
        ("<x", "a:: PHg="),
        ("x\ny", "a:: eAp5"),
        ("\u00e4", "a:: w6Q="),
        ("x" * 80, "a: " + "x" * 80),
        ("\n" * 60, "a:: " + "CgoK" * 20),
    ],
)
def test_a_value_that_could_be_taken_for_something_else_is_encoded(value: str, written: str) -> None:
    assert line("a", value) == written


def test_records_of_changes() -> None:
    assert added("CN=a", [("b", "c"), ("d", "e")]) == "dn: CN=a\nchangetype: add\nb: c\nd: e\n\n"
    parts = [replaced("b", "c"), replaced("d", ""), exchanged("e", "f", "g"), exchanged("h", "i", "")]
    assert modified("CN=a", [*parts, exchanged("j", "", "k")]).splitlines() == [
        *("dn: CN=a", "changetype: modify"),
        *("replace: b", "b: c", "-"),
        *("replace: d", "-"),
        *("delete: e", "e: f", "-", "add: e", "e: g", "-"),
        *("delete: h", "h: i", "-"),
        *("add: j", "j: k", "-"),
        "",
    ]
