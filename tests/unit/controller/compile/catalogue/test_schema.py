"""Every key of every file of a catalogue: an entry that has them all is well formed, and a wrong value is found."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from proscribe.controller.compile.catalogue import entries, schema
from proscribe.controller.compile.catalogue.kinds import Group
from proscribe.controller.compile.catalogue.schema import AMENDMENT, BROWSER, BROWSERS, FEED, SERVICE, check_service
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


def keys(entry: dict[str, Any]) -> set[KeyPath]:
    """Where the keys of an entry are."""
    return {path[: at + 1] for path in leaves(entry) for at, step in enumerate(path) if isinstance(step, str)}


def with_value(entry: dict[str, Any], path: KeyPath, value: object) -> dict[str, Any]:
    """An entry with another value at one place."""
    changed: Any = copy.deepcopy(entry)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return dict(changed)


def without(entry: dict[str, Any], path: KeyPath) -> dict[str, Any] | None:
    """An entry without one key; None where nothing would be beside it."""
    changed: Any = copy.deepcopy(entry)
    place = changed
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return dict(changed) if place else None


def wrong(kind: Group, entry: object) -> list[KeyPath]:
    return [path for path, _, _ in kind.check(entry, ())]


@BY_KIND
def test_an_entry_with_every_key_is_well_formed(kind: Group, full: dict[str, Any]) -> None:
    assert list(kind.check(full, ())) == []


@BY_KIND
def test_a_wrong_value_is_found_wherever_it_is(kind: Group, full: dict[str, Any]) -> None:
    for path in leaves(full):
        assert wrong(kind, with_value(full, path, "\n")) == [path]


@BY_KIND
def test_a_key_is_found_where_it_is_none(kind: Group, full: dict[str, Any]) -> None:
    for *place, _ in keys(full):
        path = tuple(place)
        assert wrong(kind, with_value(full, (*path, "nothing"), "x")) == [(*path, "nothing")]


REQUIRED = {
    "service": "id name category vendor enforce sources",
    "amendment": "amends sources",
    "feed": "id name service kind checked sources",
    "browsers": "id name packages processes policy_support sources",
}
WITHIN = {
    "checked_accepted": "day until why",
    "compared": "with day sha256 values",
    "decided": "names as why",
    "headers": "name",
}


@BY_KIND
def test_what_an_entry_cannot_do_without(kind: Group, full: dict[str, Any], request: pytest.FixtureRequest) -> None:
    top = REQUIRED[request.node.callspec.id]
    for path in keys(full):
        *above, key = path
        around = [step for step in above if isinstance(step, str) and step != "browsers"]
        required = str(key) in (WITHIN.get(around[-1], "") if around else top).split()
        assert wrong(kind, with_value(full, path, None)) == [path]
        left = without(full, path)
        if left is not None:
            assert wrong(kind, left) == [path] * required


WORDS = [
    (SERVICE, "category", "instant_messaging webmail cloud_storage circumvention remote_control ai_assistants"),
    (SERVICE, "category", "social_media code_hosting"),
    (SERVICE, "class", "bypass_client encrypted_dns vpn browser_vpn relay anonymity_network proxy_client tunnel"),
    (SERVICE, "class", "web_proxy"),
    (SERVICE, "tenants", "google microsoft"),
    *((kind, "audience", "consumer enterprise both") for kind in (SERVICE, AMENDMENT)),
    *((kind, "programs", "private both") for kind in (SERVICE, AMENDMENT)),
    *((kind, "enforce", "true false") for kind in (SERVICE, AMENDMENT)),
    (FEED, "kind", "domains networks"),
    (FEED, "agreement", "2 9"),
    (BROWSER, "policy_support", "chromium firefox thunderbird none"),
]


@pytest.mark.parametrize(("kind", "key", "words"), WORDS)
def test_each_word_that_a_key_knows(kind: Group, key: str, words: str) -> None:
    assert [word for word in words.split() if (key,) in wrong(kind, {key: word})] == []


@pytest.mark.parametrize("word", ["shared", "refused", "blocked"])
def test_each_decision(word: str) -> None:
    entry = {"decided": [{"names": ["files.example"], "as": word, "why": "others"}]}
    assert [path for path in wrong(SERVICE, entry) if path[0] == "decided"] == []


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
