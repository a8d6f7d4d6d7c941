"""A file of the catalogue with one list and some dates changed, and all else as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from proscribe.controller.cli.catalog.editing import NotEdited, data_of, edited

ENTRY = """\
---
# what people write
id: parrot
networks:  # with a comment
  - 192.0.2.0/24

checked: 2026-01-01
domains: [a.example]
sources:
  - https://a.example
# the end
"""
NETWORKS = ["198.51.100.0/24", "203.0.113.0/24"]


@pytest.mark.parametrize(
    ("text", "key", "dates", "expected"),
    [
        pytest.param(
            ENTRY,
            "networks",
            {},
            ENTRY.replace(
                "networks:  # with a comment\n  - 192.0.2.0/24\n\n",
                "networks:  # with a comment\n  - 198.51.100.0/24\n  - 203.0.113.0/24\n",
            ),
            id="a list in the middle",
        ),
        pytest.param(
            ENTRY,
            "domains",
            {"checked": "2026-02-02"},
            ENTRY.replace("domains: [a.example]\n", "domains:\n  - 198.51.100.0/24\n  - 203.0.113.0/24\n").replace(
                "2026-01-01", "2026-02-02"
            ),
            id="a list in a line, and a date",
        ),
        pytest.param(
            ENTRY,
            "more_domains",
            {"domains_checked": "2026-02-02"},
            ENTRY.replace(
                "sources:\n",
                "more_domains:\n  - 198.51.100.0/24\n  - 203.0.113.0/24\ndomains_checked: 2026-02-02\nsources:\n",
            ),
            id="keys that it has not, before its sources",
        ),
        pytest.param(
            "id: a\nnotes: b\nsources: [c]\n",
            "networks",
            {},
            "id: a\nnetworks:\n  - 198.51.100.0/24\n  - 203.0.113.0/24\nnotes: b\nsources: [c]\n",
            id="before its notes",
        ),
        pytest.param(
            "sources: [c]\nnetworks:\n  - x\n",
            "networks",
            {},
            "sources: [c]\nnetworks:\n  - 198.51.100.0/24\n  - 203.0.113.0/24\n",
            id="the last one",
        ),
    ],
)
def test_a_list(text: str, key: str, dates: dict[str, str], expected: str) -> None:
    assert edited(text, {key: NETWORKS, **dates}) == expected
    assert edited(expected, {key: NETWORKS, **dates}) == expected


def test_dates_alone() -> None:
    dated = edited(ENTRY, {"checked": "2026-02-02", "networks_checked": "2026-03-03"})
    expected = ENTRY.replace("2026-01-01", "2026-02-02").replace("sources:", "networks_checked: 2026-03-03\nsources:")
    assert dated == expected
    assert edited(ENTRY, {}) == ENTRY


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


def test_comments_stay_with_their_values_and_keys() -> None:
    after = edited(COMMENTED, {"networks": NETWORKS})
    lines = "  - 198.51.100.0/24  # theirs\n  - 203.0.113.0/24\n# of whom?\n"
    assert after == f"id: a\nnetworks:\n{lines}sources: [b]\n"


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


@pytest.mark.parametrize(
    ("value", "written"),
    [
        *((value, value) for value in ("a.example", "8.8.8.0/24", "2001:db8::1", "2026-01-02", "A+b_c-d", "yesno")),
        *((value, f"'{value}'") for value in ("yes", "No", "on", "OFF", "true", "False", "y", "N", "null")),
        *((value, f"'{value}'") for value in ("5", "1.5", "1e5", "1.2.3", "a:", ".a", "-a", "a b", "a#b", "é")),
        ("it's", "'it''s'"),
    ],
)
def test_a_text_stands_plain_where_every_reader_takes_it_for_one(value: str, written: str) -> None:
    assert edited("sources: [a]\n", {"version": value, "more": [value]}) == (
        f"version: {written}\nmore:\n  - {written}\nsources: [a]\n"
    )
