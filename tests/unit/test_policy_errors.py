"""What a message about a mistake says beside the mistake: what was probably meant."""

from __future__ import annotations

import pytest
from proscribe.controller.policy_errors import unknown_variables

KNOWN = ["custody_path", "custody_service"]


@pytest.mark.parametrize(
    ("given", "typed", "mistakes"),
    [
        ("custody_path", True, []),
        ("custody_pth", True, ["custody_path; the variables are custody_path, custody_service"]),
        ("custody_pth", False, ["custody_path"]),
        ("custody_zebra", True, ["one of custody_path, custody_service"]),
        ("custody_zebra", False, []),  # an inventory may have it for something else
        ("their_own", True, []),
    ],
)
def test_a_variable_that_is_none_of_a_commands_is_a_mistake_with_what_was_meant(
    given: str, typed: bool, mistakes: list[str]
) -> None:
    found = unknown_variables([given], [given] if typed else [], "custody_", KNOWN)
    assert found == [f"{given}: found an unknown variable, expected {expected}" for expected in mistakes]
