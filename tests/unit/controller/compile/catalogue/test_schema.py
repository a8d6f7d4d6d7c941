"""Every key of every file of a catalogue: an entry that has them all is well formed, and a wrong value is found."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from proscribe.controller.compile.catalogue import entries, schema
from proscribe.controller.compile.catalogue.kinds import Group
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
