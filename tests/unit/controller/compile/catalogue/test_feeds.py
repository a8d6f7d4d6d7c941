"""Feeds: long lists with a date of their own, for the DNS filter and the firewall, never for browsers."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from made_catalogue import GOOD, Made, errors_of
from proscribe.controller.compile.catalogue import feeds
from proscribe.controller.compile.catalogue.feeds import (
    LARGEST,
    LONGEST,
    check,
    numbered,
    placed,
    read_list,
    values_of,
    wrong_value,
)
from proscribe.controller.compile.catalogue.loading import Catalogue, load

FEED = "---\nid: birds\nname: Birds\nservice: parrot\nkind: domains\nchecked: 2026-01-02\nsources: [a test]\n"
DAY = datetime.date(2026, 11, 26)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    made = Made(tmp_path)
    made(GOOD)
    made(FEED, "feeds/birds.yml")
    made("# names\nfinch.example\nowl.example  # at night\n\nfinch.example\n", "feeds/birds.txt")
    return made


def load_catalogue(made: Made) -> Catalogue:
    return load([made.root / "catalog"])


@pytest.mark.parametrize(
    ("values", "where", "expected"),
    [
        (b"", "birds.txt", "at least one value"),
        (b"owl.example\nnot a name\n", "birds.txt:2", "a host name"),
        (b"google.com\n", "birds.txt:1", "it carries search"),
        (b"com\n", "birds.txt:1", "a host name"),
        ("öwl.example\n".encode(), "birds.txt", "text in ASCII"),
        (b"a" * 300 + b".example\n", "birds.txt:1", "at most 256 characters"),
        (b"x" * (LARGEST + 1), "birds.txt", "a smaller file"),
        (b"\x1b[31mowl.example\n", "birds.txt:1", "a host name"),
    ],
)
def test_a_wrong_list_is_refused_with_its_line(made: Made, values: bytes, where: str, expected: str) -> None:
    (made.root / "catalog/feeds/birds.txt").write_bytes(values)
    (error,) = errors_of(made.root / "catalog")
    assert error.where.endswith(f"feeds/{where}") and expected in error.expected


TEXT = "# birds\na.example # 2\n\n b.example\nc.example # 12\nd.example #3\ne.example # 100\nf.example # 0\ng # 1x\n"


def test_the_lines_of_a_list() -> None:
    lines = {"a.example": 2, "b.example": 4, "c.example": 5, "d.example": 6, "e.example": 7, "f.example": 8, "g": 9}
    assert dict(values_of(TEXT)) == lines
    assert numbered(TEXT) == {**dict.fromkeys(lines, 0), "a.example": 2, "c.example": 12}


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("domains", "owl.example", ""),
        ("domains", f"{'a' * 60}." * 4 + "example", ""),
        ("domains", "x" * (LONGEST + 1), "at most 256 characters"),
        ("domains", "x" * LONGEST, "a host name"),
        ("domains", "google.com", "a name of this service alone: it carries search"),
        ("hosts", "google.com", ""),  # which a list only speaks of
        ("networks", "198.51.100.0/24", ""),
        ("networks", "owl.example", "a network such as"),
        ("networks", "104.16.0.0/24", "a network of this service alone, none of Cloudflare's content network"),
        ("addresses", "104.16.0.0/24", ""),
        ("addresses", "owl.example", "a network such as"),
    ],
)
def test_value_of_a_list_fits_its_kind(kind: str, value: str, expected: str) -> None:
    found = wrong_value(value, kind)
    assert found.startswith(expected) and bool(found) == bool(expected)


def test_a_list_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.txt").write_text("a.example\nb.example\n")
    assert read_list(tmp_path / "x.txt", "domains") == (["a.example", "b.example"], [])
    monkeypatch.setattr(feeds, "MOST", 1)
    (error,) = read_list(tmp_path / "x.txt", "domains")[1]
    assert (error.where, error.key, error.value) == (str(tmp_path / "x.txt"), "", "2 values")
    assert error.expected == "at most 1"


def test_an_agreement_is_one_of_names() -> None:
    assert [*check({"agreement": "2", "kind": "domains"}), *check({"kind": "networks"})] == []
    assert list(check({"agreement": "2", "kind": "networks"})) == [(("agreement",), "2", "kind: domains beside it")]


def test_a_value_of_a_feed_is_placed_at_its_line(made: Made) -> None:
    feed, file = load_catalogue(made).feeds["birds"], made.root / "catalog/feeds/birds.txt"
    found = [placed(feed, value, "x") for value in ("owl.example", "gone.example")]
    assert [(one.where, one.key, one.value, one.expected) for one in found] == [
        (f"{file}:3", "", "owl.example", "x"),
        (f"{file}:0", "", "gone.example", "x"),
    ]
