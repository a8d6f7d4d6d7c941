"""A file of the catalogue with one list and some dates changed, and all else as it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from proscribe.controller.cli.catalog.editing import NotEdited, with_dates, with_list

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
                "networks:\n  - 198.51.100.0/24\n  - 203.0.113.0/24\n",
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
    assert with_list(text, key, NETWORKS, dates) == expected
    assert with_list(expected, key, NETWORKS, dates) == expected


def test_dates_alone() -> None:
    dated = with_dates(ENTRY, {"checked": "2026-02-02", "networks_checked": "2026-03-03"})
    expected = ENTRY.replace("2026-01-01", "2026-02-02").replace("sources:", "networks_checked: 2026-03-03\nsources:")
    assert dated == expected
    assert with_dates(ENTRY, {}) == ENTRY


def listed(text: str) -> str:
    return with_list(text, "networks", NETWORKS, {"checked": "2026-02-02"})


def dated(text: str) -> str:
    return with_dates(text, {"checked": "2026-02-02"})


@pytest.mark.parametrize("edited", [listed, dated])
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
def test_what_would_say_something_else_is_not_edited(edited: Callable[[str], str], text: str, why: str) -> None:
    with pytest.raises(NotEdited, match=why):
        edited(text)
