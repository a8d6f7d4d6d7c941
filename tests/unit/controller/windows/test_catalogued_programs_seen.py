"""Where a Windows host shows its programs beside uninstall keys: lists of app packages, paths of programs, and notes of
what users have started. What is there is noncompliant. What may be there is unknown and named, and never compliant.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.compile.catalogue.loading import Catalogue
from proscribe.controller.compile.plans.identifiers import IDENTIFIERS
from proscribe.controller.windows import installed as module
from proscribe.controller.windows import observing
from proscribe.controller.windows.answer import read
from proscribe.controller.windows.catalogued import Catalogued
from proscribe.controller.windows.command import ALL_USERS_PACKAGES, APP_PACKAGES, DEVICE_PACKAGES, SHELL, STARTED
from proscribe.controller.windows.packages import WAITING, of
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, UNKNOWN
from proscribe.wire.replies import results
from windows_answers import (
    ALICE,
    BOB,
    MARK,
    TELEGRAM,
    WECHAT,
    Registered,
    Values,
    answered,
    app_package,
    app_path,
    device_package,
    installed,
    package_of_all,
    plan,
    printed,
    started,
    started_lately,
)

UWP = "TencentWeChatLimited.WeChatUWP_{}_x64__sdtnhv12zgd7a"
NEW, OLD = UWP.format("2.0.0.0"), UWP.format("1.0.0.0")
BUNDLE = NEW.replace("x64_", "neutral_~")
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


@pytest.mark.parametrize(
    ("values", "version", "scope", "detail"),
    [
        (app_package(NEW), "2.0.0.0", f"user:{ALICE}", None),
        (app_package(NEW, on_device=False), "2.0.0.0", f"user:{ALICE}", None),
        (together(app_package(OLD, on_device=False), app_package(NEW)), "2.0.0.0", f"user:{ALICE}", None),
        (device_package(NEW), "2.0.0.0", "system", "it is on the device; which user has it is not known"),
        (package_of_all(BUNDLE), "2.0.0.0", "system", "each new user gets it"),
        (package_of_all(NEW, BOB), "2.0.0.0", f"user:{BOB}", WAITING),
        (together(device_package(NEW), package_of_all(NEW, BOB)), "2.0.0.0", f"user:{BOB}", WAITING),
    ],
)
def test_an_app_of_the_store_is_found_for_everybody_who_has_it(
    values: Values, version: str, scope: str, detail: str | None
) -> None:
    found = rule(values)
    [finding] = found["findings"]
    assert (found["state"], finding["id"]) == (NONCOMPLIANT, "TencentWeChatLimited.WeChatUWP")
    assert (finding["version"], finding["scope"], finding["detail"]) == (version, scope, detail)


@pytest.mark.parametrize(
    "values",
    [
        together(app_package(NEW, on_device=False), device_package(OTHER)),  # the user's list keeps what is gone
        together(package_of_all(NEW, BOB), device_package(OTHER)),
        package_of_all(NEW, "Deleted"),
        package_of_all("TencentWeChatLimited.WeChatUWP_sdtnhv12zgd7a", "Deprovisioned"),
        package_of_all(NEW, f"EndOfLife\\{ALICE}"),
        device_package("TencentWeChatLimited.WeChatUWP_2.0.0.0_x64__8wekyb3d8bbwe"),  # of another publisher
        started(f"C:\\Program Files\\WindowsApps\\{NEW}\\WeChat.exe") | device_package(OTHER),
    ],
)
def test_an_app_that_is_gone_or_never_was_is_none(values: Values) -> None:
    assert rule(values)["state"] == COMPLIANT


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


INBOX = [
    "Clipchamp.Clipchamp",
    "Microsoft.BingNews",
    "Microsoft.BingWeather",
    "Microsoft.DesktopAppInstaller",
    "Microsoft.GamingApp",
    "Microsoft.GetHelp",
    "Microsoft.Getstarted",
    "Microsoft.HEIFImageExtension",
    "Microsoft.Messaging",
    "Microsoft.MicrosoftEdge.Stable",
    "Microsoft.MicrosoftOfficeHub",
    "Microsoft.MicrosoftSolitaireCollection",
    "Microsoft.MicrosoftStickyNotes",
    "Microsoft.Paint",
    "Microsoft.Office.OneNote",
    "Microsoft.OneConnect",
    "Microsoft.OneDriveSync",
    "Microsoft.People",
    "Microsoft.PowerAutomateDesktop",
    "Microsoft.ScreenSketch",
    "Microsoft.SecHealthUI",
    "Microsoft.StorePurchaseApp",
    "Microsoft.Todos",
    "Microsoft.WebMediaExtensions",
    "Microsoft.Windows.Photos",
    "Microsoft.WindowsAlarms",
    "Microsoft.WindowsCalculator",
    "Microsoft.WindowsCamera",
    "Microsoft.YourPhone",
    "microsoft.windowscommunicationsapps",
    "Microsoft.WindowsFeedbackHub",
    "Microsoft.WindowsMaps",
    "Microsoft.WindowsNotepad",
    "Microsoft.WindowsSoundRecorder",
    "Microsoft.WindowsStore",
    "Microsoft.WindowsTerminal",
    "Microsoft.XboxGamingOverlay",
    "Microsoft.ZuneMusic",
    "MicrosoftCorporationII.QuickAssist",
    "MicrosoftWindows.Client.WebExperience",
    "MSTeams",
    "MicrosoftWindows.CrossDevice",
    "RealtekSemiconductorCorp.RealtekAudioControl",
    "NVIDIACorp.NVIDIAControlPanel",
    "DellInc.DellSupportAssistforPCs",
    "E046963F.LenovoCompanion",
    "SpotifyAB.SpotifyMusic",
    "Canonical.Ubuntu",
]


def test_no_app_of_windows_itself_is_called_as_a_service(own_catalogue: Catalogue) -> None:
    services = {id_: {**IDENTIFIERS["apps"](one), "name": one.name} for id_, one in own_catalogue.services.items()}
    catalogued = Catalogued(cast("Any", services))
    for name in INBOX:
        app = of(f"{name}_1.0.0.0_x64__8wekyb3d8bbwe")
        assert app and [*catalogued.services_of_app(app), *catalogued.services_called_as(app)] == [], name


PORTABLE = f"{FOLDER}\\WeChat.exe"


@pytest.mark.parametrize(
    ("values", "id_", "path", "detail"),
    [
        (app_path("WeChat.exe", path=PORTABLE), "WeChat.exe", PORTABLE, "known by its image's name alone"),
        (app_path("wechat.EXE", f"HKU\\{ALICE}"), "wechat.EXE", "wechat.EXE", "known by its image's name alone"),
        (app_path("x.exe", path="D:\\Tencent\\WeChat\\WeChat.exe"), "x.exe", "D:\\Tencent\\WeChat\\WeChat.exe", None),
    ],
)
def test_a_program_with_a_path_of_its_own_is_found(values: Values, id_: str, path: str, detail: str | None) -> None:
    found = rule(values)
    [finding] = found["findings"]
    assert found["state"] == NONCOMPLIANT
    assert (finding["id"], finding["path"], finding["detail"]) == (id_, path, detail)


RENAMED = f"{FOLDER}\\notes.exe"


@pytest.mark.parametrize(
    ("values", "id_", "path", "detail"),
    [
        (started(PORTABLE), "WeChat.exe", PORTABLE, "a user has started it, known by its image's name alone"),
        (started(RENAMED, "微信"), "微信", RENAMED, "a user has started it, known by its names alone"),
        (
            started(RENAMED, "WeChat", "Tencent Technology Co., Ltd."),
            *("WeChat", RENAMED, "a user has started it, known by its names alone"),
        ),
        (
            started("E:\\Apps\\Tencent\\WeChat\\WeChat.exe", "WeChat"),
            *("WeChat", "E:\\Apps\\Tencent\\WeChat\\WeChat.exe", "a user has started it"),
        ),
        (
            started_lately("\\Device\\HarddiskVolume3\\Users\\bob\\WeChat.exe", BOB),
            "WeChat.exe",
            "\\Device\\HarddiskVolume3\\Users\\bob\\WeChat.exe",
            "a user has started it, known by its image's name alone",
        ),
        (
            started_lately("TencentWeChatLimited.WeChatUWP_sdtnhv12zgd7a"),
            *["TencentWeChatLimited.WeChatUWP_sdtnhv12zgd7a"] * 2,
            "a user has started it",
        ),
    ],
)
def test_what_a_user_has_started_may_still_be_there(values: Values, id_: str, path: str, detail: str) -> None:
    found = rule(values)
    [finding] = found["findings"]
    assert found["state"] == UNKNOWN
    assert found["reason"] == "whether a program that a user has started is still there is not known"
    assert (finding["kind"], finding["id"], finding["path"], finding["detail"]) == ("file", id_, path, detail)
    running = rule(values, tasks=[("WeChat.exe", 7)])
    assert (running["state"], [one["kind"] for one in running["findings"]]) == (NONCOMPLIANT, ["process", "file"])


def test_one_program_that_both_notes_have_is_named_once() -> None:
    lately = started_lately(PORTABLE.replace("C:", "\\Device\\HarddiskVolume3"))
    assert len(rule(started(PORTABLE) | lately)["findings"]) == 1


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


def test_a_waiver_covers_what_may_be_there_too() -> None:
    found = rule(started(PORTABLE), entry={"mode": "waived", "waiver": "W-1"})
    assert (found["state"], found["waiver"]) == ("waived", "W-1")
    assert rule(started(PORTABLE), entry={"mode": "report"})["state"] == "not_applicable"


@pytest.mark.parametrize(
    "values",
    [
        started(f"{FOLDER}\\WeChatNotes.exe", "WeChat notes", "Somebody"),
        started(f"{FOLDER}\\notes.exe", "WeChat", "Somebody else"),
        started(f"{FOLDER}\\WeChat.txt"),
        started_lately(f"{FOLDER}\\WeChat.exe.lnk"),
        {f"HKU\\{ALICE}\\{STARTED}": [("@shell32.dll,-8506", "REG_SZ", "WeChat.exe")]},
        {f"HKU\\{ALICE}\\{STARTED}": [(".FriendlyAppName", "REG_SZ", "WeChat"), ("", "REG_SZ", "WeChat.exe")]},
        started_lately(PORTABLE, "S-1-5-18"),
    ],
)
def test_other_notes_are_none(values: Values) -> None:
    assert rule(values)["state"] == COMPLIANT


def test_a_user_who_never_had_a_desktop_has_started_nothing() -> None:
    """Such as the audit's own account: his part of the registry is loaded, and has none of these keys."""
    none = [f"HKU\\{ALICE}\\{key}" for key in (SHELL, STARTED)]
    assert rule({}, refused=none)["state"] == COMPLIANT
    for closed in (f"HKU\\{ALICE}\\Software", "HKU"):
        assert rule({}, refused=[*none, closed])["state"] == UNKNOWN


def test_more_notes_than_are_compared_hide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_STARTED", 20)
    many = together(*(started(f"{FOLDER}\\{number}.exe") for number in range(30)), started(PORTABLE))
    found = rule(many)
    assert (found["state"], found["reason"]) == (
        UNKNOWN,
        "a user has more notes of started programs than are compared",
    )


@pytest.mark.slow
def test_a_user_who_fills_his_notes_costs_the_controller_little() -> None:
    text = printed(together(*(started(f"{FOLDER}\\{n}\\WeChat.exe", "微信" * 90, "x" * 200) for n in range(9000))))
    began = time.process_time()
    made = observing.observe(plan(), read(text.encode(), MARK), ["apps"], time.monotonic())
    assert time.process_time() - began < 5
    found = {one["rule"]: one for one in made["rules"]}["apps/wechat"]
    assert found["state"] == UNKNOWN and "more findings" in found["findings"][-1]["id"]


_PATH = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=("Cs",)), max_size=60)


@given(st.lists(st.tuples(_PATH, _PATH, _PATH), max_size=6))
def test_no_note_of_a_user_does_anything_but_be_read(notes: list[tuple[str, str, str]]) -> None:
    values = together(*(started(*note) for note in notes), *(started_lately(path) for path, _, _ in notes))
    for one in rule(values)["findings"]:
        assert all(text is None or text.isprintable() for text in one.values())
