"""A package system that hosts know is known to the controller: its names are well formed, described, and sent."""

from __future__ import annotations

import datetime

import pytest
from made import catalogue, service
from proscribe.compile.grammar import PACKAGE_NAMES
from proscribe.compile.plans import PACKAGE_SYSTEMS, compile_plan
from proscribe.compile.restrictions import read_restrictions
from proscribe.controls.apps.systems import SYSTEMS
from proscribe.controls.apps.wanted import Wanted

# A name that each takes, and some that it does not.
NAMES = {
    "apt": ("telegram-desktop", ["Telegram", "a b"]),
    "rpm": ("Telegram", ["-x"]),
    "pacman": ("telegram-desktop", ["-x"]),
    "flatpak": ("org.telegram.desktop", ["telegram", "org.telegram.desktop//stable"]),
    "snap": ("telegram-desktop", ["Telegram"]),
    "pip": ("Telethon", ["-x", "a/b"]),
    "npm": ("@made/telegram", ["@made"]),
    "conda": ("telegram-send", ["conda-forge::x", "X", "-x", "a/b", "a b"]),
    "nix": ("telegram-desktop", ["nixpkgs#x", "-x", "a/b", "../x", "a b"]),
    "guix": ("telegram-desktop", ["telegram@4", "a:out", "-x", "a/b"]),
    "brew": ("rclone", ["homebrew/core/rclone", "-x", "--force"]),
    "brew_cask": ("telegram", ["homebrew/cask/x", "-x"]),
    "android": ("org.telegram.messenger", ["telegram", "org..x", "org.1x", "org.x/y", ".x"]),
}


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.MANAGER)
def test_every_system_of_a_host_is_known_to_the_controller(system) -> None:
    key = system.CATALOGUE_KEY
    good, bad = NAMES[key]
    assert PACKAGE_NAMES[key](good) == "" and all(map(PACKAGE_NAMES[key], bad))
    made = catalogue(service("telegram", packages={key: (good,)}))
    plan = compile_plan(made, read_restrictions({}, str), (), datetime.date(2026, 11, 25))
    wanted = Wanted(plan["controls"]["apps"])
    assert wanted.packages[system.MANAGER] == {good: ["telegram"]}


def test_nothing_else_is_sent() -> None:
    assert set(PACKAGE_SYSTEMS) == set(NAMES)
    assert set(PACKAGE_NAMES) - set(PACKAGE_SYSTEMS) == {"winget", "choco", "appx"}
