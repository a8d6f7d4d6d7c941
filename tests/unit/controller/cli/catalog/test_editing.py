"""A file of the catalogue with one list and some dates changed, and all else as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from proscribe.controller.cli.catalog.editing import NotEdited, data_of, edited

NETWORKS = ["198.51.100.0/24", "203.0.113.0/24"]


def listed(text: str) -> str:
    return edited(text, {"networks": NETWORKS, "checked": "2026-02-02"})


def dated(text: str) -> str:
    return edited(text, {"checked": "2026-02-02"})


@pytest.mark.parametrize("edit", [listed, dated])
@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("- a\n- b\n", "it is no mapping", id="no mapping"),
        pytest.param("id: a\n", "it has neither notes nor sources", id="no place for it"),
        pytest.param("{id: a,\nsources: [b]}\n", "by hand", id="another form"),
        pytest.param("notes: |\n  a\nsources: b\n? checked\n: old\n", "by hand", id="a key that stands twice"),
        pytest.param("networks: &a [x]\nchecked: &b y\nsources: [*a, *b]\n", "by hand", id="what others refer to"),
        pytest.param("id: a\nnotes: b\nnetworks:\n- x\ny: |\n checked: 5\nchecked: [\n", "by hand", id="no YAML"),
    ],
)
def test_what_would_say_something_else_is_not_edited(edit: Callable[[str], str], text: str, why: str) -> None:
    with pytest.raises(NotEdited, match=why):
        edit(text)


COMMENTED = "id: a\nnetworks:\n  - 192.0.2.0/24  # ours\n  - 198.51.100.0/24  # theirs\n# of whom?\nsources: [b]\n"


def test_a_comment_on_a_line_of_its_own_would_be_lost() -> None:
    with pytest.raises(NotEdited, match="a comment in its networks would be lost"):
        edited(COMMENTED.replace("networks:\n", "networks:\n  # the old ones\n"), {"networks": NETWORKS})


def test_values_of_every_shape_and_a_key_that_goes() -> None:
    text = "---\namends: a\nremove:\n  domains: [x.example]\nsources: [b]\n"
    records = [{"with": "list", "version": 'ETag W/"it\'s: 5"'}, {"with": "other", "day": "2026-01-01"}]
    after = edited(
        text, {"add": {"domains": ["c.example"], "packages": {"apt": ["d"]}}, "remove": {}, "compared": records}
    )
    assert (
        after
        == """\
---
amends: a
add:
  domains:
    - c.example
  packages:
    apt:
      - d
compared:
  - with: list
    version: 'ETag W/"it''s: 5"'
  - with: other
    day: 2026-01-01
sources: [b]
"""
    )


@given(st.text("ab:#'\"- \\@,[]{}é", min_size=1, max_size=20).filter(lambda text: text == text.strip()))
@examples(200)
def test_any_text_comes_back_as_it_was_or_is_refused(value: str) -> None:
    with contextlib.suppress(NotEdited):
        assert data_of(edited("sources: [a]\n", {"version": value, "more": [value]}))["more"] == [value]
