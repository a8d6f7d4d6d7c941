"""The accounts of users on a Windows host, and the app packages that they have."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.controller.windows.accounts import away, logged_in
from proscribe.controller.windows.command import PROFILES, USERS
from windows_answers import ALICE, BOB, answered

ENTRA = "S-1-12-1-1111111111-2222222222-333-4444444444"


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
