"""Which browsers a Windows host has, of those whose policies are known and of others."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.controller.windows import installed
from proscribe.controller.windows.browsers import Browsers, find_browsers, table
from proscribe.controller.windows.command import POLICIES
from windows_answers import Registered, Values, answered, app_path
from windows_answers import installed as with_key


def found(values: Values, **named: Any) -> Browsers:
    answer = answered(values, **named)
    return find_browsers(answer, installed.find(answer).programs)


def known(values: Values, **named: Any) -> tuple[list[str], list[str]]:
    browsers = found(values, **named)
    return [one.id for one in browsers.known], list(browsers.others)


IMAGES = {
    "brave.exe": "brave", "chrome.exe": "google_chrome", "firefox.exe": "firefox", "msedge.exe": "microsoft_edge",
    "thunderbird.exe": "thunderbird",
}  # fmt: skip


@pytest.mark.parametrize("image", IMAGES)
def test_a_browser_that_policies_reach_is_known_by_its_image(image: str) -> None:
    assert known({}, tasks=[(image.upper(), 4)]) == ([IMAGES[image]], [])


def registered(name: str, *values: tuple[str, str, str]) -> Registered:
    key = f"HKLM\\Software\\Clients\\StartMenuInternet\\{name}"
    return {f"{key}\\shell\\open\\command": list(values)} if values else {key: []}


CHROMIUM = "C:\\Users\\a\\Chromium\\Application\\chrome.exe"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (registered("Owl", ("(Standard)", "REG_SZ", '"C:\\x y\\firefox.exe" -url "%1"')), (["firefox"], [])),
        (registered("Owl", ("(Standard)", "REG_EXPAND_SZ", "C:\\x y\\Firefox.EXE -url")), (["firefox"], [])),
        (
            registered("Owl", ("a", "REG_BINARY", "C:\\brave.exe"), ("b", "REG_SZ", "C:\\firefox.exe")),
            (["firefox"], []),
        ),
        (registered("Owl", ("(Standard)", "REG_SZ", CHROMIUM)), (["chromium"], [])),
        (registered("Owl", ("(Standard)", "REG_SZ", "C:\\owl.exe")), ([], ["Owl"])),
        (registered("Owl", ("(Standard)", "REG_SZ", "owl")), ([], ["Owl"])),
        (registered("Owl"), ([], ["Owl"])),
        (registered("FIREFOX.EXE"), (["firefox"], [])),
        (registered("IEXPLORE.EXE"), ([], [])),
        (registered("Opera", ("(Standard)", "REG_SZ", "C:\\opera.exe")) | app_path("opera.exe"), ([], ["Opera"])),
        (with_key("{1}", UninstallString='"C:\\Brave\\brave.exe" /u'), (["brave"], [])),
        (with_key("{1}", DisplayIcon="C:\\x\\msedge.exe,0"), (["microsoft_edge"], [])),
        (app_path("chrome.exe", path='"C:\\x\\chrome.exe"'), (["google_chrome"], [])),
        (app_path("chrome.exe", path="C:\\x"), (["google_chrome"], [])),
        (registered("x" * 201), ([], ["x" * 200])),
    ],
)
def test_a_browser_is_known_by_what_starts_it(values: Values, expected: Any) -> None:
    assert known(values) == expected


def test_policies_are_read_as_json_has_them_and_spelled_as_the_plan_spells_them() -> None:
    key, deep = f"{POLICIES}\\Google\\Chrome", "[" * 100_000
    texts = {"HOMEPAGE": "x", "Object": '{"a": [1]}', "List": '["a"]', "Broken": "{a", "Deep": deep, "Text": '"a"'}
    values = [(name, "REG_SZ", text) for name, text in texts.items()]
    values += [("Lines", "REG_MULTI_SZ", '["a",\\0"b"]'), ("Number", "REG_DWORD", "0x2"), ("Zero", "REG_SZ", "a\\0b")]
    read = table(answered({key: values}).registry, key, {"HomePage": "y"})
    assert read == {
        "HomePage": "x", "Object": {"a": [1]}, "List": ["a"], "Broken": "{a", "Deep": deep, "Text": '"a"',
        "Lines": ["a", "b"], "Number": 2, "Zero": "a\\0b",
    }  # fmt: skip
