"""All that a Windows host has of programs, and why that may not be all."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.controller.windows import installed as module
from proscribe.controller.windows.command import APP_PATHS, SHELL, STARTED, STARTED_LATELY, UNINSTALL, UNINSTALL_32
from proscribe.controller.windows.installed import Installed, find
from proscribe.model.finding import Finding
from windows_answers import ALICE, BOB, Registered, answered, app_path, device_package, installed, started_lately

USER = f"HKU\\{ALICE}"
VALUES = {
    "DisplayName": "Owl", "Publisher": "Owls", "DisplayVersion": "1.2", "InstallLocation": "C:\\Owl",
    "DisplayIcon": "C:\\Owl\\owl.exe,0", "UninstallString": "C:\\Owl\\u.exe", "Other": "x",
}  # fmt: skip
NOTES = [
    ("LangID", "REG_BINARY", "0904"),
    ("C:\\A\\Owl.exe.FriendlyAppName", "REG_SZ", "Owl"),
    ("c:\\a\\owl.EXE.ApplicationCompany", "REG_SZ", "Owls"),
    ("C:\\A\\owl.txt.FriendlyAppName", "REG_SZ", "no program"),
    ("\\Device\\HarddiskVolume3\\B\\b.exe", "REG_SZ", "older Windows notes the path alone"),
]


def test_what_is_installed_and_what_was_started_is_read_whole() -> None:
    values: Registered = {
        **installed("{1}", **VALUES),
        **installed("{2}", USER, DisplayName="Mine"),
        f"HKLM\\{UNINSTALL_32}\\{{3}}": [("DisplayVersion", "REG_DWORD", "0x3")],
        **app_path("a.exe", path='"C:\\A\\a.EXE" '),
        **app_path("b.exe", USER, path="C:\\B"),
        f"HKLM\\{APP_PATHS}\\c.exe": [],
        f"{USER}\\{STARTED}": NOTES,
        **started_lately("\\Device\\HarddiskVolume12\\A\\owl.exe"),
        **started_lately("D:\\x\\y.exe", BOB),
        **started_lately("D:\\system.exe", "S-1-5-18"),
    }
    seen = find(answered(values))
    assert seen.programs == [
        Installed("{1}", "Owl", "Owls", "1.2", "C:\\Owl", "C:\\Owl\\owl.exe,0", "C:\\Owl\\u.exe"),
        Installed("{2}", "Mine", account=ALICE),
        Installed("{3}", version="3"),
    ]
    assert seen.paths == [
        Installed("a.exe", program="C:\\A\\a.EXE"),
        Installed("c.exe", program="c.exe"),
        Installed("b.exe", account=ALICE, program="b.exe"),
    ]
    assert seen.started == [
        Installed("Owl.exe", "Owl", "Owls", account=ALICE, program="C:\\A\\Owl.exe"),
        Installed("b.exe", NOTES[-1][2], account=ALICE, program=NOTES[-1][0]),
        Installed("y.exe", account=BOB, program="D:\\x\\y.exe"),
    ]
    assert (seen.packages.apps, seen.unseen) == ([], [])


def test_what_apps_of_the_store_have_run_is_in_the_devices_list() -> None:
    paths = ["C:\\Program Files\\WindowsApps\\x\\y.exe", "Owls.Owl_abc", "C:\\Program Files\\y.exe"]
    notes: Registered = {f"{STARTED_LATELY}\\{ALICE}": [(path, "REG_BINARY", "00") for path in paths]}
    assert [one.program for one in find(answered(notes)).started] == paths
    assert [one.program for one in find(answered(notes | device_package("a_1_x_y_z"))).started] == paths[2:]


@pytest.mark.parametrize(
    ("named", "unseen"),
    [
        ({"architecture": ["PROCESSOR_ARCHITEW6432=AMD64"]}, [module.NARROW]),
        ({"refused": [f"HKLM\\{UNINSTALL_32}"]}, ["the uninstall keys of the machine cannot be read there"]),
        ({"refused": [f"{USER}\\{UNINSTALL}"]}, []),  # its parent does not have it
        (
            {"refused": ["HKLM\\Software\\Microsoft\\Windows\\CurrentVersion", f"HKLM\\{UNINSTALL}"]},
            [
                "the uninstall keys of the machine cannot be read there",
                "the paths of programs (App Paths) of the machine cannot be read there",
            ],
        ),
        (
            {"refused": [f"{USER}\\Software\\Microsoft\\Windows\\CurrentVersion"]},
            [
                "the uninstall keys of a user who is logged in cannot be read there",
                "the paths of programs (App Paths) of a user who is logged in cannot be read there",
            ],
        ),
        ({"refused": [f"{USER}\\{STARTED}"]}, [module.NO_TRACES]),
        ({"refused": [f"{USER}\\{STARTED}", f"{USER}\\{SHELL}"]}, []),  # who never had a desktop
        ({"refused": [f"{USER}\\{STARTED}", f"{USER}\\{SHELL}", f"{USER}\\Software"]}, [module.NO_TRACES]),
        ({"profiles": (ALICE, BOB)}, ["what a user who is not logged in installed for themselves cannot be read"]),
    ],
)
def test_why_there_may_be_more_is_said(named: dict[str, Any], unseen: list[str]) -> None:
    assert find(answered(**named)).unseen == unseen


def test_a_finding_names_a_program_by_what_is_known_of_it() -> None:
    one = Installed("{1}", "Owl\n", version="1.2", location="C:\\Owl", program="C:\\x")
    assert one.finding("why") == Finding("package", "Owl\\x0a", "windows", "1.2", "system", "C:\\Owl", "why")
    key = Installed("{1}", account=ALICE, program="C:\\x").finding("", "file")
    assert key == Finding("file", "{1}", "windows", "", f"user:{ALICE}", "C:\\x", "")
