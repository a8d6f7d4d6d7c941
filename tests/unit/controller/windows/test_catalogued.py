"""What a plan's services are called on Windows, and which of them something on a host is."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.controller.windows.catalogued import BY_IMAGE, BY_NAMES, Catalogued, folder_of, names_of
from proscribe.controller.windows.installed import Installed
from proscribe.controller.windows.packages import App

NAMES = ["Parrot by Parrots", "Beak by the Owls by Co", "Macaw Messenger by Parrots"]
PARROT: dict[str, Any] = {
    "name": "Parrot Chat",
    "names": ["Parrot Talk", "鹦鹉"],
    "windows": ["Parrots/Chat/Parrot.exe"],
    "windows_processes": ["Parrot.exe", "Parrot Helper.exe"],
    "windows_packages": {"winget": ["Parrots.Chat"]},
    "windows_registered": {"keys": ["Parrot_is1"], "names": NAMES},
}
OWL: dict[str, Any] = {
    "name": "Owl",
    "windows_packages": {"appx": ["Owls.Owl_abc", "Owls.Other"]},
    "windows_registered": {"names": ["Owl by Parrots"]},
}
CATALOGUED = Catalogued({"parrot": PARROT, "owl": OWL})  # type: ignore[dict-item]


def services(**named: str) -> dict[str, str]:
    return CATALOGUED.services_of(Installed(named.pop("key", "{1}"), **named))


@pytest.mark.parametrize(
    ("one", "service"),
    [
        ({"icon": "C:\\Parrots\\Chat\\parrot.EXE,0"}, "parrot"),
        ({"uninstall": '"C:\\Program Files\\Parrots\\Chat\\Parrot.exe" /S'}, "parrot"),
        ({"program": "\\Device\\HarddiskVolume3\\Parrots\\Chat\\Parrot.exe"}, "parrot"),
        ({"location": '"D:\\Parrots\\Chat\\"'}, "parrot"),
        ({"key": "PARROT_IS1"}, "parrot"),
        ({"key": "Parrots.Chat_Microsoft.Winget.Source_8wekyb3d8bbwe"}, "parrot"),
        ({"program": "owls.owl_abc!App"}, "owl"),
        ({"program": "Owls.Other"}, "owl"),
        ({"icon": "C:\\Parrots\\Chat\\Other.exe"}, ""),
        ({"icon": "C:\\OtherParrots\\Chat\\Parrot.exe"}, ""),
        ({"location": "D:\\Parrots"}, ""),
        ({"location": "D:\\OtherParrots\\Chat"}, ""),
        ({"key": "Parrots.Chat"}, ""),
        ({"program": "C:\\Owls.Other"}, ""),
    ],
)
def test_paths_keys_and_packages_are_certain(one: dict[str, str], service: str) -> None:
    assert services(**one) == ({service: ""} if service else {})


@pytest.mark.parametrize(
    ("one", "found"),
    [
        ({"name": "鹦鹉 3.1 (x64) en-US"}, {"parrot": BY_NAMES}),
        ({"name": "Parrot Talk"}, {}),  # which anybody may call a program
        ({"name": "P_A_R_R_O_T v2.0", "publisher": "parrots"}, {"parrot": BY_NAMES}),
        ({"name": "Parrot", "publisher": "Par Rots, Ltd"}, {"parrot": BY_NAMES}),
        ({"name": "Beak", "publisher": "Co"}, {}),
        ({"name": "Beak by the Owls", "publisher": "Co"}, {"parrot": BY_NAMES}),
        ({"name": "Beak by the Owls", "publisher": "AB"}, {}),
        ({"name": "Owl", "publisher": "Parrots"}, {"owl": BY_NAMES}),
        ({"name": "Parrot", "publisher": "Parrots Wireless"}, {}),
        ({"name": "Parrot", "publisher": ""}, {}),
        ({"name": f"Parrot{' ' * 194}s", "publisher": f"Parrots{' ' * 193}s"}, {"parrot": BY_NAMES}),
        ({"program": "C:\\Downloads\\parrot.exe"}, {"parrot": BY_IMAGE}),
        ({"program": "parrot helper.exe"}, {"parrot": BY_IMAGE}),
        ({"program": "C:\\parrot.exe", "name": "鹦鹉"}, {"parrot": BY_NAMES}),
        ({"program": "C:\\parrot.exe", "name": "鹦鹉", "key": "Parrot_is1"}, {"parrot": ""}),
    ],
)
def test_names_alone_may_be_those_of_something_else(one: dict[str, str], found: dict[str, str]) -> None:
    assert services(**one) == found


@pytest.mark.parametrize(
    "kind",
    [
        *("AB", "AG", "BV", "Co", "Corp", "Corporation", "GmbH", "Inc"),
        *("Limited", "LLC", "Ltd", "Pte", "SA", "Srl", "UG"),
    ],
)
def test_what_kind_of_company_a_publisher_is_makes_no_difference(kind: str) -> None:
    for publisher in (f"Parrots {kind}", f"Parrots, {kind}.", f"Parrots {kind} Co., Ltd."):
        assert services(name="Parrot", publisher=publisher) == {"parrot": BY_NAMES}


def test_a_name_is_compared_without_a_few_things_behind_it() -> None:
    names = list(names_of(Installed("{1}", " Parrot 1.2 64-bit (machine) user de-de ")))
    assert names == [
        "Parrot 1.2 64-bit (machine) user de-de",
        "Parrot 1.2 64-bit (machine) user",
        "Parrot 1.2 64-bit (machine)",
        "Parrot 1.2 64-bit",
    ]


@pytest.mark.parametrize(
    ("name", "own", "called"),
    [
        ("Owls.Owl", ["owl"], []),
        ("OWLS.OTHER", ["owl"], []),
        ("Somebody.ParrotChat", [], ["parrot"]),
        ("Somebody.Parrot", [], ["parrot"]),
        ("parrot_helper", [], ["parrot"]),
        ("Somebody.ParrotDesktopApp", [], ["parrot"]),
        ("Somebody.beak-by-the-owls", [], ["parrot"]),
        ("Somebody.MacawMessenger", [], ["parrot"]),
        ("Somebody.Macaw", [], []),
        ("Parrot.Somebody", [], []),
        (f"Parrot{'-' * 194}s", [], ["parrot"]),
        (f"Parrot{'-' * 193}s", [], []),
    ],
)
def test_an_app_is_that_of_a_service_or_only_called_so(name: str, own: list[str], called: list[str]) -> None:
    app = App(name, f"{name}_abc", "1.0")
    assert (list(CATALOGUED.services_of_app(app)), list(CATALOGUED.services_called_as(app))) == (own, called)


@pytest.mark.parametrize(
    ("location", "icon", "folder"),
    [
        ('"C:\\Parrots\\"', "", "\\parrots\\"),
        ("\\Device\\HarddiskVolume12\\Parrots", "C:\\x\\y.exe", "\\parrots\\"),
        ("", '"D:\\Parrots\\Parrot.EXE",0', "\\parrots\\"),
        ("", "D:\\Parrots\\parrot.ico", ""),
        ("", "parrot.exe", ""),
        ("D:\\", "", ""),
    ],
)
def test_a_program_lies_in_a_folder_or_it_is_not_said(location: str, icon: str, folder: str) -> None:
    assert folder_of(Installed("{1}", location=location, icon=icon)) == folder
