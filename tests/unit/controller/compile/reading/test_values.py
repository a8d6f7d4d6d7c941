"""The kinds of value that variables have: what each reader takes, what it makes of it, and what it says of the rest."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from proscribe.controller.compile.reading import values
from proscribe.controller.compile.restrictions import readers
from proscribe.controller.policy_errors import Expected

WORD = values.choice("audit", "off")
STRICT = values.choice("audit", "enforce")
IDS, SOME = values.list_of_names(None, "ids"), values.list_of_names(("a", "b"), "letters")
NUMBER = values.whole_number(2, 4, "hosts")
SPAN = values.length_of(1, 60)
DAY = datetime.date(2024, 10, 31)
LONG = "x" * values.LONGEST_LINE
NAME = "x" * values.LONGEST_NAME
PATH = "/".join([NAME] * 3)
EXTENSION = "a" * 32
DATABASE = "postgresql://proscribe@db.example.org/proscribe"
GOOGLE = {"google": ["example.org", "a-1.example"]}
BOTH = {"google": (), "microsoft": ()}
GUID = "2fd6bb84-ad40-4ec5-9369-a215b25c9952"

TAKEN: list[tuple[Callable[..., Any], Any, Any]] = [
    (WORD, "audit", "audit"),
    (WORD, False, "off"),
    (IDS, ["b", "a", "b"], ("b", "a")),
    (IDS, ("a",), ("a",)),
    (IDS, [], ()),
    (SOME, ["b", "a"], ("b", "a")),
    (NUMBER, 2, 2),
    (NUMBER, 4, 4),
    (values.flag, True, True),
    (values.flag, "true", True),
    (values.flag, "false", False),
    (values.line, "", ""),
    (values.line, LONG, LONG),
    (values.directory, None, ""),
    (values.directory, "reports", "reports"),
    (values.directory, PATH, PATH),
    (values.pattern, " web*:!web1 ", "web*:!web1"),
    (values.day, DAY, DAY),
    (values.day, "2024-10-31", DAY),
    (values.length, "2h", 7200),
    (SPAN, "1m", 60),
    (SPAN, "1h", 3600),
    (values.length_or_forever, "forever", 0),
    (values.length_or_forever, "1d", 86400),
    (values.networks, ["10.0.0.1", "10.0.0.0/24", "2001:db8::/32"], ("10.0.0.1/32", "10.0.0.0/24", "2001:db8::/32")),
    (values.name_servers, ["10.20.0.53", "2001:DB8::1"], ("10.20.0.53", "2001:db8::1")),
    (readers.read_controls, {}, dict.fromkeys(("apps", "browser", "firewall", "dns"), "enforce")),
    (readers.read_tenants, {}, BOTH),
    (readers.read_tenants, {"google": None}, BOTH),
    (readers.read_tenants, GOOGLE, {"google": ("example.org", "a-1.example"), "microsoft": ()}),
    (readers.read_tenants, {"microsoft": [GUID, "Dept.example", GUID]}, {**BOTH, "microsoft": (GUID, "Dept.example")}),
    (
        readers.read_tenants,
        {"microsoft": [{"id": GUID.upper(), "domains": ["Dept.example", "dept.example"]}, {"domains": ["b.example"]}]},
        {**BOTH, "microsoft": ({"id": GUID, "domains": ["dept.example"]}, {"domains": ["b.example"]})},
    ),
    (readers.read_extensions, [EXTENSION, "parrot@example.org"], (EXTENSION, "parrot@example.org")),
    *((readers.read_history, word, word) for word in ("sqlite", "off", DATABASE, "postgresql+psycopg://db/x")),
    (readers.read_history, False, "off"),
    (readers.read_removed, " a,, b ,", ("a", "b")),
    (readers.read_removed, "", ()),
    (readers.read_texts, {"en": "a", "zh_HK": "b", "nb": "c"}, "a\nb\nc"),
    (readers.read_texts, {f"x{letter}": letter for letter in "abcdef"}, "a\nb\nc\nd\ne\nf"),
    (readers.read_feeds, False, "off"),
    *((readers.read_feeds, kind(["birds"]), ("birds",)) for kind in (list, tuple)),
    (readers.read_exports, ["csv", "junit", "csv"], ("csv", "junit")),
    (readers.read_request_url, "", ""),
]


@pytest.mark.parametrize(("read", "value", "made"), TAKEN)
def test_what_is_made_of_a_value(read: Callable[..., Any], value: Any, made: Any) -> None:
    found = read(value)
    assert (found, type(found)) == (made, type(made))


LINE = "one line of at most 200 printable characters"
FOLDER = "a directory's path of at most 1000 printable characters"
LENGTH = "a length of time such as"
LENGTH_IN_LIMITS = (
    "a length of time such as 12h, 30d or 2w (m minutes, h hours, d days, w weeks), from 1 minute to 1 hour"
)
SERVER = "the address of a name server such as 10.20.0.53"
NETWORK = "an address or a network such as 10.20.0.0/24"
TENANT = "a domain or a tenant id: letters, digits, dots, hyphens"
HISTORY = 'sqlite, "off", or a URL such as postgresql://proscribe@db.example.org/proscribe'
ADD_ON = "the id of a Chrome extension (32 letters) or of a Firefox add-on"
NO_DATABASES = ("mysql://db/x", "postgresql://db", "postgresql://db/", "postgres", f"{DATABASE}\n", True, "http://[")
PASSWORDS = ("postgresql://u:secret@db/x", "postgresql://u:@db/x", f"{DATABASE}?password=secret")

# What is refused: the reader, the value, the key and the value of the mistake, and how what was expected begins.
REFUSED: list[tuple[Callable[..., Any], Any, str, Any, str]] = [
    (WORD, "audti", "", "audti", "one of audit, off, did you mean 'audit'?"),
    (STRICT, False, "", False, "one of audit, enforce"),
    (IDS, "a", "", "a", "a list of ids"),
    (IDS, ["a", 7], "[1]", 7, "ids"),
    (IDS, [""], "[0]", "", "ids"),
    (SOME, ["a", "c"], "[1]", "c", "one of a, b"),
    *((NUMBER, value, "", value, "a whole number of hosts, 2 to 4") for value in (1, 5, True, "3", 3.0)),
    *((values.flag, value, "", value, "true or false") for value in ("yes", 1, None, "")),
    *((values.line, value, "", value, LINE) for value in (LONG + "x", "a\nb", None, 7)),
    *((values.directory, value, "", value, FOLDER) for value in ("", " ", "a\n", 7, "x/" * 501)),
    (values.directory, f"a/{NAME}x", "", f"a/{NAME}x", "a directory's path, each name in it of at most 255 bytes"),
    (values.directory, "ä" * 128, "", "ä" * 128, "a directory's path, each name in it of at most 255 bytes"),
    (values.pattern, " ", "", " ", "a pattern of hosts such as all:!switches"),
    (values.pattern, 7, "", 7, LINE),
    (values.day, "31.10.2024", "", "31.10.2024", "a day such as 2024-10-31"),
    (values.day, None, "", None, "a day such as 2024-10-31"),
    *((values.length, value, "", value, LENGTH) for value in ("2", 7200, "", None)),
    *((SPAN, value, "", value, LENGTH_IN_LIMITS) for value in ("59s", "61m", None)),
    (values.networks, "10.0.0.1", "", "10.0.0.1", "a list of addresses or networks"),
    (values.networks, ["10.0.0.1", "10.0.0.1/8"], "[1]", "10.0.0.1/8", NETWORK),
    (values.name_servers, "10.0.0.1", "", "10.0.0.1", "a list of addresses of name servers"),
    *(
        (values.name_servers, ["10.0.0.1", server], "[1]", server, SERVER)
        for server in ("10.0.0.0/24", "224.0.0.1", "fe80::1%eth0", "dns.example.org")
    ),
    (readers.read_controls, "off", "", "off", "a mapping such as {apps: enforce"),
    (readers.read_controls, {"dsn": "off"}, ".dsn", "dsn", "a control, one of apps, browser, firewall, dns"),
    (readers.read_tenants, ["google"], "", ["google"], "a mapping such as {google: [example.org]"),
    (readers.read_tenants, {"apple": []}, ".apple", "apple", "one of google, microsoft"),
    (readers.read_tenants, {"google": "a"}, ".google", "a", "a list of tenant names"),
    *(
        (readers.read_tenants, {"microsoft": ["a", name]}, ".microsoft[1]", name, TENANT)
        for name in ("b c", "bücher.example", "a_b", "²")
    ),
    *(
        (
            readers.read_tenants,
            {"microsoft": [name]},
            ".microsoft[0]",
            name,
            "a domain such as example.org, or a tenant",
        )
        for name in ("contoso", GUID[:-1], f"{GUID}0", "a..example", "-a.example")
    ),
    *(
        (readers.read_tenants, {"microsoft": [entry]}, f".microsoft[0]{key}", value, expected)
        for entry, key, value, expected in (
            ({"ids": GUID}, ".ids", "ids", "one of id, domains, did you mean 'id'?"),
            ({"id": "dept.example"}, ".id", "dept.example", "a tenant id: a GUID such as"),
            ({"id": 7}, ".id", 7, "a tenant id: a GUID such as"),
            ({"id": GUID, "domains": "dept.example"}, ".domains", "dept.example", "a list of domains"),
            ({"id": GUID, "domains": ["dept"]}, ".domains[0]", "dept", "a domain such as example.org"),
            ({"id": GUID, "domains": [GUID]}, ".domains[0]", GUID, "a domain such as example.org"),
            ({}, "", {}, "an id, domains, or both: {id: <tenant id>, domains: [example.org]}"),
            (7, "", 7, "a domain, a tenant id, or a mapping such as {id: <tenant id>"),
        )
    ),
    *(
        (readers.read_tenants, {"microsoft": [both, other]}, ".microsoft[1]", twice, "each tenant once")
        for both in ({"id": GUID, "domains": ["dept.example"]},)
        for other, twice in ((GUID, GUID), ("dept.example", "dept.example"), ({"id": GUID}, GUID))
    ),
    (readers.read_tenants, {"microsoft": "a.example"}, ".microsoft", "a.example", "a list of at most 100 tenants"),
    (readers.read_tenants, {"google": [{"id": GUID}]}, ".google[0]", {"id": GUID}, "tenant names"),
    (readers.read_browser_settings, [], "", [], "a mapping such as {private_windows: blocked"),
    (readers.read_browser_settings, {"proxys": "x"}, ".proxys", "proxys", "one of "),
    (readers.read_browser_settings, {"proxies": "x"}, ".proxies", "x", "one of "),
    (readers.read_extensions, "x", "", "x", "a list of ids of browser extensions"),
    (readers.read_extensions, [EXTENSION, "parrot"], "[1]", "parrot", ADD_ON),
    *((readers.read_history, value, "", "something else", HISTORY) for value in NO_DATABASES),
    *((readers.read_history, value, "", "a URL with a password", "no password in the URL") for value in PASSWORDS),
    (readers.read_removed, {"a": 1}, "", {"a": 1}, "a list of ids of waivers, or all"),
    (readers.read_feeds, ["a", 7], "[1]", 7, "ids of feeds"),
    (readers.read_feeds, "some", "", "some", "one of all, off"),
    (readers.read_exports, "csv", "", "csv", "a list of exports"),
    (readers.read_watch, "maybe", "", "maybe", LENGTH),
]


@pytest.mark.parametrize(("read", "value", "key", "found", "expected"), REFUSED)
def test_what_is_refused(read: Callable[..., Any], value: Any, key: str, found: Any, expected: str) -> None:
    with pytest.raises(Expected) as wrong:
        read(value)
    assert (wrong.value.key, wrong.value.value) == (key, found)
    assert wrong.value.expected.startswith(expected)


def test_forever_is_offered_where_it_may_be_and_off_too() -> None:
    for read, end in ((values.length_or_forever, ", or forever"), (readers.read_watch, ", or off")):
        with pytest.raises(Expected) as wrong:
            read("soon")
        assert wrong.value.expected.endswith(end)
