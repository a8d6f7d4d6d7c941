"""Where a Windows host shows its programs beside uninstall keys: lists of app packages, paths of programs, and notes of
what users have started. What is there is noncompliant. What may be there is unknown and named, and never compliant.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.windows import observing
from proscribe.controller.windows.command import ALL_USERS_PACKAGES, APP_PACKAGES, DEVICE_PACKAGES
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, UNKNOWN
from proscribe.wire.replies import results
from windows_answers import (
    ALICE,
    BOB,
    TELEGRAM,
    WECHAT,
    Registered,
    Values,
    answered,
    app_package,
    app_path,
    device_package,
    installed,
    plan,
    started,
    started_lately,
)

UWP = "TencentWeChatLimited.WeChatUWP_{}_x64__sdtnhv12zgd7a"
NEW, OLD = UWP.format("2.0.0.0"), UWP.format("1.0.0.0")
OTHER = "Microsoft.Paint_11.0.0.0_x64__8wekyb3d8bbwe"
FOLDER = "C:\\Users\\alice\\Downloads"


def together(*parts: Values) -> Registered:
    """Values of several keys, those of one key behind each other."""
    found: Registered = {}
    for part in parts:
        for key, values in part.items():
            found.setdefault(key, []).extend(values)
    return found


def rule(values: Values, service: str = "wechat", entry: Mapping[str, Any] = {}, **named: Any) -> dict[str, Any]:
    """A rule of a host, once its record has passed the reader of answers; that of a compliant one has no findings."""
    services = {"wechat": {**WECHAT, **entry}, "telegram": {**TELEGRAM, **entry}}
    said = answered(values, code_page=["65001"], **named)
    made = observing.observe(plan(services), said, ["apps"], time.monotonic())
    record: dict[str, Any] = dict(results.observation(observing.answered(made, "never"))["record"])
    compliant = {"state": COMPLIANT, "findings": [], "reason": None}
    return next((dict(one) for one in record["rules"] if one["rule"] == f"apps/{service}"), compliant)


def test_the_device_shows_the_apps_of_those_who_are_not_logged_in_and_of_those_whose_list_is_closed() -> None:
    closed = [f"HKU\\{ALICE}\\{APP_PACKAGES}"]
    why = "the app packages of a user who is logged in"
    assert why in rule({}, refused=closed)["reason"]
    assert rule(device_package(OTHER), refused=closed)["state"] == COMPLIANT
    away = rule(device_package(NEW), profiles=(ALICE, BOB))
    assert (away["state"], away["findings"][0]["scope"]) == (NONCOMPLIANT, "system")
    assert rule({}, refused=[*closed, DEVICE_PACKAGES, ALL_USERS_PACKAGES])["state"] == UNKNOWN


NAMED_SO = ["2414FC7A.Viber", "C27EB4BA.ViberOEM", "Example.Viber", "Example.ViberDesktop", "viber"]
VIBER = {
    "name": "Viber",
    "windows_packages": {},
    "windows_registered": {"keys": ["x"]},
    "windows_processes": ["Viber.exe"],
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [*((name, UNKNOWN) for name in NAMED_SO), ("Example.Viberation", COMPLIANT), ("Viber.Example", COMPLIANT)],
)
def test_an_app_that_is_called_as_a_service_without_a_known_app_is_unknown_and_named(name: str, expected: str) -> None:
    found = rule(app_package(f"{name}_1.0.0.0_x64__p61zvh252yqyr"), "telegram", VIBER)
    assert found["state"] == expected
    if expected == UNKNOWN:
        assert found["reason"] == "whether an app package that is called as it is one of its own is not known"
        assert (found["findings"][0]["id"], found["findings"][0]["detail"]) == (
            name,
            "the catalogue has no app package of it",
        )


PORTABLE = f"{FOLDER}\\WeChat.exe"


def test_what_is_installed_was_started_there_and_is_named_once() -> None:
    folder = "C:\\Program Files\\Tencent\\WeChat"
    there = installed("WeChat", DisplayName="WeChat", DisplayVersion="3.9", InstallLocation=folder)
    icon = installed("WeChat", DisplayName="WeChat", DisplayVersion="3.9", DisplayIcon=f"{folder}\\WeChat.exe,0")
    notes = started(f"{folder}\\WeChat.exe") | started_lately("\\Device\\HarddiskVolume3" + folder[2:] + "\\WeChat.exe")
    for registered in (there, icon):
        seen = together(registered, notes, app_path("WeChat.exe", path=f"{folder}\\WeChat.exe"))
        assert len(rule(seen)["findings"]) == 1
        version = {"exceptions": [{"waiver": "W-1", "versions": ["3.9"]}]}
        assert rule(seen, entry=version)["state"] == "waived"
        elsewhere = rule(together(seen, started(PORTABLE)), entry=version)
        assert (elsewhere["state"], elsewhere["findings"][0]["path"]) == (UNKNOWN, PORTABLE)


_PATH = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=("Cs",)), max_size=60)


@given(st.lists(st.tuples(_PATH, _PATH, _PATH), max_size=6))
def test_no_note_of_a_user_does_anything_but_be_read(notes: list[tuple[str, str, str]]) -> None:
    values = together(*(started(*note) for note in notes), *(started_lately(path) for path, _, _ in notes))
    for one in rule(values)["findings"]:
        assert all(text is None or text.isprintable() for text in one.values())
