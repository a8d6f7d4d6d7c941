"""What each control searches for, or closes, of a service that has everything: all of it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from made import catalogue, service
from proscribe.controller.compile.catalogue.feeds import Feed
from proscribe.controller.compile.plans.identifiers import IDENTIFIERS, identifiers_of, programs_of, without_web

DUCK = "CN=24803D75-212C-471A-BC57-9EF86AB91435"
FULL = service(
    "parrot",
    names=("鹦鹉",),
    domains=("parrot.example", "cdn.example"),
    urls=("web.example/parrot", "web.parrot.example", "old.example"),
    mail_hosts=("imap.parrot.example", "shared.example"),
    shared_domains=("shared.example",),
    allow_domains=("work.parrot.example",),
    networks=("192.0.2.0/25", "192.0.2.128/25"),
    packages={
        "apt": ("parrot",),
        "snap": ("parrot",),
        "rpm": (),
        "choco": ("parrot",),
        "winget": ("Parrot.Parrot",),
        "appx": ("Parrot_cv1g1gvanyjgm", "Other_8wekyb3d8bbwe"),
    },
    processes=("parrot",),
    paths=("/opt/parrot/parrot",),
    desktop_files=("parrot.desktop",),
    markers={"go": ("parrot.example/x",)},
    windows_programs=("Parrot/parrot.exe",),
    windows_processes=("parrot.exe",),
    windows_registered={"keys": ("Parrot",)},
    windows_publishers={"programs": ("O=PARROT",), "appx": (DUCK,)},
    windows_installers=("ParrotSetup*.exe",),
    bundle_ids=("com.example.Parrot",),
    mac_apps=("Parrot.app",),
    signing_ids=("EXAMPLE123:com.example.Parrot",),
    team_ids=("EXAMPLE123",),
    browser_extensions={"chrome": ("a" * 32,)},
    nxdomain_canaries=("canary.example",),
)
PROGRAMS = {
    "packages": {"apt": ["parrot"], "snap": ["parrot"]},
    "processes": ["parrot"],
    "paths": ["/opt/parrot/parrot"],
    "desktop_files": ["parrot.desktop"],
    "markers": {"go": ["parrot.example/x"]},
    "windows": ["Parrot/parrot.exe"],
    "windows_processes": ["parrot.exe"],
    "windows_registered": {"keys": ["Parrot"]},
    "windows_packages": {"appx": ["Parrot_cv1g1gvanyjgm", "Other_8wekyb3d8bbwe"], "winget": ["Parrot.Parrot"]},
    "windows_publishers": {"programs": ["O=PARROT"], "appx": [f"{DUCK}\\Parrot"]},
    "windows_installers": ["ParrotSetup*.exe"],
    "bundle_ids": ["com.example.Parrot"],
    "mac_apps": ["Parrot.app"],
    "signing_ids": ["EXAMPLE123:com.example.Parrot"],
    "team_ids": ["EXAMPLE123"],
    "names": ["鹦鹉"],
}
WEB = {
    "web_hosts": ["parrot.example", "cdn.example", "web.example/parrot", "old.example"],
    "web_allow": ["work.parrot.example"],
}
ALLOW = ["work.parrot.example"]
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
def test_what_a_control_has_of_a_service(control: str) -> None:
    assert IDENTIFIERS[control](FULL) == EXPECTED[control]
    assert IDENTIFIERS[control](service("blank", names=("鹦鹉",), allow_domains=("a.example",))) == {}


def test_what_is_known_of_programs_alone() -> None:
    assert programs_of(FULL) == without_web(IDENTIFIERS["apps"](FULL)) == PROGRAMS
    found = {"packages": {}, "processes": [], "paths": [], "windows": ["Parrot/parrot.exe"]}
    assert programs_of(service("one", windows_programs=("Parrot/parrot.exe",))) == found
    assert programs_of(service("pages", names=("鹦鹉",), domains=("a.example",))) == {}


def feed(id_: str, kind: str, *values: str, of: str = "parrot") -> Feed:
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
def test_the_values_of_feeds_are_of_names_or_of_networks(
    feeds: str | tuple[str, ...], domains: list[str], networks: list[str]
) -> None:
    made = dataclasses.replace(
        catalogue(FULL),
        feeds={
            "birds": feed("birds", "domains", "finch.example", "parrot.example"),
            "more": feed("more", "domains", "crow.example"),
            "nets": feed("nets", "networks", "198.51.100.0/24"),
            "others": feed("others", "domains", "other.example", of="owl"),
        },
    )
    found = {control: identifiers_of(made, control, FULL, feeds) for control in EXPECTED}
    assert found["dns"] == {**EXPECTED["dns"], "domains": [*EXPECTED["dns"]["domains"], *domains]}
    assert found["firewall"] == {"networks": networks, "ports": []}
    assert (found["apps"], found["browser"]) == (EXPECTED["apps"], EXPECTED["browser"])
    assert all(identifiers_of(made, control, FULL, feeds) is found[control] for control in EXPECTED)
