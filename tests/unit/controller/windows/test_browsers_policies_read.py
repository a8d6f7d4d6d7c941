"""Policies of browsers as the registry has them, read as JSON would have them."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.controller.windows import browsers
from proscribe.controller.windows.command import POLICIES
from windows_answers import answered

KEY = f"{POLICIES}\\Google\\Chrome"


def test_keys_are_read_down_to_a_depth() -> None:
    """A host could answer with keys without end."""
    deep = [KEY + "\\A" * number for number in range(browsers.DEEPEST + 3)]
    read: Any = browsers.table(answered({key: [("v", "REG_SZ", key)] for key in deep}).registry, KEY, {})
    levels = 0
    while isinstance(read, dict) and "A" in read:
        read, levels = read["A"], levels + 1
    assert levels == browsers.DEEPEST


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ({"Block": ["*://owl.example/*"]}, True),
        ({"Block": ["*://owl.example/*"], "Exceptions": ["*://work.owl.example/*"]}, True),
        ({"Block": ["*://owl.example/*"], "Exceptions": []}, False),
        ({"Block": [], "Exceptions": ["*://work.owl.example/*"]}, False),
        ({"Block": {"name": "*://owl.example/*"}}, False),
        ({"Block": "*://owl.example/*"}, False),
        (["*://owl.example/*"], False),
        ("*://owl.example/*", False),
        (1, False),
        (None, False),
    ],
)
def test_firefox_takes_a_list_of_sites_only_whole(value: Any, taken: bool) -> None:
    assert browsers._is_filter(value) is taken
