"""The rules of AppLocker that follow from a service, one by one, and the collections that have some."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.host.controls.group_policy.applocker import APPX, EXE, MSI, Rule, of_service


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
