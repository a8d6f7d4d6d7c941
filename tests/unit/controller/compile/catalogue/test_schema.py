"""Schema of catalogue files."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any
from unittest.mock import ANY

import pytest
import yaml
from made_catalogue import GOOD, OWN, Made, errors_of
from proscribe.controller.compile.catalogue import entries, schema
from proscribe.controller.compile.catalogue.kinds import Group
from proscribe.controller.compile.catalogue.loading import load
from proscribe.controller.compile.catalogue.schema import AMENDMENT, BROWSERS, FEED, SERVICE, check_service
from proscribe.controller.compile.reading.yaml_file import KeyPath

DIGEST, EXTENSION, FAMILY = "0" * 64, "a" * 32, "cv1g1gvanyjgm"
LISTS = f"""
domains: [parrot.example, cdn.example]
urls: [web.example/parrot]
mail_hosts: [imap.parrot.example]
shared_domains: [files.example]
allow_domains: [work.parrot.example]
networks: [198.51.100.0/24]
packages: {{apt: [parrot], flatpak: [example.parrot.Parrot], pacman: [parrot], rpm: [parrot], snap: [parrot],
  npm: [parrot], pip: [parrot], brew: [parrot], brew_cask: [parrot], conda: [parrot], guix: [parrot], nix: [parrot],
  android: [example.parrot], winget: [Parrot.Parrot], choco: [parrot], appx: [Parrot_{FAMILY}]}}
bundle_ids: [com.example.Parrot]
signing_ids: [EXAMPLE123:com.example.Parrot]
team_ids: [EXAMPLE123]
processes: {{linux: [parrot], windows: [parrot.exe], macos: [Parrot.app]}}
paths: {{linux: [/opt/Parrot/parrot], windows: ['%ProgramFiles%\\Parrot\\parrot.exe']}}
registered: {{keys: [Parrot], names: [Parrot by Parrot Ltd]}}
publishers: {{programs: ['O=PARROT LTD'], appx: [CN=24803D75-212C-471A-BC57-9EF86AB91435]}}
installers: [ParrotSetup*.exe]
desktop_files: [parrot.desktop]
markers: {{go: [parrot.example/parrot], gecko: [Parrot], programs: [parrot-helper]}}
browser_extensions: {{chrome: [{EXTENSION}], firefox: [parrot@parrot.example]}}
nxdomain_canaries: [canary.parrot.example]
"""
CONTROL = """
networks_note: of 2026-11-20
tenant_control: {headers: [{name: X-Parrot, value: parrot.example, hosts: [parrot.example]}],
  browser_policies: [Accounts], endpoint_policies: [Accounts]}
"""
DATES = f"""
checked: "2026-11-20"
compared: [{{with: birds, day: "2026-11-20", sha256: "{DIGEST}", values: "3", version: "1"}}]
checked_accepted: {{day: "2026-11-20", until: "2027-05-01", why: none has a list}}
notes: a bird
sources: [a test]
"""
CHANGEABLE = """
audience: consumer
enforce: "true"
programs: private
decided: [{names: [files.example], as: shared, why: others have files there}]
networks_checked: "2026-11-20"
"""
ADDRESSES = "front_doors: [parrot.example]\noverlaps_with: [magpie]\n"
NAMES = "names: [鹦鹉]\n"
LOCATED = """
packages: {apt: [owl], rpm: [owl], pacman: [owl], flatpak: [example.owl.Owl], snap: [owl]}
processes: [owl]
paths: [/opt/owl/owl]
"""


def read(*texts: str) -> dict[str, Any]:
    made: dict[str, Any] = yaml.safe_load("".join(texts))
    return made


FULL_SERVICE = read(
    "id: parrot\nname: Parrot\ncategory: circumvention\nvendor: Parrot Ltd\nclass: vpn\ntenants: google\n"
    'retired: "false"\n',
    *(NAMES, LISTS, CONTROL, DATES, CHANGEABLE, ADDRESSES),
)
FULL_UNVERIFIED = {"unverified": read(NAMES, LISTS, CONTROL, "notes: a bird")}
FULL_AMENDMENT = read("amends: parrot\nnetworks_note: of 2026-11-20\n", DATES, CHANGEABLE) | {
    "add": read(NAMES, LISTS, ADDRESSES),
    "remove": read(NAMES, LISTS, ADDRESSES),
    "accept": read(NAMES, LISTS),
}
FULL_FEED = read('id: birds\nname: Birds\nservice: parrot\nkind: domains\nagreement: "2"\nreplaces: "false"\n', DATES)
PLACED = {"native": "/etc/owl", "flatpak": "/app/<id>", "snap": "/snap/owl"}
PLACES = ("policy_dir", "policy_file")
FULL_BROWSER = read(LOCATED, "id: owl\nname: Owl\npolicy_support: firefox\nnotes: a bird\nsources: [a test]\n") | {
    **{key: dict(PLACED) for key in PLACES},
    "policy_fallbacks": ["/opt/owl/policies.json"],
    "unverified": read(LOCATED, "notes: a bird")
    | {key: {one: [path] for one, path in PLACED.items()} for key in PLACES},
}
FULL: list[tuple[Group, dict[str, Any]]] = [
    (SERVICE, FULL_SERVICE | FULL_UNVERIFIED),
    (AMENDMENT, FULL_AMENDMENT),
    (FEED, FULL_FEED),
    (BROWSERS, {"browsers": [FULL_BROWSER]}),
]
BY_KIND = pytest.mark.parametrize(("kind", "full"), FULL, ids=["service", "amendment", "feed", "browsers"])


def leaves(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Where the texts of an entry are."""
    if isinstance(value, str):
        yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from leaves(item, (*path, key))


def with_value(entry: dict[str, Any], path: KeyPath, value: object) -> dict[str, Any]:
    """An entry with another value at one place."""
    changed: Any = copy.deepcopy(entry)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return dict(changed)


def wrong(kind: Group, entry: object) -> list[KeyPath]:
    return [path for path, _, _ in kind.check(entry, ())]


@BY_KIND
def test_a_wrong_value_is_found_wherever_it_is(kind: Group, full: dict[str, Any]) -> None:
    for path in leaves(full):
        assert wrong(kind, with_value(full, path, "\n")) == [path]


def test_an_entry_says_whom_its_programs_serve_where_it_has_some() -> None:
    programs = "packages processes paths registered publishers installers bundle_ids signing_ids team_ids"
    said = {
        key
        for key, value in FULL_SERVICE.items()
        if ("programs",) not in [path for path, _, _ in check_service({"programs": "private", key: value})]
    }
    assert said - {"programs"} == {*programs.split(), "desktop_files", "markers"}


def test_an_amendment_changes_lists_and_what_is_unverified() -> None:
    amendable = {key for key in (FULL_SERVICE | FULL_UNVERIFIED) if schema.amendable(key)}
    assert amendable == {*read(NAMES, LISTS, ADDRESSES), "unverified"}


@pytest.mark.parametrize(
    ("known", "entry"),
    [
        (entries.Decision, FULL_AMENDMENT["decided"][0]),
        (entries.Compared, FULL_FEED["compared"][0]),
        (entries.FeedEntry, FULL_FEED),
        (entries.Identifiers, FULL_UNVERIFIED["unverified"]),
        (entries.TenantControl, FULL_SERVICE["tenant_control"]),
        (entries.TenantHeader, FULL_SERVICE["tenant_control"]["headers"][0]),
        (entries.UnverifiedOfBrowser, FULL_BROWSER["unverified"]),
    ],
)
def test_the_types_of_entries_have_the_keys_of_the_schema(known: type, entry: dict[str, Any]) -> None:
    assert set(known.__annotations__) == set(entry)


# -- What stops a load within an entry, with the line, the key, the value and what was expected


HOST = "a host name such as mail.example.com"
NETWORK = "a network such as 198.51.100.0/24 or 2001:db8::/48; a single address is a /32 or /128"
PATH = "an absolute path, or one that starts with ~/, without .., patterns and special characters"
OTHERS_PATH = "a path of this service alone, not one that the system or other programs use"
PROGRAM = "the base name of a program: letters, digits, . _ + -, without directory"
OTHERS_PROGRAM = "a program of this service alone: other software runs it too"
LIST = "a list with at least one item (leave the key out where there is none)"
PUBLIC = "a network of the public Internet, not a private, local or multicast one"
WIDE = "a network of one service: at least"
SUFFIX = f"{HOST}: this one is a public suffix"
RESERVED = "in-addr.arpa 168.192.in-addr.arpa ip6.arpa ipv4only.arpa home.arpa nas.home.arpa app.localhost"
RESERVED += " a.invalid b.alt"
WITHOUT = "without scheme and path (a page has its place under urls)"
URL = "a host, or a host with a path such as www.example.com/mail, without scheme, query and wildcard"
OTHER_NETWORKS = "10.20.0.0/16 127.0.0.0/24 169.254.169.254/32 224.0.0.0/24 255.255.255.255/32 fe80::/64 fd00::/48 "
OTHER_NETWORKS += "ff02::1/128 64:ff9b::/96 ::ffff:0:0/96 0.1.0.0/16 100.64.0.0/16 100.127.0.0/16 172.16.0.0/12 "
OTHER_NETWORKS += "192.168.1.0/24 4000::/24"
IMAGE, OTHERS_IMAGE = (
    "the base name of a program, ending in .exe",
    "an image name of this service alone: other programs have it too",
)
APP = "the file name of an application, ending in .app"
OTHERS_APP = "a file name of this service alone: other applications have it too"
KEY = "the name of an uninstall key, without a path"
PUBLISHER = "a publisher as AppLocker has it, in upper case: O=PARROT LTD, L=PERTH, C=AU or with \\PRODUCT\\FILE.EXE"
OF_MANY = "a product behind the publisher: it signs programs that are not of this service"
OFFICES = ("O=MICROSOFT CORPORATION, C=US", "O=GOOGLE LLC\\*\\X.EXE", "O=BAIDU CHINA", "O=OPEN SOURCE DEVELOPER")
OFFICES += ("O=SHENZHEN TENCENT, C=CN", "O=PYTHON SOFTWARE FOUNDATION")
INSTALLER = "the file name of an installer, .exe or .msi, with at most one * behind its fourth letter"
OTHERS_INSTALLER = "a name of this installer alone: others begin like it, too"
REGISTERED = "the name that an installer registers, and its publisher: Parrot by Parrot Messaging Ltd"
APT = "a Debian package name: lower case letters, digits, + . -"
FLATPAK = "a flatpak application id such as org.example.App, without branch or architecture"

# What the list of the key holds, the line, the key, the value and what was expected.
BAD_ITEMS = [
    ("domains", "mail google.com", HOST),
    *(("domains", text, f"{HOST}, {WITHOUT}") for text in ("https://example.com", "example.com/mail")),
    *(("domains", text, f"{HOST}: all names below it are included without a wildcard") for text in ("*.a.b", ".a.b")),
    ("domains", "Example.com", f"{HOST}, in lower case"),
    ("domains", "example.com.", f"{HOST}, without a dot at its end"),
    ("domains", "b\u00fccher.de", f"{HOST}, international names in their xn-- form"),
    *(("domains", text, SUFFIX) for text in ("com", "co.uk", "com.cn", "plc.uk")),
    *(
        ("domains", text, f"{HOST}: .{text.rpartition('.')[2]} is reserved, no service has a name there")
        for text in RESERVED.split()
    ),
    ("mail_hosts", "mail.home.arpa", f"{HOST}: .arpa is reserved, no service has a name there"),
    ("urls", "wiki.home.arpa/mail", URL),
    *(("domains", text, HOST) for text in ("192.0.2.1", "under_score.example.com", "-a.example.com")),
    *(
        ("domains", text, HOST)
        for text in ("a" * 64 + ".com", "a.b\nc.example.com", "a.example.com\n", 'a".example.com')
    ),
    ("mail_hosts", "imap", SUFFIX),
    *(("urls", text, URL) for text in ("https://www.example.com/x", "www.example.com/x?y=1")),
    ("networks", "198.51.100.7", f"198.51.100.7/32: {NETWORK}"),
    ("networks", "198.51.100.7/24", "198.51.100.0/24, the network's canonical form"),
    ("networks", "198.51.100.0/255.255.255.0", "198.51.100.0/24, the network's canonical form"),
    ("networks", "2001:DB8::/48", "2001:db8::/48, the network's canonical form"),
    *(("networks", text, NETWORK) for text in ("300.1.1.0/24", "2001:db8::%x;accept/128")),
    *(("networks", text, f"{WIDE} /12") for text in ("0.0.0.0/0", "8.0.0.0/7", "8.0.0.0/11")),
    *(("networks", text, f"{WIDE} /24") for text in ("::/0", "2a00::/23")),
    *(("networks", text, PUBLIC) for text in OTHER_NETWORKS.split()),
    *(("packages.apt", text, APT) for text in ("Parrot", "--force-yes", "parrot; reboot")),
    ("packages.rpm", "-e", "an rpm package name: letters, digits, . _ + -"),
    ("packages.pacman", "par rot", "a pacman package name: letters, digits, @ . _ + -"),
    *(("packages.flatpak", text, FLATPAK) for text in ("Parrot", "org.example.Parrot/x86_64")),
    *(("packages.snap", text, "a snap name: lower case letters, digits, single hyphens") for text in ("Par_1", "a--b")),
    *(("processes.linux", text, PROGRAM) for text in ("/usr/bin/parrot", "par*")),
    *(("processes.linux", text, OTHERS_PROGRAM) for text in ("python3", "bash", "sshd", "Xorg", "sudo")),
    *(("processes.windows", text, IMAGE) for text in ("parrot", "C:\\parrot.exe", "par*.exe")),
    *(
        ("processes.windows", text, OTHERS_IMAGE)
        for text in ("Update.exe", "launcher.exe", "Electron.exe", "unins000.exe", "PowerShell.exe", "wscript.exe")
    ),
    *(("processes.macos", text, APP) for text in ("Parrot", "/Applications/Parrot.app", "Par*.app", "Parrot.app/x")),
    *(
        ("processes.macos", text, OTHERS_APP)
        for text in ("Messages.app", "mail.app", "Electron.app", "Voice Memos.app")
    ),
    *(("registered.keys", text, KEY) for text in ("ab", "Uninstall\\Parrot", " Parrot", "Par\nrot")),
    *(("registered.names", text, REGISTERED) for text in ("Parrot", "by Parrot", "Parrot by ", "Par\\rot by Parrot")),
    *(("publishers.programs", text, PUBLISHER) for text in ("Parrot Ltd", "O=Parrot Ltd", "O=*", "O=PARROT\\A\\B\\C")),
    *(("publishers.programs", text, OF_MANY) for text in OFFICES),
    ("publishers.appx", "Parrot", "the Publisher of an app package's manifest, such as CN=<GUID>"),
    *(("installers", text, INSTALLER) for text in ("parrot", "*.exe", "par*.exe", "parrot**.exe", "a\\parrot.exe")),
    *(("installers", text, OTHERS_INSTALLER) for text in ("Setup*.exe", "setup-*.msi", "installer*.exe")),
    *(("paths.linux", text, PATH) for text in ("opt/parrot", "/opt/../etc", "/opt/parrot*", "/opt/parrot/")),
    *(("paths.linux", text, PATH) for text in ("/opt//parrot", "/opt/par\nrot", "~root/parrot", "/")),
    *(("paths.linux", text, OTHERS_PATH) for text in ("/opt", "/usr/bin", "/usr/lib/x86_64-linux-gnu", "/etc/passwd")),
    *(("paths.linux", text, OTHERS_PATH) for text in ("/bin/sh", "~/.config", "~/Documents", "~")),
    *(("paths.linux", text, OTHERS_PATH) for text in ("/var/log", "/var/lib/dpkg/status", "/usr/share/icons", "/home")),
    ("desktop_files", "parrot", "the file name of a desktop entry, without directory"),
    ("browser_extensions.chrome", "z" * 32, "the id of a Chrome extension: 32 letters from a to p"),
    ("browser_extensions.firefox", "parrot", "the id of a Firefox add-on, {guid} or name@vendor"),
    ("nxdomain_canaries", "canary", SUFFIX),
]


@pytest.mark.parametrize(("key", "value", "expected"), BAD_ITEMS)
@pytest.mark.parametrize("unverified", [False, True], ids=["", "unverified"])
def test_a_malformed_identifier_is_reported(key: str, value: str, expected: str, unverified: bool, write: Made) -> None:
    entry = yaml.safe_load(GOOD)
    place = entry.setdefault("unverified", {}) if unverified else entry
    outer, _, inner = key.partition(".")
    place[outer] = {inner: [value]} if inner else [value]
    directory = write(yaml.safe_dump(entry))
    path = f"unverified.{key}" if unverified else key
    assert [(e.key, e.value, e.expected) for e in errors_of(directory)] == [(f"{path}[0]", value, expected)]


CHAT = "instant_messaging"
UNVERIFIED = "unverified:\n  packages:\n    apt: [parrot]\n"
TENANT_CONTROL = "tenant_control:\n  browser_policies: [X]\n"
OWN_NAMES = "the entry's own domains"
WORK_IS_SHARED = "a name of this service alone: shared_domains[0] says that work.parrot.example is shared"
ANOTHER = "the id of another service"
SYSTEM = "python/object/apply:os.system"

# What of the good entry is replaced ("": nothing, more is added), the line, the key, the value and what was expected.
BAD_ENTRIES = [
    ("", "domain: [a.example]\n", 14, "domain", "domain", "a known key, did you mean 'domains'"),
    ("apt:", "deb:", 12, "packages.deb", "deb", "a known key, one of apt, "),
    ("vendor: Example\n", "", 2, "vendor", None, "a value: this key is required"),
    ("audience: consumer\n", "", 2, "audience", None, f"a value: every service of the category {CHAT} has one"),
    ("consumer", "consumers", 6, "audience", "consumers", "did you mean 'consumer'?"),
    ("enforce: true", "enforce: yes", 7, "enforce", "yes", "one of true, false"),
    ("[a test]", "a test", 13, "sources", "a test", LIST),
    ("Example", "[Example]", 5, "vendor", ["Example"], "one text"),
    ("[parrot]", "[]", 12, "packages.apt", [], LIST),
    ("[parrot]", "[{a: b}]", 12, "packages.apt[0]", {"a": "b"}, "one text"),
    ("\n  apt: [parrot]", " {}", 11, "packages", {}, "at least one key out of apt"),
    ("[parrot]", "[parrot, parrot]", 12, "packages.apt[1]", "parrot", "every item once; this one is a duplicate"),
    ("", UNVERIFIED, 16, "unverified.packages.apt[0]", "parrot", "a value that packages does not have already"),
    ("id: parrot", "id: parot", 2, "id", "parot", "parrot, the name of its file"),
    ("id: parrot", "id: Parrot!", 2, "id", "Parrot!", "an id: lower case letters"),
    (CHAT, "webmail", 4, "category", "webmail", f"{CHAT}, the name of its folder"),
    ("name: Parrot", 'name: "a\'b"', 3, "name", "a'b", "one line of at most 120 characters"),
    ("", 'notes: "a\\nb"\n', 14, "notes", "a\nb", "one line of printable text"),
    ("", "tenants: google\n", 14, "tenants", "google", "tenant_control beside it"),
    ("", f"tenants: gogle\n{CONTROL}", 14, "tenants", "gogle", "one of google, microsoft, did you mean 'google'?"),
    (
        "",
        "allow_domains: [other.example]\n",
        14,
        "allow_domains[0]",
        "other.example",
        "a name below one of the entry's own domains",
    ),
    ("", "shared_domains: [work.parrot.example]\n", 10, "domains[1]", "parrot.example", WORK_IS_SHARED),
    ("", "overlaps_with: [parrrot]\n", 14, "overlaps_with[0]", "parrrot", f"{ANOTHER}, did you mean 'parrot'?"),
    ("", "a: [b\n", 15, "", "a syntax error (did not find expected ',' or ']')", "valid YAML"),
    ("", "a:\n\tb: c\n", 15, "", "a syntax error (found character that cannot start any token)", "valid YAML"),
    ("packages:\n", "packages:\n  apt: [a-b]\n", 13, "packages.apt", "the key a second time", "each key once"),
    ("", "? [a]\n: b\n", 14, "", ANY, "a word as the key"),
    ("[parrot]", "&x [parrot]\n  rpm: *x", 12, "packages.rpm", "an alias (*name)", "the value itself, written out"),
    ("[a test]", f"[!!{SYSTEM} [id]]", 13, "sources[0]", f"the tag tag:yaml.org,2002:{SYSTEM}", "a value without"),
    ("", "notes: " + "[" * 20 + "]" * 20, 14, ANY, "more than 8 levels", "a list or mapping that is"),
    (GOOD, "- a\n", 1, "", ["a"], "a mapping with keys out of id, name"),
    (GOOD, "{}\n", 1, "", {}, "at least one key out of id, name"),
    ("", "---\na: b\n", 14, "", "a syntax error (but found another document)", "valid YAML"),
]


@pytest.mark.parametrize(("old", "new", "line", "key", "value", "expected"), BAD_ENTRIES)
def test_a_broken_entry_is_reported_with_line_key_value_and_what_was_expected(
    old: str, new: str, line: int, key: str, value: object, expected: str, write: Made
) -> None:
    directory = write(GOOD.replace(old, new) if old else GOOD + new)
    (error,) = errors_of(directory)
    assert error.where == f"{directory}/instant_messaging/parrot.yml:{line}"
    assert (error.key, error.value) == (key, value)
    assert expected in error.expected


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
        ("apt:", "winget:", "packages.winget", "winget", "one of apt, rpm, pacman, flatpak, snap"),
        ("name: Owl", "title: Owl", "name", None, "a value: this key is required"),
    ],
)
def test_a_broken_browser_is_reported(old: str, new: str, key: str, value: object, expected: str, write: Made) -> None:
    error = errors_of(write(BROWSER_TEXT.replace(old, new), "browsers.yml"))[0]
    assert (error.key, error.value) == (f"browsers[0].{key}", value)
    assert expected in error.expected


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
    again = errors_of(OWN, write(BROWSER_TEXT.replace("owl", "brave"), "browsers.yml"))
    assert "browsers[0].id" in [error.key for error in again]
