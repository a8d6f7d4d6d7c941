"""Schema of catalogue files."""

import copy
from collections.abc import Iterator
from typing import Any
from unittest.mock import ANY

import pytest
import yaml
from made import BLANK
from made_catalogue import GOOD, OWN, errors_of
from proscribe.controller.compile.catalogue import schema
from proscribe.controller.compile.catalogue.catalogue_loader import Browser, Service, read_catalogue
from proscribe.controller.compile.catalogue.schema import AMENDMENT, BROWSERS, FEED, SERVICE, check_service
from proscribe.controller.compile.reading.document_schema import GroupSchema
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
processes: {{linux: [parrot], windows: [parrot.exe], windows_shared: [chat.exe], macos: [Parrot.app]}}
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


def read_texts(*texts: str) -> dict[str, Any]:
    return dict(yaml.safe_load("".join(texts)))


HEAD = 'id: parrot\nname: Parrot\ncategory: circumvention\nvendor: Parrot Ltd\nclass: vpn\nretired: "false"\n'
FULL_SERVICE = read_texts(HEAD, "tenants: google\n", NAMES, LISTS, CONTROL, DATES, CHANGEABLE, ADDRESSES)
FULL_UNVERIFIED = {"unverified": read_texts(NAMES, LISTS, CONTROL, "notes: a bird")}
FULL_AMENDMENT = read_texts("amends: parrot\nnetworks_note: of 2026-11-20\n", DATES, CHANGEABLE)
FULL_AMENDMENT |= {key: read_texts(NAMES, LISTS, ADDRESSES) for key in ("add", "remove")}
FULL_AMENDMENT |= {"accept": read_texts(NAMES, LISTS)}
FEED_HEAD = 'id: birds\nname: Birds\nservice: parrot\nkind: domains\nagreement: "2"\nreplaces: "false"\n'
PLACED = {"native": "/etc/owl", "flatpak": "/app/<id>", "snap": "/snap/owl"}
PLACES = ("policy_dir", "policy_file")
BROWSER_HEAD = "id: owl\nname: Owl\npolicy_support: firefox\npolicy_fallbacks: [/opt/owl/policies.json]\n"
FULL_BROWSER = read_texts(BROWSER_HEAD, LOCATED, "notes: a bird\nsources: [a test]\n")
FULL_BROWSER |= {key: dict(PLACED) for key in PLACES} | {"unverified": read_texts(LOCATED, "notes: a bird")}
FULL_BROWSER["unverified"] |= {key: {system: [path] for system, path in PLACED.items()} for key in PLACES}
FULL: list[tuple[GroupSchema, dict[str, Any]]] = [(SERVICE, FULL_SERVICE | FULL_UNVERIFIED)]
FULL += [(AMENDMENT, FULL_AMENDMENT), (FEED, read_texts(FEED_HEAD, DATES)), (BROWSERS, {"browsers": [FULL_BROWSER]})]


def find_leaves(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    if isinstance(value, str):
        yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from find_leaves(item, (*path, key))


def set_value(entry: dict[str, Any], path: KeyPath, value: object) -> dict[str, Any]:
    place: Any = (changed := copy.deepcopy(entry))
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


@pytest.mark.parametrize(("kind", "full"), FULL, ids=["service", "amendment", "feed", "browsers"])
def test_a_wrong_value_is_found_wherever_it_is(kind, full):
    for path in find_leaves(full):
        assert [wrong for wrong, _, _ in kind.check(set_value(full, path, "\n"), ())] == [path]


def test_keys_with_programs_need_whom_they_serve_and_lists_are_amendable():
    programs = "packages processes paths registered publishers installers bundle_ids signing_ids team_ids"
    entries = {key: {"programs": "private", key: value} for key, value in FULL_SERVICE.items()}
    keys = {key for key, entry in entries.items() if ("programs",) not in [path for path, *_ in check_service(entry)]}
    assert keys - {"programs"} == {*programs.split(), "desktop_files", "markers"}
    amendable = {key for key in (FULL_SERVICE | FULL_UNVERIFIED) if schema.is_amendable(key)}
    assert amendable == {*read_texts(NAMES, LISTS, ADDRESSES), "unverified"}


def make_tuples(value: Any) -> Any:
    """Return what a field has of a key: a tuple for each list."""
    if isinstance(value, dict):
        return {key: tuple(item) if isinstance(item, list) else item for key, item in value.items()}
    return tuple(value) if isinstance(value, list) else value


OTHER = GOOD.replace("parrot", "magpie").replace("Parrot", "Magpie")
# Fields that are not named as their keys, or have only a part of them.
FIELDS: dict[str, Any] = {"enforce": True, "retired": False, "service_class": "vpn", "processes": ("parrot",)}
FIELDS |= {"paths": ("/opt/Parrot/parrot",), "windows_programs": ("Parrot/parrot.exe",), "mac_apps": ("Parrot.app",)}
FIELDS |= {"windows_processes": ("parrot.exe",), "windows_installers": ("ParrotSetup*.exe",), "origins": {}}
FIELDS |= {"windows_shared_processes": ("chat.exe",)}
FIELDS |= {"windows_registered": {"keys": ("Parrot",), "names": ("Parrot by Parrot Ltd",)}}
FIELDS |= {"windows_publishers": make_tuples(FULL_SERVICE["publishers"]), "unverified": {"notes": "a bird"}}
FIELDS |= {"tenant_control": FULL_SERVICE["tenant_control"]}


def test_every_key_of_a_service_and_a_browser_is_read(write):
    write(OTHER, "instant_messaging/magpie.yml")
    least = "id: crow\nname: Crow\ncategory: circumvention\nvendor: Crow Ltd\nenforce: false\nclass: vpn\n"
    write(f"{least}domains: [crow.example]\nretired: true\nsources: [a test]\n", "circumvention/crow.yml")
    full = {key: value for key, value in FULL_BROWSER.items() if key not in ("policy_dir", "unverified")}
    crow = {"id": "crow", "name": "Crow", "packages": {"apt": ["crow"]}, "processes": ["crow"], "sources": ["a test"]}
    crow |= {"policy_support": "chromium", "policy_dir": dict(PLACED)}
    write(yaml.safe_dump({"browsers": [full, crow]}), "browsers.yml")
    text = yaml.safe_dump({**FULL_SERVICE, "unverified": {"notes": "a bird"}})
    catalogue = read_catalogue([write(text, "circumvention/parrot.yml")])
    renamed = ("class", "registered", "publishers", "installers")
    own = {key: make_tuples(value) for key, value in FULL_SERVICE.items() if key not in renamed}
    file = catalogue.services["magpie"].file.replace("instant_messaging/magpie", "circumvention/{}")
    assert catalogue.services["parrot"] == Service(**own | FIELDS | {"file": file.format("parrot")})
    blank = {**BLANK, "id": "crow", "name": "Crow", "category": "circumvention", "vendor": "Crow Ltd", "retired": True}
    blank |= {"enforce": False, "service_class": "vpn", "domains": ("crow.example",), "sources": ("a test",)}
    assert catalogue.services["crow"] == Service(**{**blank, "file": file.format("crow"), "checked_accepted": {}})
    owl = {key: make_tuples(value) for key, value in full.items() if key not in ("notes", "sources")}
    places = {"policy_support": "chromium", "policy_dir": PLACED, "policy_file": {}, "policy_fallbacks": ()}
    known = {"id": "crow", "name": "Crow", "packages": {"apt": ("crow",)}, "processes": ("crow",), "paths": ()}
    browsers = [Browser(**owl, policy_dir={}, unverified={}), Browser(**known, **places, unverified={})]
    assert [*catalogue.browsers.values()] == browsers


LIST = "a list with at least one item"
NETWORKS = "10.20.0.0/16 127.0.0.0/24 169.254.169.254/32 224.0.0.0/24 255.255.255.255/32 fe80::/64"
NETWORKS += " fd00::/48 ff02::1/128 64:ff9b::/96 ::ffff:0:0/96 0.1.0.0/16 100.64.0.0/16 172.16.0.0/12 4000::/24"
RESERVED = "168.192.in-addr.arpa ip6.arpa ipv4only.arpa nas.home.arpa app.localhost a.invalid b.alt"
OFFICES = ["O=MICROSOFT CORPORATION, C=US", "O=GOOGLE LLC\\*\\X.EXE", "O=BAIDU CHINA", "O=OPEN SOURCE DEVELOPER"]
OFFICES += ["O=SHENZHEN TENCENT, C=CN", "O=PYTHON SOFTWARE FOUNDATION"]
PROGRAMS = ["Update.exe", "launcher.exe", "Electron.exe", "unins000.exe", "PowerShell.exe", "wscript.exe"]
SYSTEM_PATHS = "/opt /usr/bin /usr/lib/x86_64-linux-gnu /etc/passwd /bin/sh ~/.config ~/Documents ~ /var/log /home"

# The key, a part of what was expected, and wrong values.
BAD_ITEMS = [
    ("domains", "a host name", ["mail google.com", "192.0.2.1", "a_b.example.com", "-a.example", f"{'a' * 64}.com"]),
    ("domains", "without scheme and path", ["https://example.com", "example.com/mail"]),
    ("domains", "without a wildcard", ["*.a.b", ".a.b"]),
    ("domains", "in lower case", ["Example.com"]),
    ("domains", "without a dot", ["example.com."]),
    ("domains", "xn-- form", ["b\u00fccher.de"]),
    ("domains", "public suffix", ["com", "co.uk", "com.cn", "plc.uk"]),
    ("domains", "is reserved", RESERVED.split()),
    ("mail_hosts", "is reserved", ["mail.home.arpa"]),
    ("mail_hosts", "public suffix", ["imap"]),
    ("nxdomain_canaries", "public suffix", ["canary"]),
    ("urls", "without scheme, query", ["wiki.home.arpa/mail", "https://www.example.com/x", "www.example.com/x?y=1"]),
    ("networks", "198.51.100.7/32", ["198.51.100.7"]),
    ("networks", "canonical form", ["198.51.100.7/24", "198.51.100.0/255.255.255.0", "2001:DB8::/48"]),
    ("networks", "a network such as", ["300.1.1.0/24", "2001:db8::%x;accept/128"]),
    ("networks", "at least /12", ["0.0.0.0/0", "8.0.0.0/7", "8.0.0.0/11"]),
    ("networks", "at least /24", ["::/0", "2a00::/23"]),
    ("networks", "public Internet", NETWORKS.split()),
    ("packages.apt", "Debian", ["Parrot", "--force-yes", "parrot; reboot"]),
    ("packages.rpm", "rpm", ["-e"]),
    ("packages.pacman", "pacman", ["par rot"]),
    ("packages.flatpak", "application id", ["Parrot", "org.example.Parrot/x86_64"]),
    ("packages.snap", "single hyphens", ["Par_1", "a--b"]),
    ("processes.linux", "without directory", ["/usr/bin/parrot", "par*"]),
    ("processes.linux", "of this service alone", ["python3", "bash", "sshd", "Xorg", "sudo"]),
    ("processes.windows", "ending in .exe", ["parrot", "C:\\parrot.exe", "par*.exe"]),
    ("processes.windows", "of this service alone", PROGRAMS),
    ("processes.macos", "ending in .app", ["Parrot", "/Applications/Parrot.app", "Par*.app", "Parrot.app/x"]),
    ("processes.macos", "of this service alone", ["Messages.app", "mail.app", "Electron.app", "Voice Memos.app"]),
    ("registered.keys", "uninstall key", ["a", "Uninstall\\Parrot", " Parrot", "Par\nrot"]),
    ("registered.names", "its publisher", ["Parrot", "by Parrot", "Parrot by ", "Par\\rot by Parrot"]),
    ("publishers.programs", "AppLocker", ["Parrot Ltd", "O=Parrot Ltd", "O=*", "O=PARROT\\A\\B\\C"]),
    ("publishers.programs", "a product behind the publisher", OFFICES),
    ("publishers.appx", "manifest", ["Parrot"]),
    ("installers", "at most one *", ["parrot", "*.exe", "par*.exe", "parrot**.exe", "a\\parrot.exe"]),
    ("installers", "of this installer alone", ["Setup*.exe", "setup-*.msi", "installer*.exe"]),
    ("paths.linux", "an absolute path", ["opt/parrot", "/opt/../etc", "/opt/parrot*", "/opt/parrot/", "/opt//parrot"]),
    ("paths.linux", "of this service alone", SYSTEM_PATHS.split()),
    ("desktop_files", "desktop entry", ["parrot"]),
    ("browser_extensions.chrome", "32 letters", ["z" * 32]),
    ("browser_extensions.firefox", "add-on", ["parrot"]),
]


@pytest.mark.parametrize(("key", "expected", "values"), BAD_ITEMS)
@pytest.mark.parametrize("place", ["", "unverified."])
def test_a_malformed_identifier_is_reported(key, expected, values, place, write):
    outer, _, inner = key.partition(".")
    for value in values:
        entry = yaml.safe_load(GOOD)
        holder = entry.setdefault("unverified", {}) if place else entry
        holder[outer] = {inner: [value]} if inner else [value]
        (error,) = errors_of(write(yaml.safe_dump(entry)))
        assert (error.key, error.found_value, expected in error.expected) == (f"{place}{key}[0]", value, True)


CHAT = "instant_messaging"
UNVERIFIED = "unverified:\n  packages:\n    apt: [parrot]\n"
TENANT_CONTROL = "tenant_control:\n  browser_policies: [X]\n"
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
    ("[a test]", "a test", 13, "sources", "a test", "a list, such as [a test]"),
    ("[parrot]", "[]", 12, "packages.apt", [], LIST),
    ("[parrot]", "[dpkg]", 12, "packages.apt[0]", "dpkg", "something that a host can do without"),
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
    ("", f"tenants: gogle\n{TENANT_CONTROL}", 14, "tenants", "gogle", "one of google, microsoft, did you mean"),
    ("", "allow_domains: [x.example]\n", 14, "allow_domains[0]", "x.example", "below one of the entry's own domains"),
    ("", "shared_domains: [work.parrot.example]\n", 10, "domains[1]", "parrot.example", WORK_IS_SHARED),
    ("", "overlaps_with: [parrrot]\n", 14, "overlaps_with[0]", "parrrot", f"{ANOTHER}, did you mean 'parrot'?"),
    ("", "a: [b\n", 15, "", "a syntax error (did not find expected ',' or ']')", "valid YAML"),
    ("packages:\n", "packages:\n  apt: [a-b]\n", 13, "packages.apt", "the key a second time", "each key once"),
    ("", "? [a]\n: b\n", 14, "", ANY, "a word as the key"),
    ("[parrot]", "&x [parrot]\n  rpm: *x", 12, "packages.rpm", "an alias (*name)", "the value itself, written out"),
    ("[a test]", f"[!!{SYSTEM} [id]]", 13, "sources[0]", f"the tag tag:yaml.org,2002:{SYSTEM}", "a value without"),
    ("", "notes: " + "[" * 20 + "]" * 20, 14, ANY, "more than 8 levels", "a list or mapping that is"),
    (GOOD, "- a\n", 1, "", ["a"], "a mapping with keys out of id, name"),
    (GOOD, "{}\n", 1, "", {}, "at least one key out of id, name"),
]


@pytest.mark.parametrize(("old", "new", "line", "key", "value", "expected"), BAD_ENTRIES)
def test_a_broken_entry_is_reported_with_line_key_value_and_what_was_expected(
    old, new, line, key, value, expected, write
):
    directory = write(GOOD.replace(old, new) if old else GOOD + new)
    (error,) = errors_of(directory)
    assert error.location == f"{directory}/instant_messaging/parrot.yml:{line}"
    assert (error.key, error.found_value) == (key, value)
    assert expected in error.expected


def test_all_mistakes_of_all_files_are_reported_at_once(write):
    write(GOOD.replace("parrot.example\n", "Parrot\n").replace("[parrot]", "[-x]"))
    directory = write("a: [\n", "cloud_storage/owl.yml")
    assert [error.key for error in errors_of(directory)] == ["", "domains[1]", "packages.apt[0]"]


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
BROKEN_BROWSERS = [
    (": chromium", ": firefox", "policy_dir", {"native": "/etc/owl/policies/managed"}, "no policy_dir where"),
    (": chromium", ": chrome", "policy_support", "chrome", "one of chromium, firefox, thunderbird, none"),
    ("/etc/owl", "/etc/..", "policy_dir.native", "/etc/../policies/managed", "an absolute path"),
    ("apt:", "winget:", "packages.winget", "winget", "one of apt, rpm, pacman, flatpak, snap"),
    ("name: Owl", "title: Owl", "name", None, "a value: this key is required"),
]


@pytest.mark.parametrize(("old", "new", "key", "value", "expected"), BROKEN_BROWSERS)
def test_a_broken_browser_is_reported(old, new, key, value, expected, write):
    error = errors_of(write(BROWSER_TEXT.replace(old, new), "browsers.yml"))[0]
    assert (error.key, error.found_value) == (f"browsers[0].{key}", value)
    assert expected in error.expected


def test_a_browser_of_the_organisation_joins_the_project_s_own_with_an_id_of_its_own(write):
    loaded = read_catalogue([OWN, write(BROWSER_TEXT, "browsers.yml")])
    assert loaded.browsers.keys() == {*read_catalogue([OWN]).browsers, "owl"}
    assert loaded.browsers["owl"].policy_dir == {"native": "/etc/owl/policies/managed"}
    again = errors_of(OWN, write(BROWSER_TEXT.replace("owl", "brave"), "browsers.yml"))
    assert "browsers[0].id" in [error.key for error in again]
    second = BROWSER_TEXT.replace("browsers:\n", "").replace("name: Owl", "name: Owl again")
    directory = write(BROWSER_TEXT + second, "browsers.yml")
    (error,) = [error for error in errors_of(directory) if error.key == "browsers[1].id"]
    assert error.location == f"{directory}/browsers.yml:11" and f"{directory}/browsers.yml has" in error.expected
