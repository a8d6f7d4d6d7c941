"""Names as they are compared: what a reader cannot distinguish is the same."""

from __future__ import annotations

import pytest
from proscribe.base.folding import folded


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("", ""),
        ("WeChat 4.0", "wechat 4.0"),
        ("ＷｅＣｈａｔ", "wechat"),  # of full width
        ("Straße", "strasse"),
        ("E\u0301lan", "\u00e9lan"),  # of two characters, and of one
        ("\u03d3", "\u03cd"),  # a capital only once it is composed
        ("微信", "微信"),
        ("ﬁle™", "filetm"),
    ],
)
def test_two_names_that_look_the_same_are_the_same(name: str, same: str) -> None:
    assert folded(name) == same == folded(same)
