"""What stops a load within an entry, with the line, the key, the value and what was expected."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
import yaml
from made_catalogue import GOOD, OWN, Made, errors_of
from proscribe.compile import grammar
from proscribe.compile.catalogue import load


@pytest.fixture
def write(tmp_path: Path) -> Made:
    return Made(tmp_path)


HOST = "a host name such as mail.example.com"
NETWORK = "a network such as 198.51.100.0/24 or 2001:db8::/48; a single address is a /32 or /128"
PATH = "an absolute path, or one that starts with ~/, without .., patterns and special characters"
OTHERS_PATH = "a path of this service alone, not one that the system or other programs use"
PROGRAM = "the base name of a program: letters, digits, . _ + -, without directory"
OTHERS_PROGRAM = "a program of this service alone: other software runs it too"
LIST = "a list with at least one item (leave the key out where there is none)"
PUBLIC = "a network of the public Internet, not a private, local or multicast one"

# What the list of the key holds, the line, the key, the value and what was expected.
BAD_ITEMS = [
    ("domains", "mail google.com", HOST),
    ("domains", "https://example.com", f"{HOST}, without scheme and path (a page has its place under urls)"),
    ("domains", "example.com/mail", f"{HOST}, without scheme and path (a page has its place under urls)"),
    ("domains", "*.example.com", f"{HOST}: all names below it are included without a wildcard"),
    ("domains", ".example.com", f"{HOST}: all names below it are included without a wildcard"),
    ("domains", "Example.com", f"{HOST}, in lower case"),
    ("domains", "example.com.", f"{HOST}, without a dot at its end"),
    ("domains", "b\u00fccher.de", f"{HOST}, international names in their xn-- form"),
    ("domains", "com", f"{HOST}: this one is a public suffix"),
    ("domains", "co.uk", f"{HOST}: this one is a public suffix"),
    ("domains", "com.cn", f"{HOST}: this one is a public suffix"),
    ("domains", "192.0.2.1", HOST),
    ("domains", "under_score.example.com", HOST),
    ("domains", "-a.example.com", HOST),
    ("domains", "a" * 64 + ".com", HOST),
    ("domains", "a.example.com\nevil.example.com", HOST),
    ("domains", "a.example.com\n", HOST),
    ("domains", 'a".example.com', HOST),
    ("mail_hosts", "imap", f"{HOST}: this one is a public suffix"),
    (
        "urls",
        "https://www.example.com/x",
        "a host, or a host with a path such as www.example.com/mail, without scheme, query and wildcard",
    ),
    (
        "urls",
        "www.example.com/x?y=1",
        "a host, or a host with a path such as www.example.com/mail, without scheme, query and wildcard",
    ),
    ("networks", "198.51.100.7", f"198.51.100.7/32: {NETWORK}"),
    ("networks", "198.51.100.7/24", "198.51.100.0/24, the network's canonical form"),
    ("networks", "198.51.100.0/255.255.255.0", "198.51.100.0/24, the network's canonical form"),
    ("networks", "2001:DB8::/48", "2001:db8::/48, the network's canonical form"),
    ("networks", "300.1.1.0/24", NETWORK),
    ("networks", "2001:db8::%x;accept/128", NETWORK),
    ("networks", "0.0.0.0/0", "a network of one service: at least /12"),
    ("networks", "::/0", "a network of one service: at least /24"),
    ("networks", "8.0.0.0/7", "a network of one service: at least /12"),
    ("networks", "10.20.0.0/16", PUBLIC),
    ("networks", "127.0.0.0/24", PUBLIC),
    ("networks", "169.254.169.254/32", PUBLIC),
    ("networks", "224.0.0.0/24", PUBLIC),
    ("networks", "255.255.255.255/32", PUBLIC),
    ("networks", "fe80::/64", PUBLIC),
    ("networks", "fd00::/48", PUBLIC),
    ("networks", "ff02::1/128", PUBLIC),
    ("networks", "64:ff9b::/96", PUBLIC),
    ("networks", "::ffff:0:0/96", PUBLIC),
    ("packages.apt", "Parrot", "a Debian package name: lower case letters, digits, + . -"),
    ("packages.apt", "--force-yes", "a Debian package name: lower case letters, digits, + . -"),
    ("packages.apt", "parrot; reboot", "a Debian package name: lower case letters, digits, + . -"),
    ("packages.rpm", "-e", "an rpm package name: letters, digits, . _ + -"),
    ("packages.pacman", "par rot", "a pacman package name: letters, digits, @ . _ + -"),
    ("packages.flatpak", "Parrot", "a flatpak application id such as org.example.App, without branch or architecture"),
    (
        "packages.flatpak",
        "org.example.Parrot/x86_64",
        "a flatpak application id such as org.example.App, without branch or architecture",
    ),
    ("packages.snap", "Parrot_1", "a snap name: lower case letters, digits, single hyphens"),
    ("packages.snap", "a--b", "a snap name: lower case letters, digits, single hyphens"),
    ("processes.linux", "/usr/bin/parrot", PROGRAM),
    ("processes.linux", "par*", PROGRAM),
    ("processes.linux", "python3", OTHERS_PROGRAM),
    ("processes.linux", "bash", OTHERS_PROGRAM),
    ("processes.linux", "sshd", OTHERS_PROGRAM),
    ("paths.linux", "opt/parrot", PATH),
    ("paths.linux", "/opt/../etc", PATH),
    ("paths.linux", "/opt/parrot*", PATH),
    ("paths.linux", "/opt/parrot/", PATH),
    ("paths.linux", "/opt//parrot", PATH),
    ("paths.linux", "/opt/par\nrot", PATH),
    ("paths.linux", "~root/parrot", PATH),
    ("paths.linux", "/", PATH),
    ("paths.linux", "/opt", OTHERS_PATH),
    ("paths.linux", "/usr/bin", OTHERS_PATH),
    ("paths.linux", "/usr/lib/x86_64-linux-gnu", OTHERS_PATH),
    ("paths.linux", "/etc/passwd", OTHERS_PATH),
    ("paths.linux", "/bin/sh", OTHERS_PATH),
    ("paths.linux", "~/.config", OTHERS_PATH),
    ("paths.linux", "~/Documents", OTHERS_PATH),
    ("paths.linux", "~", OTHERS_PATH),
    ("user_data", "/home/alice/parrot", "a path that starts with ~/"),
    ("desktop_files", "parrot", "the file name of a desktop entry, without directory"),
    ("browser_extensions.chrome", "z" * 32, "the id of a Chrome extension: 32 letters from a to p"),
    ("browser_extensions.firefox", "parrot", "the id of a Firefox add-on, {guid} or name@vendor"),
    ("macos_team_ids", "abc", "an Apple team id: ten capitals or digits"),
    ("nxdomain_canaries", "canary", f"{HOST}: this one is a public suffix"),
]


@pytest.mark.parametrize(("key", "value", "expected"), BAD_ITEMS)
@pytest.mark.parametrize("unverified", [False, True], ids=["", "unverified"])
def test_a_malformed_identifier_is_told(key: str, value: str, expected: str, unverified: bool, write: Made) -> None:
    entry = yaml.safe_load(GOOD)
    place = entry.setdefault("unverified", {}) if unverified else entry
    outer, _, inner = key.partition(".")
    place[outer] = {inner: [value]} if inner else [value]
    directory = write(yaml.safe_dump(entry))
    path = f"unverified.{key}" if unverified else key
    assert [(e.key, e.value, e.expected) for e in errors_of(directory)] == [(f"{path}[0]", value, expected)]


BAD_ENTRIES = {
    "unknown key": (
        GOOD + "domain: [a.example]\n",
        14,
        "domain",
        "domain",
        "a known key, did you mean 'domains'",
    ),
    "unknown package system": (
        GOOD.replace("apt:", "deb:"),
        12,
        "packages.deb",
        "deb",
        f"a known key, one of {', '.join(grammar.PACKAGE_NAMES)}",
    ),
    "missing key": (GOOD.replace("vendor: Example\n", ""), 2, "vendor", None, "a value: this key is required"),
    "no audience": (
        GOOD.replace("audience: consumer\n", ""),
        2,
        "audience",
        None,
        "a value: every service of the category instant_messaging has one",
    ),
    "unknown audience": (
        GOOD.replace("consumer", "consumers"),
        6,
        "audience",
        "consumers",
        "one of consumer, enterprise, both, did you mean 'consumer'?",
    ),
    "not true or false": (GOOD.replace("enforce: true", "enforce: yes"), 7, "enforce", "yes", "one of true, false"),
    "text where a list belongs": (GOOD.replace("[a test]", "a test"), 13, "sources", "a test", LIST),
    "list where a text belongs": (GOOD.replace("Example", "[Example]"), 5, "vendor", ["Example"], "one text"),
    "empty list": (GOOD.replace("[parrot]", "[]"), 12, "packages.apt", [], LIST),
    "empty key": (GOOD.replace("[a test]", ""), 13, "sources", "", LIST),
    "mapping in a list": (GOOD.replace("[parrot]", "[{a: b}]"), 12, "packages.apt[0]", {"a": "b"}, "one text"),
    "list where a mapping belongs": (
        GOOD.replace("\n  apt: [parrot]", " [parrot]"),
        11,
        "packages",
        ["parrot"],
        "a mapping with keys out of apt",
    ),
    "a value twice": (
        GOOD.replace("[parrot]", "[parrot, parrot]"),
        12,
        "packages.apt[1]",
        "parrot",
        "every item once; this one is a duplicate",
    ),
    "verified and unverified": (
        GOOD + "unverified:\n  packages:\n    apt: [parrot]\n",
        16,
        "unverified.packages.apt[0]",
        "parrot",
        "a value that packages does not have already",
    ),
    "id that is not the file's name": (
        GOOD.replace("id: parrot", "id: parot"),
        2,
        "id",
        "parot",
        "parrot, the name of its file",
    ),
    "bad id": (GOOD.replace("id: parrot", "id: Parrot!"), 2, "id", "Parrot!", "an id: lower case letters"),
    "category that is not the folder": (
        GOOD.replace("instant_messaging", "webmail"),
        4,
        "category",
        "webmail",
        "instant_messaging, the name of its folder",
    ),
    "quotes in the name": (
        GOOD.replace("name: Parrot", 'name: "a\'b"'),
        3,
        "name",
        "a'b",
        "one line of at most 120 characters",
    ),
    "line break in the notes": (GOOD + 'notes: "a\\nb"\n', 14, "notes", "a\nb", "one line of printable text"),
    "tenants without a control": (GOOD + "tenants: google\n", 14, "tenants", "google", "tenant_control beside it"),
    "unknown tenants": (
        GOOD + "tenants: gogle\ntenant_control:\n  browser_policies: [X]\n",
        14,
        "tenants",
        "gogle",
        "one of google, microsoft, did you mean 'google'?",
    ),
    "exception elsewhere": (
        GOOD + "allow_domains: [other.example]\n",
        14,
        "allow_domains[0]",
        "other.example",
        "a name below one of the entry's own domains",
    ),
    "own domain shared": (
        GOOD + "shared_domains: [work.parrot.example]\n",
        10,
        "domains[1]",
        "parrot.example",
        "a name of this service alone: shared_domains[0] says that work.parrot.example is shared",
    ),
    "unknown overlap": (
        GOOD + "overlaps_with: [parrrot]\n",
        14,
        "overlaps_with[0]",
        "parrrot",
        "the id of another service, did you mean 'parrot'?",
    ),
    "bad YAML": (GOOD + "a: [b\n", 15, "", "a syntax error (did not find expected ',' or ']')", "valid YAML"),
    "tab": (
        GOOD + "a:\n\tb: c\n",
        15,
        "",
        "a syntax error (found character that cannot start any token)",
        "valid YAML",
    ),
    "key twice": (GOOD + "domains: [b.example]\n", 14, "domains", "the key a second time", "each key once"),
    "nested key twice": (
        GOOD.replace("packages:\n", "packages:\n  apt: [a-b]\n"),
        13,
        "packages.apt",
        "the key a second time",
        "each key once",
    ),
    "list as a key": (GOOD + "? [a]\n: b\n", 14, "", None, "a word as the key"),
    "alias": (
        GOOD.replace("[parrot]", "&x [parrot]\n  rpm: *x"),
        12,
        "packages.rpm",
        "an alias (*name)",
        "the value itself, written out",
    ),
    "tag": (
        GOOD.replace("[a test]", "[!!python/object/apply:os.system [id]]"),
        13,
        "sources[0]",
        "the tag tag:yaml.org,2002:python/object/apply:os.system",
        "a value without a tag (!name)",
    ),
    "too deep": (GOOD + "notes: " + "[" * 20 + "]" * 20, 14, None, "more than 8 levels", "a list or mapping that is"),
    "a list": ("- a\n", 1, "", ["a"], "a mapping with keys out of id, name"),
    "a word": ("word\n", 1, "", "word", "a mapping with keys out of id, name"),
    "empty mapping": ("{}\n", 1, "", {}, "a mapping with keys out of id, name"),
    "two documents": (GOOD + "---\na: b\n", 14, "", "a syntax error (but found another document)", "valid YAML"),
}


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_a_broken_entry_is_told_with_line_key_value_and_what_was_expected(name: str, write: Made) -> None:
    text, line, key, value, expected = BAD_ENTRIES[name]
    directory = write(text)
    (error,) = errors_of(directory)
    assert error.where == f"{directory}/instant_messaging/parrot.yml:{line}"
    assert key in (None, error.key)
    assert name == "list as a key" or error.value == value
    assert expected in error.expected


def test_a_whole_message_is_one_line_that_says_it_all(write: Made) -> None:
    directory = write(GOOD.replace("parrot.example.com", "mail google.com"))
    (error,) = errors_of(directory)
    assert str(error) == (
        f"{directory}/instant_messaging/parrot.yml:9: domains[0]: found 'mail google.com', "
        "expected a host name such as mail.example.com"
    )


def test_all_mistakes_of_all_files_are_told_at_once(write: Made) -> None:
    write(GOOD.replace("parrot.example\n", "Parrot\n").replace("[parrot]", "[-x]"))
    directory = write("a: [\n", "webmail/owl.yml")
    assert [error.key for error in errors_of(directory)] == ["domains[1]", "packages.apt[0]", ""]


BROWSER_TEXT = """\
browsers:
  - id: owl
    name: Owl
    packages:
      apt: [owl]
    processes: [owl]
    policy_support: chromium
    policy_dir:
      native: /etc/owl/policies/managed
    sources: [a test]
"""


@pytest.mark.parametrize(
    ("old", "new", "key", "value", "expected"),
    [
        (": chromium", ": firefox", "policy_dir", {"native": "/etc/owl/policies/managed"}, "no policy_dir where"),
        (": chromium", ": chrome", "policy_support", "chrome", "one of chromium, firefox, thunderbird, none"),
        ("/etc/owl", "/etc/..", "policy_dir.native", "/etc/../policies/managed", "an absolute path"),
        ("/etc/owl", "/etc/<user>", "policy_dir.native", "/etc/<user>/policies/managed", "an absolute path"),
        ("apt:", "winget:", "packages.winget", "winget", "one of apt, rpm, pacman, flatpak, snap"),
        ("name: Owl", "title: Owl", "name", None, "a value: this key is required"),
    ],
)
def test_a_broken_browser_is_told(old: str, new: str, key: str, value: object, expected: str, write: Made) -> None:
    error = errors_of(write(BROWSER_TEXT.replace(old, new), "browsers.yml"))[0]
    assert (error.key, error.value) == (f"browsers[0].{key}", value)
    assert expected in error.expected


@pytest.mark.parametrize(
    ("text", "key"),
    [("browser: []\n", "browsers"), ("browsers: []\n", "browsers"), ("[]\n", ""), ("browsers: x\n", "browsers")],
)
def test_a_file_of_browsers_without_a_list_is_told(text: str, key: str, write: Made) -> None:
    assert errors_of(write(text, "browsers.yml"))[0].key == key


def test_a_browser_s_id_is_used_once(write: Made) -> None:
    again = BROWSER_TEXT.replace("browsers:\n", "").replace("name: Owl", "name: Owl again")
    directory = write(BROWSER_TEXT + again, "browsers.yml")
    (error,) = errors_of(directory)
    assert error.where == f"{directory}/browsers.yml:11"
    assert (error.key, error.expected) == ("browsers[1].id", f"an id of its own; {directory}/browsers.yml has this one")


def test_a_browser_of_the_organisation_joins_the_project_s_own(write: Made) -> None:
    loaded = load([OWN, write(BROWSER_TEXT, "browsers.yml")])
    assert loaded.browsers.keys() == {*load([OWN]).browsers, "owl"}
    assert loaded.browsers["owl"].policy_dir == {"native": "/etc/owl/policies/managed"}
    assert "browsers[0].id" in [
        e.key for e in errors_of(OWN, write(BROWSER_TEXT.replace("owl", "brave"), "browsers.yml"))
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("WeChat", "script of its own"),
        ("微", "2 to 40"),
        ("微" * 41, "2 to 40"),
        ("微/信", "script of its own"),
        (" 微信", "script of its own"),
        (unicodedata.normalize("NFD", "카톡"), "NFC"),
        ("微信.AppImage", "without version"),
        ("微信 4.1", "without version"),
    ],
)
def test_a_name_in_its_own_script_is_one_that_a_file_can_be_compared_with(name: str, expected: str) -> None:
    assert expected in grammar.own_name(name) and not grammar.own_name("微信")
