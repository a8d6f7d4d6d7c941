"""What an amendment makes of an entry, and what a feed's files make: all of it."""

from __future__ import annotations

import copy
import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from made import catalogue, service
from proscribe.controller.compile.catalogue import feeds
from proscribe.controller.compile.catalogue.amendments import Origins, amended
from proscribe.controller.compile.catalogue.feeds import Feed, read_feed
from proscribe.controller.compile.catalogue.freshness import ENTRY, NETWORKS, Stale, accepted
from proscribe.controller.compile.catalogue.freshness import FEED as OF_FEED
from proscribe.controller.compile.reading.yaml_file import Document, read_yaml

ENTRY_DATA: dict[str, Any] = yaml.safe_load("""
id: parrot
notes: ""
audience: consumer
enforce: "true"
programs: private
domains: [a.example, b.example]
packages: {apt: [parrot], rpm: [parrot]}
markers: {go: [x.example/y]}
decided: [{names: [n.example], as: shared, why: x}]
compared: [{with: one, day: "2026-01-01"}, {with: two, day: "2026-01-02"}]
unverified: {domains: [u.example], packages: {apt: [parrot-beta], snap: [parrot]}, notes: of these}
sources: [a test, another]
""")
AMENDMENT = """
amends: parrot
accept: {domains: [u.example, v.example], packages: {snap: [parrot]}}
add: {domains: [c.example, a.example], urls: [d.example/x], packages: {apt: [parrot-beta, parrot-x]}}
remove: {domains: [b.example, zebra], packages: {rpm: [parrot]}, markers: {go: [x.example/y]}}
audience: both
enforce: "false"
programs: both
checked: "2026-11-01"
networks_checked: "2026-11-02"
networks_note: new
checked_accepted: {day: "2026-11-01"}
decided: [{names: [m.example], as: refused, why: y}]
compared: [{with: two, day: "2026-02-02"}, {with: three, day: "2026-02-03"}]
notes: not taken
sources: [another, our desk]
"""


def document(path: Path, text: str) -> Document:
    path.write_text(text)
    return read_yaml(path)


def test_what_an_amendment_makes_of_an_entry(tmp_path: Path) -> None:
    before = copy.deepcopy(ENTRY_DATA)
    earlier = document(tmp_path / "earlier.yml", "amends: parrot\n")
    origins: Origins = {
        (("domains",), "a.example"): (earlier, ("add", "domains", 0)),
        (("domains",), "b.example"): (earlier, ("add", "domains", 1)),
    }
    ours = document(tmp_path / "ours.yml", AMENDMENT)
    found, mistakes = amended(ENTRY_DATA, origins, ours)
    assert found.data == yaml.safe_load("""
        id: parrot
        notes: ""
        audience: both
        enforce: "false"
        programs: both
        domains: [a.example, u.example, c.example]
        urls: [d.example/x]
        packages: {apt: [parrot, parrot-x], snap: [parrot]}
        decided: [{names: [n.example], as: shared, why: x}, {names: [m.example], as: refused, why: y}]
        compared: [{with: one, day: "2026-01-01"}, {with: two, day: "2026-02-02"}, {with: three, day: "2026-02-03"}]
        unverified: {packages: {apt: [parrot-beta]}, notes: of these}
        checked: "2026-11-01"
        networks_checked: "2026-11-02"
        networks_note: new
        checked_accepted: {day: "2026-11-01"}
        sources: [a test, another, our desk]
        """)
    assert found.origins == {
        (("domains",), "a.example"): (earlier, ("add", "domains", 0)),
        (("domains",), "u.example"): (ours, ("accept", "domains", 0)),
        (("packages", "snap"), "parrot"): (ours, ("accept", "packages", "snap", 0)),
        (("domains",), "c.example"): (ours, ("add", "domains", 0)),
        (("urls",), "d.example/x"): (ours, ("add", "urls", 0)),
        (("packages", "apt"), "parrot-x"): (ours, ("add", "packages", "apt", 1)),
    }
    assert mistakes == [
        (("accept", "domains", 1), "v.example", "a value that parrot has under unverified"),
        (("add", "domains", 1), "a.example", "a value that parrot does not have yet"),
        (("add", "packages", "apt", 0), "parrot-beta", "it under accept: parrot has it under unverified"),
        (("remove", "domains", 1), "zebra", "a value that parrot has"),
    ]
    assert before == ENTRY_DATA and len(origins) == 2


FEED = 'id: birds\nname: Birds\nservice: parrot\nkind: domains\nchecked: "2026-01-02"\nsources: [a test]\n'
COMPARED = {"with": "one", "day": "2026-01-02", "sha256": "0" * 64, "values": "2"}
ACCEPTED = {"day": "2026-01-02", "until": "2026-12-31", "why": "x"}


def test_a_feed_is_read_with_its_list(tmp_path: Path) -> None:
    (tmp_path / "birds.txt").write_text("# ours\nowl.example # 2\n\ncrow.example\n")
    values = ("owl.example", "crow.example")
    file = str(tmp_path / "birds.yml")
    made = read_feed(document(tmp_path / "birds.yml", FEED))
    assert made == (Feed("birds", "parrot", "domains", "2026-01-02", values, file, 0, (), {}), [])
    more = yaml.safe_dump({"agreement": "2", "compared": [COMPARED], "checked_accepted": ACCEPTED})
    feed, _ = read_feed(document(tmp_path / "birds.yml", FEED + more))
    assert feed == Feed("birds", "parrot", "domains", "2026-01-02", values, file, 2, (COMPARED,), ACCEPTED)  # type: ignore[arg-type]
    (tmp_path / "birds.txt").write_text("owl.example\nno name\ncom\n")
    nothing, errors = read_feed(document(tmp_path / "birds.yml", FEED))
    places = [f"{tmp_path}/birds.txt:{number}" for number in (2, 3)]
    assert nothing is None
    assert [(error.where, error.key, error.value) for error in errors] == [
        (places[0], "", "no name"),
        (places[1], "", "com"),
    ]
    assert feed is not None
    assert str(feeds.placed(feed, "com", "another")) == f"{places[1]}: found 'com', expected another"
    assert feeds.placed(feed, "owl.example", "x").where.endswith("birds.txt:1")
    assert feeds.placed(feed, "gone.example", "x").where.endswith("birds.txt:0")


@pytest.mark.parametrize(
    ("line", "number"),
    [("a.example", 0), ("a.example # 7", 7), ("a.example# 12", 12), ("a.example # 123", 0), ("a.example # x", 0)]
    + [("a.example # 07", 0), ("a.example #7", 0), ("a.example # \u0667", 0)],
)
def test_how_many_publishers_have_a_name(line: str, number: int) -> None:
    assert feeds.numbered(f"# 3\n\n{line}\n") == {"a.example": number}
    assert dict(feeds.values_of(f"# 3\n\n{line}\n")) == {"a.example": 3}


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("owl.example", "domains", ""),
        ("google.com", "hosts", ""),
        ("google.com", "domains", "a name of this service alone: it carries search"),
        ("192.0.2.0/24", "networks", ""),
        ("104.16.0.0/16", "addresses", ""),
        ("104.16.0.0/16", "networks", "a network of this service alone, none of Cloudflare's content network"),
        ("owl.example", "networks", "a network such as"),
        ("192.0.2.0/24", "domains", "a host name such as"),
        ("a" * 257, "hosts", "at most 256 characters"),
    ],
)
def test_what_a_list_may_have(value: str, kind: str, expected: str) -> None:
    found = feeds.wrong_value(value, kind)
    assert found.startswith(expected) and bool(found) is bool(expected)


def test_an_agreement_is_about_names() -> None:
    wrong = (("agreement",), "2", "kind: domains beside it")
    assert list(feeds.check({"agreement": "2", "kind": "networks"})) == [wrong]
    assert [*feeds.check({"agreement": "2", "kind": "domains"}), *feeds.check({"kind": "networks"})] == []


def test_what_is_old_in_words() -> None:
    old = [Stale(ENTRY, "owl", "2026-01-02", 7), Stale(NETWORKS, "owl", "", None), Stale(OF_FEED, "birds", "", None)]
    assert [str(one) for one in old] == [
        "owl: checked on 2026-01-02, 7 days ago",
        "the networks of owl: never checked",
        "the feed birds: never checked",
    ]
    assert [one.in_short for one in old[:2]] == ["owl (7 days ago)", "the networks of owl (never)"]
    made = catalogue(service("owl", checked="2026-01-02", checked_accepted=ACCEPTED))
    assert accepted(made, {"owl"}, datetime.date(2026, 1, 9), 6) == [(old[0], ACCEPTED)]
    assert accepted(made, {"owl"}, datetime.date(2026, 1, 9), 7) == []
