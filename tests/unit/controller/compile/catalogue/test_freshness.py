"""What was not checked for too long is said, and the release of a catalogue is known everywhere."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from made_catalogue import GOOD, Made
from proscribe.controller.compile.catalogue import freshness
from proscribe.controller.compile.catalogue.freshness import ENTRY, FEED, NETWORKS, Stale, stale
from proscribe.controller.compile.catalogue.loading import load

TODAY = datetime.date(2026, 11, 26)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    made = Made(tmp_path)
    made(
        GOOD.replace("sources:", "networks: [8.8.4.0/24]\nnetworks_checked: 2024-10-21\nchecked: 2026-11-20\nsources:")
    )
    return made


def test_the_oldest_comes_first_and_what_was_never_checked_before_all(made: Made) -> None:
    made(GOOD.replace("parrot", "owl"), "instant_messaging/owl.yml")
    made("---\nid: f\nname: F\nservice: owl\nkind: domains\nchecked: 2025-01-01\nsources: [x]\n", "feeds/f.yml")
    made("finch.example\n", "feeds/f.txt")
    catalogue = load([made.root / "catalog"])
    assert stale(catalogue, {"parrot", "owl"}, TODAY, 180) == [
        Stale(ENTRY, "owl", "", None),
        Stale(NETWORKS, "parrot", "2024-10-21", 766),
        Stale(FEED, "f", "2025-01-01", 694),
    ]
    assert stale(catalogue, {"parrot"}, TODAY, 766) == []
    assert stale(catalogue, set(), TODAY, 0) == []


@pytest.mark.parametrize(("days", "found"), [(5, True), (6, False)])
def test_the_last_day_still_counts(made: Made, days: int, found: bool) -> None:
    entries = [one for one in stale(load([made.root / "catalog"]), {"parrot"}, TODAY, days) if one.what == ENTRY]
    assert bool(entries) is found


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ([Stale(ENTRY, "owl", "", None)], "1 service restricted here was not checked within 180 days: owl (never)"),
        (
            [
                Stale(NETWORKS, "owl", "2024-10-21", 766),
                Stale(ENTRY, "owl", "2025-01-01", 694),
                Stale(FEED, "f", "", None),
            ],
            "1 service and 1 feed restricted here were not checked within 180 days:"
            " the networks of owl (766 days ago) is the oldest",
        ),
        (
            [Stale(ENTRY, f"s{number}", "", None) for number in range(13)],
            "13 services restricted here were not checked within 180 days: s0 (never) is the oldest",
        ),
    ],
)
def test_a_run_says_it_in_one_line(found: list[Stale], text: str) -> None:
    assert freshness.warning(found, 180) == f"catalogue: {text}"


ACCEPTED = "checked_accepted: {day: 2026-11-01, until: 2027-05-01, why: nobody has a list}\n"


@pytest.mark.parametrize(
    ("file", "left"),
    [
        ("instant_messaging/owl.yml", ["parrot"]),  # with its feed
        ("feeds/f.yml", ["parrot", "owl"]),
        ("amends/owl.yml", ["parrot"]),
    ],
)
@pytest.mark.parametrize(
    ("today", "counts"),
    [
        (datetime.date(2026, 10, 31), False),
        (datetime.date(2026, 11, 1), True),
        (datetime.date(2027, 5, 1), True),
        (datetime.date(2027, 5, 2), False),
    ],
)
def test_an_age_can_be_accepted_for_a_time(
    made: Made, file: str, left: list[str], today: datetime.date, counts: bool
) -> None:
    owl = GOOD.replace("parrot", "owl").replace("sources:", "checked: 2025-01-01\nsources:")
    feed = "---\nid: f\nname: F\nservice: owl\nkind: domains\nchecked: 2025-01-01\nsources: [x]\n"
    made("finch.example\n", "feeds/f.txt")
    texts = {
        "instant_messaging/owl.yml": owl,
        "feeds/f.yml": feed,
        "amends/owl.yml": "---\namends: owl\nsources: [x]\n",
    }
    for name, text in texts.items():
        made(text + (ACCEPTED if name == file else ""), name)
    catalogue = load([made.root / "catalog"])
    found = [one.id for one in stale(catalogue, {"parrot", "owl"}, today, 180)]
    assert found == (left if counts else ["parrot", "f", "owl"])
    accepted = freshness.accepted(catalogue, {"parrot", "owl"}, today, 180)
    assert {word["why"] for _, word in accepted} == ({"nobody has a list"} if counts else set())
