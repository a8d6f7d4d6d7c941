"""The accounts of users on a Windows host, and the app packages that they have."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.controller.windows import packages
from proscribe.controller.windows.accounts import away, is_account, logged_in
from proscribe.controller.windows.command import APP_PACKAGES, DEVICE_PACKAGES, PROFILES, USERS
from windows_answers import ALICE, BOB, answered, app_package, device_package, package_of_all

ENTRA = "S-1-12-1-1111111111-2222222222-333-4444444444"


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        (ALICE, True),
        (ALICE.lower(), True),
        (ENTRA, True),
        ("S-1-5-21-1", True),
        ("S-1-5-21" + "-1" * 14, True),
        ("S-1-5-21" + "-1" * 15, False),
        ("S-1-5-21-12345678901", False),
        ("S-1-5-21", False),
        ("S-1-5-18", False),
        ("S-1-12-2-1", False),
        (".DEFAULT", False),
        (f"{ALICE}_Classes", False),
        (f"x{ALICE}", False),
    ],
)
def test_which_names_are_those_of_users(name: str, is_one: bool) -> None:
    assert is_account(name) is is_one


NOBODY_KNOWS = ["which users the host has cannot be read there"]


@pytest.mark.parametrize(
    ("host", "here", "said"),
    [
        ({}, [ALICE], []),
        ({"users": (), "profiles": ()}, [], []),
        ({"users": (ALICE, ENTRA), "profiles": (ALICE.lower(), ENTRA)}, [ENTRA, ALICE], []),
        ({"profiles": (ALICE, BOB)}, [ALICE], ["what a user who is not logged in did cannot be read"]),
        ({"users": (), "profiles": (ALICE, BOB)}, [], ["what 2 users who are not logged in did cannot be read"]),
        ({"refused": [PROFILES]}, [ALICE], NOBODY_KNOWS),
        ({"refused": [USERS]}, [], NOBODY_KNOWS),
    ],
)
def test_what_users_did_who_are_not_logged_in_is_not_known(
    host: dict[str, Any], here: list[str], said: list[str]
) -> None:
    answer = answered(**host)
    assert (sorted(logged_in(answer)), away(answer, "did")) == (sorted(here), said)


NAME, OTHER = "Corp.Chat_1.2.0.0_x64__abc", "Corp.Mail_3.0.0.0_neutral__def"
WAITS = package_of_all(NAME, BOB)


def an_app(account: str = ALICE, detail: str = "") -> packages.App:
    return packages.App("Corp.Chat", "Corp.Chat_abc", "1.2.0.0", account, detail)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({}, []),
        (app_package(NAME), [an_app()]),
        (
            app_package(NAME.upper()) | device_package(NAME),
            [an_app()._replace(name="CORP.CHAT", family="CORP.CHAT_ABC")],
        ),
        (app_package(NAME, on_device=False), [an_app()]),  # nothing says that it is gone
        (app_package(NAME, on_device=False) | device_package(OTHER), ["Corp.Mail"]),  # it is gone
        (device_package(NAME), [an_app("", packages.ON_DEVICE)]),
        (WAITS, [an_app(BOB, packages.WAITING)]),
        (WAITS | device_package(NAME), [an_app(BOB, packages.WAITING)]),
        (WAITS | app_package(NAME), [an_app(), an_app(BOB, packages.WAITING)]),
        (package_of_all(NAME, ALICE) | app_package(NAME), [an_app()]),  # once for everybody who has it
        (package_of_all(NAME), [an_app("", packages.PROVISIONED)]),
        (package_of_all(NAME) | device_package(NAME), [an_app("", packages.PROVISIONED)]),
        (package_of_all(NAME, "Config"), []),  # no account
        (app_package("Corp.Chat_1.2.0.0"), []),  # no full name
        (app_package("Corp.Chat_1.2.0.0_x64__abc_d"), []),
    ],
)
def test_which_app_packages_a_host_has(values: Any, found: list[Any]) -> None:
    seen = packages.find(answered(values), [ALICE])
    names = [one for one in found if isinstance(one, str)]
    assert ([one.name for one in seen.apps] if names else seen.apps) == found
    assert (seen.unseen, seen.complete) == ("", any(key.startswith(DEVICE_PACKAGES) for key in values))


@pytest.mark.parametrize(
    ("values", "unseen"), [({}, packages.NO_APPS), (device_package(OTHER), "")], ids=["nothing", "the device's list"]
)
def test_a_users_app_packages_that_cannot_be_read_are_said_where_the_device_does_not_list_them(
    values: Any, unseen: str
) -> None:
    answer = answered(values, users=(ALICE, BOB), refused=[f"{USERS}\\{BOB}\\{APP_PACKAGES}"])
    assert packages.find(answer, [ALICE, BOB]).unseen == unseen
    assert packages.find(answer, [ALICE]).unseen == ""


def test_a_finding_names_the_package_its_user_and_what_is_known_of_it() -> None:
    assert packages.of(NAME) == packages.App("Corp.Chat", "Corp.Chat_abc", "1.2.0.0", account="", detail="")
    of_alice, of_all = an_app(detail="it waits").finding("by name"), an_app("")._replace(name="a\nb").finding()
    assert of_alice._asdict() == {
        "kind": "package",
        "id": "Corp.Chat",
        "manager": "windows",
        "version": "1.2.0.0",
        "scope": f"user:{ALICE}",
        "path": "",
        "detail": "it waits, by name",
    }
    assert (of_all.id, of_all.scope, of_all.detail) == ("a\\x0ab", "system", "")
