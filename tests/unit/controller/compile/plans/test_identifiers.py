"""Identifiers that a plan gives to each control."""

import dataclasses
import datetime
from typing import Any

import pytest
from made import catalogue, service
from proscribe.controller.compile.catalogue.feeds import Feed
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.plans.identifiers import IDENTIFIERS, identifiers_of, programs_of, without_web
from proscribe.controller.compile.restrictions import read_restrictions

AFTER, BEFORE = datetime.date(2026, 1, 1), datetime.date(2024, 1, 1)


@pytest.fixture
def apps(own_catalogue):
    def made(today: datetime.date = AFTER, **chosen: Any) -> dict[str, Any]:
        restrictions = read_restrictions({f"proscribe_{name}": value for name, value in chosen.items()}, str)
        section: dict[str, Any] = compile_plan(own_catalogue, restrictions, [], today)["controls"]["apps"]
        return section

    return made


def test_no_two_services_have_one_name_on_windows(own_catalogue):
    """One program would be evidence of both."""
    services: dict[tuple[str, str], set[str]] = {}
    for entry in own_catalogue.services.values():
        named = {"image": entry.windows_processes, "app": entry.packages.get("appx", ()), **entry.windows_registered}
        for kind, names in named.items():
            for name in names:
                services.setdefault((kind, name.casefold()), set()).add(entry.id)
    assert len(services) > 200 and not {name: ids for name, ids in services.items() if len(ids) > 1}


@pytest.mark.parametrize(
    ("today", "chosen", "mode"),
    [
        (AFTER, {}, "report"),
        (AFTER, {"controls": {"dns": "audit"}}, "audit"),
        (AFTER, {"controls": {"firewall": "off"}}, "audit"),
        (AFTER, {"controls": {"browser": "off"}}, "report"),
        (AFTER, {"controls": {"dns": "off"}, "unmanaged_browsers": "report"}, "report"),
        (AFTER, {"unmanaged_browsers": "audit"}, "audit"),
        (BEFORE, {"controls": {"dns": "off"}}, "report"),
    ],
)
def test_browsers_without_policies(apps, today, chosen, mode):
    browsers = apps(today, **chosen)["settings"]["unmanaged_browsers"]
    assert browsers["mode"] == mode
    assert "dillo" in browsers["packages"]["apt"] and "qutebrowser" in browsers["processes"]
    assert "firefox" in browsers["copies"] and "firefox" not in browsers["processes"]


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
WEB = {"web_hosts": ["parrot.example", "cdn.example", "web.example/parrot", "old.example"], "web_allow": ALLOW}
EXPECTED: dict[str, dict[str, Any]] = {
    "apps": {**PROGRAMS, **WEB},
    "browser": {
        "domains": ["parrot.example", "cdn.example"],
        "urls": ["web.example/parrot", "web.parrot.example", "old.example"],
        "allow": ALLOW,
        "extensions": {"chrome": ["a" * 32]},
    },
    "firewall": {"networks": ["192.0.2.0/24"], "ports": []},
    "dns": {
        "domains": ["parrot.example", "cdn.example", "web.parrot.example", "imap.parrot.example"],
        "allow": ALLOW,
        "canaries": ["canary.example"],
    },
}


@pytest.mark.parametrize("control", EXPECTED)
def test_control_has_its_identifiers_of_a_service(control):
    assert IDENTIFIERS[control](FULL) == EXPECTED[control]
    assert IDENTIFIERS[control](service("blank", names=("鹦鹉",), allow_domains=("a.example",))) == {}


def test_programs_are_identifiers_without_web():
    assert programs_of(FULL) == without_web(IDENTIFIERS["apps"](FULL)) == PROGRAMS
    identifiers = {"packages": {}, "processes": [], "paths": [], "windows": ["Parrot/parrot.exe"]}
    assert programs_of(service("one", windows_programs=("Parrot/parrot.exe",))) == identifiers
    assert programs_of(service("pages", names=("鹦鹉",), domains=("a.example",))) == {}


def build_feed(id_: str, kind: str, *values: str, of: str = "parrot") -> Feed:
    return Feed(id_, of, kind, "2026-01-02", values, f"{id_}.yml")


@pytest.mark.parametrize(
    ("feeds", "domains", "networks"),
    [
        ("off", [], ["192.0.2.0/24"]),
        ((), [], ["192.0.2.0/24"]),
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
    identifiers = {control: identifiers_of(made, control, FULL, feeds) for control in EXPECTED}
    assert identifiers["dns"] == {**EXPECTED["dns"], "domains": [*EXPECTED["dns"]["domains"], *domains]}
    assert identifiers["firewall"] == {"networks": networks, "ports": []}
    assert (identifiers["apps"], identifiers["browser"]) == (EXPECTED["apps"], EXPECTED["browser"])
    assert all(identifiers_of(made, control, FULL, feeds) is identifiers[control] for control in EXPECTED)
