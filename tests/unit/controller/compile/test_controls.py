"""The compilers of the controls: the identifiers that each control takes from a service."""

import dataclasses
from typing import Any

import pytest
from derived.package_systems import declared
from made import catalogue, service
from proscribe.controller.compile.catalogue.feeds import Feed
from proscribe.controller.compile.controls import COMPILERS
from proscribe.controller.compile.controls.apps import PACKAGE_SYSTEMS
from proscribe.controller.compile.plans.identifiers import (
    get_identifiers,
    list_program_identifiers,
    remove_web_identifiers,
)
from proscribe.controller.compile.reading.grammar import PACKAGE_NAMES

DUCK = "CN=24803D75-212C-471A-BC57-9EF86AB91435"
PACKAGES = {"apt": ("parrot",), "snap": ("parrot",), "rpm": (), "choco": ("parrot",), "winget": ("Parrot.Parrot",)}
PACKAGES |= {"appx": ("Parrot_cv1g1gvanyjgm", "Other_8wekyb3d8bbwe")}
WEB_KEYS: dict[str, Any] = {"names": ("鹦鹉",), "domains": ("parrot.example", "cdn.example")}
WEB_KEYS |= {"urls": ("web.example/parrot", "web.parrot.example", "old.example")}
WEB_KEYS |= {"mail_hosts": ("imap.parrot.example", "shared.example"), "shared_domains": ("shared.example",)}
WEB_KEYS |= {"allow_domains": ("work.parrot.example",), "networks": ("192.0.2.0/25", "192.0.2.128/25")}
WEB_KEYS |= {"browser_extensions": {"chrome": ("a" * 32,)}, "nxdomain_canaries": ("canary.example",)}
KEYS: dict[str, Any] = {"processes": ("parrot",), "paths": ("/opt/parrot/parrot",)}
KEYS |= {"desktop_files": ("parrot.desktop",), "markers": {"go": ("parrot.example/x",)}, "mac_apps": ("Parrot.app",)}
KEYS |= {"windows_registered": {"keys": ("Parrot",)}, "windows_installers": ("ParrotSetup*.exe",)}
KEYS |= {"bundle_ids": ("com.example.Parrot",), "signing_ids": ("EXAMPLE123:com.example.Parrot",)}
KEYS |= {"team_ids": ("EXAMPLE123",), "windows_processes": ("parrot.exe",)}
KEYS |= {"windows_shared_processes": ("chat.exe",)}
PUBLISHERS = {"programs": ("O=PARROT",), "appx": (DUCK,)}
OF_WINDOWS = {"windows_programs": ("Parrot/parrot.exe",), "windows_publishers": PUBLISHERS}
FULL = service("parrot", packages=PACKAGES, **KEYS, **OF_WINDOWS, **WEB_KEYS)


def write_lists(value: Any) -> Any:
    """Write tuples as the lists of a plan."""
    return {key: list(items) for key, items in value.items()} if isinstance(value, dict) else list(value)


APPX = ["Parrot_cv1g1gvanyjgm", "Other_8wekyb3d8bbwe"]
PROGRAMS = {key: write_lists(value) for key, value in KEYS.items()} | {
    "packages": {"apt": ["parrot"], "snap": ["parrot"]},
    "windows": ["Parrot/parrot.exe"],
    "windows_packages": {"appx": APPX, "winget": ["Parrot.Parrot"]},
    "windows_publishers": {"programs": ["O=PARROT"], "appx": [f"{DUCK}\\Parrot"]},
    "names": ["鹦鹉"],
}
ALLOW = ["work.parrot.example"]
DOMAINS = ["parrot.example", "cdn.example"]
URLS = ["web.example/parrot", "web.parrot.example", "old.example"]
MORE_NAMES = ["web.parrot.example", "imap.parrot.example"]
WEB = {"web_hosts": ["parrot.example", "cdn.example", "web.example/parrot", "old.example"], "web_allow": ALLOW}
EXPECTED: dict[str, dict[str, Any]] = {
    "apps": {**PROGRAMS, **WEB},
    "browser": {"domains": DOMAINS, "urls": URLS, "allow": ALLOW, "extensions": {"chrome": ["a" * 32]}},
    "firewall": {"networks": ["192.0.2.0/24"], "ports": []},
    "dns": {"domains": [*DOMAINS, *MORE_NAMES], "allow": ALLOW, "canaries": ["canary.example"]},
}


@pytest.mark.parametrize("control", EXPECTED)
def test_control_has_its_identifiers_of_a_service(control):
    assert COMPILERS[control].list_identifiers(FULL) == EXPECTED[control]
    assert COMPILERS[control].list_identifiers(service("blank", names=("鹦鹉",), allow_domains=("a.example",))) == {}


def test_resolver_is_closed_for_names_alone_and_in_no_list_of_browsers():
    nine = service("nine", service_class="encrypted_dns", networks=("192.0.2.9/32",), domains=("nine.example",))
    assert COMPILERS["firewall"].list_identifiers(nine) == {"networks": ["192.0.2.9"], "ports": [53, 443, 853]}
    assert COMPILERS["browser"].list_identifiers(nine) == {}
    assert COMPILERS["dns"].list_identifiers(nine) == {"domains": ["nine.example"], "allow": []}


def test_programs_are_identifiers_without_web():
    assert (
        list_program_identifiers(FULL) == remove_web_identifiers(COMPILERS["apps"].list_identifiers(FULL)) == PROGRAMS
    )
    identifiers = {"packages": {}, "processes": [], "paths": [], "windows": ["Parrot/parrot.exe"]}
    assert list_program_identifiers(service("one", windows_programs=("Parrot/parrot.exe",))) == identifiers
    assert list_program_identifiers(service("pages", names=("鹦鹉",), domains=("a.example",))) == {}


def build_feed(id_: str, kind: str, *values: str, of: str = "parrot") -> Feed:
    return Feed(id_, of, kind, "2026-01-02", values, f"{id_}.yml")


@pytest.mark.parametrize(
    ("feeds", "domains", "networks"),
    [
        ("off", [], ["192.0.2.0/24"]),
        ("all", ["finch.example", "crow.example"], ["192.0.2.0/24", "198.51.100.0/24"]),
        (("birds",), ["finch.example"], ["192.0.2.0/24"]),
        (("nets",), [], ["192.0.2.0/24", "198.51.100.0/24"]),
    ],
)
def test_feed_adds_to_its_control(feeds, domains, networks):
    all_feeds = [
        build_feed("birds", "domains", "finch.example", "parrot.example"),
        build_feed("more", "domains", "crow.example"),
        build_feed("nets", "networks", "198.51.100.0/24"),
        build_feed("others", "domains", "other.example", of="owl"),
    ]
    made = dataclasses.replace(catalogue(FULL), feeds={feed.id: feed for feed in all_feeds})
    identifiers = {control: get_identifiers(made, control, FULL, feeds) for control in EXPECTED}
    assert identifiers["dns"] == {**EXPECTED["dns"], "domains": [*EXPECTED["dns"]["domains"], *domains]}
    assert identifiers["firewall"] == {"networks": networks, "ports": []}
    assert (identifiers["apps"], identifiers["browser"]) == (EXPECTED["apps"], EXPECTED["browser"])
    assert all(get_identifiers(made, control, FULL, feeds) is identifiers[control] for control in EXPECTED)


def test_package_systems_of_hosts_are_sent():
    assert set(PACKAGE_SYSTEMS) == {item.declared.catalogue_key for item in declared()}
    assert set(PACKAGE_NAMES) - set(PACKAGE_SYSTEMS) == {"winget", "choco", "appx"}
