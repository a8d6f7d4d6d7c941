"""Readers of values, names, networks and files of a policy."""

import datetime
import ipaddress
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from made_catalogue import GOOD
from mistakes import get_mistake
from proscribe.controller.compile.catalogue import check_dates, schema
from proscribe.controller.compile.reading import grammar, plain_file, value_readers, windows_signing, yaml_file
from proscribe.controller.compile.reading import networks as reading
from proscribe.controller.compile.reading.document_schema import GroupSchema, ListSchema, OptionalSchema, TextSchema
from proscribe.controller.compile.reading.networks import NetworkTable, format_network, merge_networks
from proscribe.controller.compile.restrictions import readers

TODAY = datetime.datetime.now(datetime.timezone.utc).date()
ONE_DAY = datetime.timedelta(days=1)
LABEL = "a" * 63
HOST = f"{'a' * 62}." * 3 + f"{'a' * 61}."  # of 251
OTHERS = ["微信.AppImage", "微信 4.1", "\u110f\u1161\u1110\u1169\u11a8"]  # the last in the form NFD
UPPER = "{" + "A" * 8 + "-AAAA" * 3 + "-" + "A" * 12 + "}"
GUID = "{" + "0" * 8 + "-0000" * 3 + "-" + "0" * 12 + "}"
TEXTS_BY_CHECK = [
    (grammar.check_label, ["a", "x" * 120, "微信"], ["", "x" * 121, "a\n", *(f"a{sign}" for sign in "\"'`\\$<>{}")]),
    (grammar.check_prose, ["a", "x" * 1000, 'it\'s "so" <b>'], ["", "x" * 1001, "a\tb"]),
    (grammar.check_native_name, ["微信", "微" * 40], ["微", "微" * 41, "a", "微信 ", "微/信", *OTHERS]),
    (grammar.check_service_id, ["a", "a_1", "a" * 64], ["", "A", "1a", "_a", "a-b", "a" * 65, "a\n"]),
    (grammar.check_domain, [f"{LABEL}.example", "a.xn--p1ai", "a.bc", f"{HOST}ab"], [f"a{LABEL}.example", "a.b"]),
    (grammar.check_domain, ["a-b.example"], ["a-.example", f"{HOST}abc", "a..example", "a.-b", "a.1x"]),
    (grammar.check_url, ["a.example", "a.example/b", "a.example/b-c_d.e~f/"], ["a.example/", "a.example/b c"]),
    (grammar.check_url, [], ["a.example/*", "a.example//b?c", "a.example/b#c", "example"]),
    (grammar.check_program, ["a", "x" * 100, "7z.x_+-"], ["", "x" * 101, ".a", "-a", "a/b", "a b"]),
    (grammar.check_windows_program, ["a.exe", "A b._+-.exe"], [".exe", "a.EXE", "a/b.exe", "a.exe\n"]),
    (grammar.check_mac_app, ["A.app", f"{'x' * 61}.app"], [".app", f"{'x' * 62}.app", "-a.app"]),
    (grammar.check_uninstall_key, ["QQ", "钉钉", "x" * 120, GUID], ["a", "x" * 121, "a\\bc", "a/bc", "abc "]),
    (grammar.check_registered_name, ["A by Bc"], ["A by B", " A by Bc", "A\\B by Cd"]),
    (grammar.check_desktop_file, ["a.desktop", f"{'x' * 121}.desktop"], [f"{'x' * 122}.desktop", ".desktop", "a/b"]),
    (grammar.check_chrome_extension, ["a" * 32, "p" * 32], ["a" * 31, "a" * 33, "q" * 32]),
    (grammar.check_firefox_extension, [GUID, "@b", "a.b_c-d@e"], [GUID[1:], "a@", f"{'a' * 61}@b", UPPER]),
    (grammar.check_bundle_id, ["com.example", "a-b.c_d"], ["com", "com.", "a_b.c"]),
    (grammar.check_header_name, ["X-A", "x" * 80], ["", "x" * 81, "X A", "X:"]),
    (grammar.check_header_value, ["a.b,c:/_-1", "x" * 200], ["", "x" * 201, "a b"]),
    (grammar.check_policy_path, ["/a/b.json", "/<id>/<arch>/<branch>", "/a.<id>/b"], ["a", "/", "/.a", "/<user>"]),
    (grammar.check_windows_path, ["%ProgramFiles(x86)%\\A b\\c.exe"], ["C:\\a", "%A%", "%A%\\", "%A%\\*"]),
    (grammar.check_go_package, ["a.example", "a.example/b~c"], ["a", "a.example/", "A.example"]),
    (grammar.check_path, ["~/a", "/opt/A b/c", "/usr/lib/a/b"], ["/opt", "/opt/ a", "/opt/./a", "~/.local/share"]),
    (grammar.check_network, ["8.0.0.0/12", "2a00::/24", "8.8.8.8/32"], ["8.0.0.0/11", "2a00::/23", "8.8.8.8"]),
    (grammar.check_day, [str(TODAY), str(TODAY + ONE_DAY)], [str(TODAY + 3 * ONE_DAY), ""]),
    (windows_signing.check_publisher, ["O=AB", f"O={'A' * 100}", "O=A B, L=C, C=EF", "O=AB\\C\\D.EXE"], ["O=A", "AB"]),
    (windows_signing.check_publisher, ["O=GOOGLE LLC\\DRIVE"], [f"O={'A' * 101}", "O=AB, C=DEF\\", "O=AB\\C\\D\\E"]),
    (windows_signing.check_publisher, ["O=GOOGLER"], ["O=GOOGLE LLC", "O=GOOGLE LLC\\*", "O=CISCO SYSTEMS, C=US"]),
    (windows_signing.check_appx_publisher, ["CN=ab", "OU=ab", "E=a@b"], ["CN=a", "XN=ab", "CN=a*b", f"CN={'a' * 401}"]),
    (windows_signing.check_installer, ["Parrot*.exe", "Parrot-1.2.msi"], ["Par.exe", "Parrot", "Setup-*.exe"]),
    (grammar.check_signing_id, ["EXAMPLE123:com.example.chat", "EXAMPLE123:Owl"], ["platform:com.apple.Safari"]),
    (grammar.check_signing_id, [], ["EXAMPLE123", "example123:a", "EXAMPLE12:a", "EXAMPLE123:", "EXAMPLE123:a\n"]),
    (grammar.make_word_check("a", "b"), ["a", "b"], ["", "c", "ab"]),
]


@pytest.mark.parametrize(("check", "good", "wrong"), TEXTS_BY_CHECK)
def test_well_formed_texts_pass_and_others_fail(check, good, wrong):
    assert [text for text in good if check(text)] == []
    assert [text for text in wrong if not check(text)] == []


@pytest.mark.parametrize(
    ("name", "fits"),
    [("staff", True), ("x" * 100, True), ("x" * 101, False), ("", False), ("10", False), ("1a", True)]
    + [(name, False) for name in ("-a", "a b", "a:b", 'a"', "a'", "a/b", "a,b", "a\n")],
)
def test_a_group_of_users(name, fits):
    assert bool(grammar.POSIX_GROUP_PATTERN.fullmatch(name)) is fits


@pytest.mark.parametrize(
    ("until", "wrong"),
    [("2026-11-01", False), ("2026-10-31", True), ("2027-11-02", False), ("2027-11-03", True), ("soon", False)],
)
def test_an_age_is_accepted_for_a_year_at_most(until, wrong):
    accepted = {"day": "2026-11-01", "until": until, "why": "x"}
    expected = [(("checked_accepted", "until"), until, "a day from 2026-11-01 to 2027-11-02: a year at most")]
    assert list(check_dates.check_dates({"checked_accepted": accepted})) == (expected if wrong else [])
    assert list(check_dates.check_dates({"checked_accepted": {**accepted, "day": 7}})) == []


def test_publisher_that_is_recorded_twice_is_a_mistake():
    compared = [{"with": "a"}, {"with": "b"}, "x", {"with": "a"}]
    mistake = (("compared", 3, "with"), "a", "each publisher once")
    assert list(check_dates.check_dates({"compared": compared})) == [mistake]
    assert list(check_dates.check_dates({"compared": "a", "checked_accepted": "b"})) == []


# -- publishers
def test_a_publisher_without_a_package_of_its_own_is_refused():
    publisher = "CN=24803D75-212C-471A-BC57-9EF86AB91435"
    entry = yaml.safe_load(GOOD)
    entry |= {"enforce": "true"}
    entry |= {"publishers": {"appx": [publisher]}, "packages": {"appx": ["Parrot_8wekyb3d8bbwe", "Parrot"]}}
    ((path, value, expected),) = schema.check_service(entry)
    assert (path, value) == (("publishers", "appx", 0), publisher)
    assert expected == "the publisher of an app package in packages.appx: its family ends with _cv1g1gvanyjgm"
    entry["packages"]["appx"].append("Parrot_cv1g1gvanyjgm")
    assert list(schema.check_service(entry)) == []


def test_no_two_services_have_one_publisher(own_catalogue):
    """One rule of AppLocker would deny the programs of both."""
    owners: dict[str, list[str]] = {}
    for id_, service in own_catalogue.services.items():
        for item in (*service.windows_publishers.get("programs", ()), *service.windows_installers):
            owners.setdefault(item.casefold(), []).append(id_)
    assert {item: ids for item, ids in owners.items() if len(ids) > 1} == {}


# -- networks
@pytest.mark.parametrize("text", ["10.0.0.1/24", "10.0.0", "::ffff:192.0.2.1", "::192.0.2.1", "fe80::1%eth0", "x", ""])
def test_text_that_is_no_network_is_not_packed(text):
    assert reading.parse_rule_network(text) is None


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(22, 32)), max_size=12), st.integers(0, 1023))
def test_the_same_addresses_are_meant_and_none_twice(made, offset):
    networks = [str(ipaddress.ip_network((f"198.51.100.{number}", length), strict=False)) for number, length in made]
    address = ipaddress.ip_address("198.51.100.0") + offset
    holding = [network for network in merge_networks(networks) if address in ipaddress.ip_network(network)]
    assert len(holding) == any(address in ipaddress.ip_network(network) for network in networks)


@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(24, 32)), max_size=12),
    st.tuples(st.integers(0, 255), st.integers(8, 32)),
)
def test_table_finds_a_network_by_any_of_its_addresses(made, other):
    networks = [str(ipaddress.ip_network((f"198.51.100.{number}", length), strict=False)) for number, length in made]
    table = {str(net): str(net) for net in ipaddress.collapse_addresses(map(ipaddress.IPv4Network, networks))}
    network = ipaddress.ip_network((f"198.51.100.{other[0]}", other[1]), strict=False)
    due = [net for net in table if network.overlaps(ipaddress.ip_network(net))]
    assert NetworkTable(table).find_text(network) == (due[0] if due else "")
    assert NetworkTable(table).find_text(ipaddress.ip_network("2001:db8::/32")) == ""


@pytest.mark.parametrize(
    ("text", "listed"),
    [("10.0.0.0/24", "10.0.0.0/24"), ("10.0.0.1/32", "10.0.0.1"), ("2001:DB8::1", "2001:db8::1")]
    + [("2001:DB8::/48", "2001:db8::/48"), ("fe80::1%x;accept", "fe80::1"), ("fe80::%x;accept/64", "fe80::/64")],
)
def test_a_network_is_spelled_anew(text, listed):
    assert format_network(ipaddress.ip_network(text)) == listed


# -- plain files
def get_refusal(path: Path, largest: int = 5, within: Path | None = None) -> tuple[str, str, object, str]:
    error = get_mistake(plain_file.read_plain_file, path, largest, within)
    return error.location, error.key, error.found_value, error.expected


def test_only_a_plain_file_is_read_up_to_its_largest_size(tmp_path):
    file = tmp_path / "a.yml"
    file.write_bytes(b"12345")
    assert plain_file.read_plain_file(file, 5) == plain_file.read_plain_file(file, 9, tmp_path) == b"12345"
    assert get_refusal(file, 4) == (str(file), "", "more than 4 bytes", "a smaller file")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path(os.devnull)):
        assert get_refusal(path) == (str(path), "", "something else", "a file")
    for path, why in ((tmp_path, "Is a directory"), (tmp_path / "missing", "No such file or directory")):
        assert get_refusal(path) == (str(path), "", why, "a file that can be read")


def test_a_link_may_not_lead_out_of_the_directory(tmp_path):
    folder, outside = tmp_path / "waivers", tmp_path / "outside"
    folder.mkdir()
    outside.write_bytes(b"x")
    (folder / "own").write_bytes(b"y")
    for name, to in (("out", outside), ("in", folder / "own")):
        (folder / name).symlink_to(to)
    assert plain_file.read_plain_file(folder / "in", 5, folder) == b"y"
    assert plain_file.read_plain_file(folder / "out", 5) == b"x"
    expected = "a file of this directory, not a link out of it"
    assert get_refusal(folder / "out", within=folder) == (str(folder / "out"), "", "out", expected)


def test_line_of_a_path_is_that_of_the_nearest_value(tmp_path):
    (tmp_path / "a.yml").write_text(GOOD)
    document = yaml_file.read_yaml(tmp_path / "a.yml")
    paths = [(), ("id",), ("nosuch", "domains"), ("domains", 1), ("domains", 2), ("domains", "x"), ("id", "x")]
    assert [document.describe_place(path).rpartition(":")[2] for path in paths] == ["2", "2", "2", "10", "8", "8", "2"]


# -- schemas of documents
KNOWN_WORD = TextSchema(grammar.make_word_check("owl", "crow"))
WORDS = ListSchema(KNOWN_WORD)
BIRD = GroupSchema({"name": KNOWN_WORD, "eats": WORDS}, required=("name",))
LIST = "a list with at least one item (leave the key out where there is none)"
ENUM = "one of owl, crow"
TEXT = f"one text: {ENUM}"
AGAIN = "every item once; this one is a duplicate"
OWL = {"name": "owl", "eats": ["crow"]}
MISTAKES_BY_KIND = [
    (KNOWN_WORD, "owl", []),
    (KNOWN_WORD, "owel", [((), "owel", "one of owl, crow, did you mean 'owl'?")]),
    (KNOWN_WORD, 7, [((), 7, TEXT)]),
    (WORDS, ["owl", "crow"], []),
    (WORDS, ["owl", "crow", "owl"], [((2,), "owl", AGAIN)]),
    (WORDS, ["x", "x"], [((0,), "x", ENUM), ((1,), "x", ENUM), ((1,), "x", AGAIN)]),
    *((WORDS, value, [((), value, LIST)]) for value in ([], {}, None)),
    (BIRD, OWL, []),
    (BIRD, {"eats": ["crow"]}, [(("name",), None, "a value: this key is required")]),
    (BIRD, {}, [((), {}, "at least one key out of name, eats")]),
    *((BIRD, value, [((), value, "a mapping with keys out of name, eats")]) for value in ([], "owl", None)),
    (BIRD, {"name": "owl", "eat": "x"}, [(("eat",), "eat", "a known key, did you mean 'eats'?")]),
    (BIRD, {"name": "owl", "x": "x"}, [(("x",), "x", "a known key, one of name, eats")]),
    (BIRD, {"name": 7, "eats": ["owl", 7]}, [(("name",), 7, TEXT), (("eats", 1), 7, TEXT)]),
    (ListSchema(BIRD), [OWL, {"name": "owl"}], []),
    (ListSchema(BIRD), [OWL, {"eats": ["crow"], "name": "owl"}], [((1,), OWL, AGAIN)]),
]


@pytest.mark.parametrize(("kind", "value", "mistakes"), MISTAKES_BY_KIND)
def test_schema_finds_the_mistakes_of_a_value(kind, value, mistakes):
    assert list(kind.check(value, ())) == mistakes
    assert list(kind.check(value, ("a", 3))) == [(("a", 3, *path), *rest) for path, *rest in mistakes]


def test_text_in_place_of_a_list_is_repeated_in_brackets_unless_it_is_the_whole_file():
    assert list(WORDS.check("owl", ("eats",))) == [(("eats",), "owl", "a list, such as [owl]")]
    ((_, _, expected),) = WORDS.check("o" * 81, ("eats",))  # a message has no long text
    assert expected == "a list with at least one item (leave the key out where there is none)"
    assert list(WORDS.check("secret", ())) == [((), "secret", LIST)]


NAMED = GroupSchema({"owl": OptionalSchema(BIRD)}, key_description="a bird")


@pytest.mark.parametrize(
    ("value", "mistakes"),
    [
        ({}, []),
        ({"owl": ""}, []),
        ({"owel": OWL}, [(("owel",), "owel", "a bird, did you mean 'owl'?")]),
        ("", [((), "", "a mapping; each key is a bird")]),
        ({"owl": {"name": ""}}, [(("owl", "name"), None, "a value: this key is required")]),
    ],
)
def test_mapping_by_names_may_be_empty_and_does_not_list_the_names(value, mistakes):
    assert list(NAMED.check(value, ())) == mistakes


# -- readers of values
WORD = value_readers.make_choice_reader("audit", "off")
IDS, SOME = value_readers.NamesReader((), "ids"), value_readers.NamesReader(("a", "b"), "letters")
NUMBER = value_readers.make_number_reader(2, 4, "hosts")
SPAN = value_readers.make_duration_reader(1, 60)
DAY = datetime.date(2024, 10, 31)
LONG = "x" * 200
NAME = "x" * 255
PATH = "/".join([NAME] * 3)
EXTENSION = "a" * 32
DATABASE = "postgresql://proscribe@db.example.org/proscribe"
BOTH = {"google": (), "microsoft": ()}
TENANT_ID = "2fd6bb84-ad40-4ec5-9369-a215b25c9952"
BY_ID = {"id": TENANT_ID.upper(), "domains": ["A.example", "a.example"]}
READ_BY_ID = {"id": TENANT_ID, "domains": ["a.example"]}
TENANTS = {"microsoft": (TENANT_ID, "Dept.example")}
TAKEN: list[tuple[Callable[..., Any], Any, Any]] = [
    (WORD, "audit", "audit"),
    (WORD, False, "off"),
    (IDS, ["b", "a", "b"], ("b", "a")),
    (NUMBER, 4, 4),
    (value_readers.read_flag, "true", True),
    (value_readers.read_line, LONG, LONG),
    (value_readers.read_directory_path, None, ""),
    (value_readers.read_directory_path, PATH, PATH),
    (value_readers.read_pattern, " web*:!web1 ", "web*:!web1"),
    *((value_readers.read_day, day, DAY) for day in (DAY, "2024-10-31")),
    *((SPAN, text, seconds) for text, seconds in (("1m", 60), ("1h", 3600))),
    (value_readers.read_duration_or_forever, "forever", 0),
    (value_readers.read_networks, ["10.0.0.1", "2001:db8::/32"], ("10.0.0.1/32", "2001:db8::/32")),
    (value_readers.read_name_servers, ["10.20.0.53", "2001:DB8::1"], ("10.20.0.53", "2001:db8::1")),
    (readers.read_tenants, {}, BOTH),
    (readers.read_tenants, {"microsoft": [TENANT_ID, "Dept.example", TENANT_ID]}, {**BOTH, **TENANTS}),
    (readers.read_tenants, {"google": ["A.example", "a.example"]}, {**BOTH, "google": ("a.example",)}),
    (readers.read_tenants, {"microsoft": [BY_ID]}, {**BOTH, "microsoft": (READ_BY_ID,)}),
    (readers.read_extensions, [EXTENSION, "parrot@example.org"], (EXTENSION, "parrot@example.org")),
    *((readers.read_history, word, word) for word in ("sqlite", "off", DATABASE, "postgresql+psycopg://db/x")),
    (readers.read_history, False, "off"),
    (readers.read_removed_ids, " a,, b ,", ("a", "b")),
    (readers.read_texts, {"en": "a", "zh_HK": "b", "nb": "c"}, "a\nb\nc"),
    (readers.read_texts, {f"x{letter}": letter for letter in "abcdef"}, "a\nb\nc\nd\ne\nf"),
    (readers.read_feeds, False, "off"),
]


@pytest.mark.parametrize(("read", "value", "made"), TAKEN)
def test_good_value_is_read_as_its_type(read, value, made):
    result = read(value)
    assert (result, type(result)) == (made, type(made))


LINE = "one line of at most 200 printable characters"
FOLDER = "a directory's path of at most 1000 printable characters"
LONG_NAME = "a directory's path, each name in it of at most 255 bytes"
LENGTH = "a length of time such as"
SERVER = "the address of a name server such as 10.20.0.53"
NETWORK = "an address or a network such as 10.20.0.0/24"
TENANT = "a domain or a tenant id: letters, digits, dots, hyphens"
HISTORY = 'sqlite, "off", or a URL such as postgresql://proscribe@db.example.org/proscribe'
ADD_ON = "the id of a Chrome extension (32 letters) or of a Firefox add-on"
NO_DATABASES = ("mysql://db/x", "postgresql://db", "postgresql://db/", "postgres", f"{DATABASE}\n", True, "http://[")
PASSWORDS = ("postgresql://u:secret@db/x", "postgresql://u:@db/x", f"{DATABASE}?password=secret")

NO_SERVERS = ("10.0.0.0/24", "224.0.0.1", "fe80::1%eth0", "dns.example.org")
NO_DOMAINS = ("contoso", TENANT_ID[:-1], f"{TENANT_ID}0", "a..example", "-a.example")
NO_TENANTS: list[tuple[Any, str, Any, str]] = [
    *((name, "", name, TENANT) for name in ("b c", "bücher.example", "a_b", "²")),
    *((name, "", name, "a domain such as example.org, or") for name in NO_DOMAINS),
    ({"ids": TENANT_ID}, ".ids", "ids", "a known key, did you mean 'id'?"),
    ({"id": "dept.example"}, ".id", "dept.example", "a tenant id: a GUID such as"),
    ({"id": TENANT_ID, "domains": "dept.example"}, ".domains", "dept.example", "a list of domains"),
    ({"id": TENANT_ID, "domains": ["dept"]}, ".domains[0]", "dept", "a domain such as example.org"),
    ({}, "", {}, "an id, domains, or both: {id: <tenant id>, domains: [example.org]}"),
    (7, "", 7, "a domain, a tenant id, or a mapping such as {id: <tenant id>"),
]
WHOLE = {"id": TENANT_ID, "domains": ["dept.example"]}
SAME_TENANTS = [(name, name, "each tenant once") for name in (TENANT_ID, "dept.example")]

# What is refused: the reader, the value, the key and the value of the mistake, and how what was expected begins.
REFUSED: list[tuple[Callable[..., Any], Any, str, Any, str]] = [
    (WORD, "audti", "", "audti", "one of audit, off, did you mean 'audit'?"),
    (value_readers.make_choice_reader("audit", "enforce"), False, "", False, "one of audit, enforce"),
    (IDS, ["a", 7], "[1]", 7, "ids"),
    (SOME, ["a", "c"], "[1]", "c", "one of a, b"),
    *((NUMBER, value, "", value, "a whole number of hosts, 2 to 4") for value in (1, 5, True, "3", 3.0)),
    *((value_readers.read_flag, value, "", value, "true or false") for value in ("yes", 1, None, "")),
    *((value_readers.read_line, value, "", value, LINE) for value in (LONG + "x", "a\nb", None, 7)),
    *((value_readers.read_directory_path, value, "", value, FOLDER) for value in ("", " ", "a\n", 7, "x/" * 501)),
    (value_readers.read_directory_path, f"a/{NAME}x", "", f"a/{NAME}x", LONG_NAME),
    (value_readers.read_pattern, " ", "", " ", "a pattern of hosts such as all:!switches"),
    *((value_readers.read_duration, value, "", value, LENGTH) for value in ("2", 7200, "", None)),
    *((SPAN, value, "", value, LENGTH) for value in ("59s", "61m", None)),
    (value_readers.read_networks, ["10.0.0.1", "10.0.0.1/8"], "[1]", "10.0.0.1/8", NETWORK),
    *((value_readers.read_name_servers, ["10.0.0.1", server], "[1]", server, SERVER) for server in NO_SERVERS),
    (readers.read_controls, "off", "", "off", "a mapping such as {apps: enforce"),
    (readers.read_controls, {"dsn": "off"}, ".dsn", "dsn", "a known key, one of apps, browser, firewall, dns"),
    (readers.read_tenants, {"apple": []}, ".apple", "apple", "a known key, one of google, microsoft"),
    *((readers.read_tenants, {"microsoft": [entry]}, f".microsoft[0]{key}", *rest) for entry, key, *rest in NO_TENANTS),
    *((readers.read_tenants, {"microsoft": [WHOLE, same]}, ".microsoft[1]", *rest) for same, *rest in SAME_TENANTS),
    (readers.read_tenants, {"microsoft": "a.example"}, ".microsoft", "a.example", "a list of at most 100 tenants"),
    *(
        (
            readers.read_tenants,
            {"google": ["a.example", wrong]},
            ".google[1]",
            wrong,
            "a domain such as example.org: Go",
        )
        for wrong in (TENANT_ID, "contoso", "a b", {"id": TENANT_ID}, "", 7, "consumer_accounts")
    ),
    (readers.read_tenants, {"google": "a.example"}, ".google", "a.example", "a list of at most 100 domains"),
    (readers.read_browser_settings, [], "", [], "a mapping such as {private_windows: blocked"),
    (readers.read_browser_settings, {"proxys": "x"}, ".proxys", "proxys", "a known key, "),
    (readers.read_extensions, [EXTENSION, "parrot"], "[1]", "parrot", ADD_ON),
    *((readers.read_history, value, "", "something else", HISTORY) for value in NO_DATABASES),
    *((readers.read_history, value, "", "a URL with a password", "no password in the URL") for value in PASSWORDS),
    (readers.read_feeds, ["a", 7], "[1]", 7, "ids of feeds"),
    (readers.read_feeds, "some", "", "some", "one of all, off"),
    (readers.read_watch_interval, "maybe", "", "maybe", LENGTH),
]


@pytest.mark.parametrize(("read", "value", "key", "found", "expected"), REFUSED)
def test_wrong_value_is_refused_at_its_key(read, value, key, found, expected):
    mistake = get_mistake(read, value)
    assert (mistake.key, mistake.found_value) == (key, found) and mistake.expected.startswith(expected)


def test_forever_is_offered_where_it_may_be_and_off_too():
    assert get_mistake(value_readers.read_duration_or_forever, "soon").expected.endswith(", or forever")
    assert get_mistake(readers.read_watch_interval, "soon").expected.endswith(", or off")
