"""The rules of AppLocker that follow from a service, one by one, and the collections that have some."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.host.controls.group_policy.applocker import APPX, EXE, MSI, Rule, mode_of, of_service, rules


def path(collection: str, name: str) -> Rule:
    return Rule(collection, "chat", path=f"*\\{name}")


def signed(*names: str) -> list[Rule]:
    publisher, product, binary = (*names, "*", "*")[:3]
    return [Rule(collection, "chat", "", publisher, product, binary) for collection in (EXE, MSI)]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({}, []),
        (
            {"windows_publishers": {"programs": ["O=B\\PROD\\X.EXE", "O=A", "O=B\\PROD"]}},
            [*signed("O=A"), *signed("O=B", "PROD"), *signed("O=B", "PROD", "X.EXE")],
        ),
        ({"windows_publishers": {"appx": ["CN=Z\\Y, O=Q\\App"]}}, [Rule(APPX, "chat", "", "CN=Z\\Y, O=Q", "App")]),
        (  # what a process is called is denied wherever it lies
            {
                "windows_processes": ["Chat.exe"],
                "windows": ["dir/sub/chat.EXE", "other/tool.exe", "alone.exe"],
                "windows_installers": ["setup.MSI", "setup.exe"],
            },
            [
                *(path(EXE, "Chat.exe"), path(EXE, "alone.exe"), path(EXE, "other\\tool.exe")),
                *(path(MSI, "setup.MSI"), path(EXE, "setup.exe")),
            ],
        ),
    ],
)
def test_what_denies_a_service(entry: dict[str, Any], expected: list[Rule]) -> None:
    assert list(of_service("chat", {"mode": "enforce", **entry})) == expected


def test_each_collection_begins_with_what_allows_all_else_and_has_each_rule_once() -> None:
    services = {
        "two": {"mode": "audit", "windows_processes": ["b.exe", "a.exe"]},
        "one": {"mode": "enforce", "windows_processes": ["a.exe"], "windows_installers": ["a.msi"]},
        "open": {"mode": "waived", "windows_processes": ["c.exe"]},
    }
    section = {"mode": "enforce", "services": services, "settings": {}}
    all_else = {EXE: Rule(EXE, "", path="*"), MSI: Rule(MSI, "", path="*"), APPX: Rule(APPX, "", publisher="*")}
    made = [("one", "a.exe"), ("two", "a.exe"), ("two", "b.exe")]
    assert rules(section) == {
        EXE: [all_else[EXE], *(Rule(EXE, of, path=f"*\\{name}") for of, name in made)],
        MSI: [all_else[MSI], Rule(MSI, "one", path="*\\a.msi")],
        APPX: [all_else[APPX]],  # where a program is denied, Windows denies packaged apps unless they are allowed
    }
    assert rules({**section, "services": {"one": {"mode": "enforce", "windows_installers": ["a.msi"]}}}).keys() == {MSI}
    assert [mode_of({"settings": said}) for said in ({}, {"applocker": "enforce"})] == ["audit", "enforce"]
