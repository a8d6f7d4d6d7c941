"""What a run says of a policy that is no mistake, and may not be what was meant: all of it, in its order."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Any

import pytest
from made import catalogue, service
from proscribe.controller.compile.catalogue.loading import Catalogue
from proscribe.controller.compile.catalogue.retired_keys import warning as of_retired
from proscribe.controller.compile.inventory.inventory import HostVariables, Question
from proscribe.controller.compile.plans.hosts import Compiled
from proscribe.controller.compile.plans.warnings import of_catalogue_age, of_policy, select_not_printed_today
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.wire.store import Store

NOW = datetime.datetime(2026, 11, 25, 8, tzinfo=datetime.timezone.utc)
DAY = 86400
OWL = service(
    "owl", checked="2026-11-20", packages={"apt": ("owl",)}, networks=("192.0.2.99/32",), networks_checked="2026-11-22"
)
FRESH = catalogue(OWL)
OLD = catalogue(
    OWL,
    service("parrot", checked="2026-06-01", networks=("192.0.2.0/28",), networks_checked="2026-05-01"),
)
TENANTS = {"tenants": {"google": ["example.org"]}}
BY_GROUP = {"groups_restricted": [{"services": ["owl"], "groups": ["guests"]}]}


def said(
    of: dict[str, tuple[Catalogue, dict[str, Any]]],
    mode: str = "enforce",
    windows: tuple[str, ...] = (),
    days: int = 180,
) -> list[str]:
    """What is said of hosts, each with its catalogue and its variables."""
    own = {
        name: read_restrictions({f"proscribe_{key}": value for key, value in values.items()}, str)
        for name, (_, values) in of.items()
    }
    hosts = [HostVariables(name, {}, {}, ".") for name in of]
    question = Question(Path("/"), mode, mode, [], "", [], hosts, {}, windows=windows)
    catalogues = {name: made for name, (made, _) in of.items()}
    compiled = Compiled(catalogues, own, [], {}, {name: f"plan of {name}" for name in of}, {}, [], [])
    return [*of_policy(question, compiled), *of_catalogue_age(question, compiled, NOW, days * DAY)]


OPEN = "cannot tell users apart, and let the members of guests reach owl too"
APART = (
    "proscribe_tenants keeps what private and business accounts share open on {}, and with the control browser off "
    "nothing there distinguishes these accounts: enforce browser, or remove the tenants"
)


def test_a_reminder_is_printed_once_a_day(tmp_path: Path) -> None:
    store = Store(tmp_path / "reports/plans")
    store.require()
    evening, night = NOW.replace(hour=23, minute=59), NOW + datetime.timedelta(days=1)
    printed = [
        select_not_printed_today(store, texts, moment)
        for texts, moment in (
            (["old"], NOW),
            (["old"], NOW),
            (["old", "older"], evening),
            (["older", "old"], evening),
            (["old"], night),
        )
    ]
    assert printed == [["old"], [], ["older"], [], ["old"]]


def test_what_is_not_restricted_anywhere_may_be_old() -> None:
    assert said({"a": (OLD, {"services_exclude": ["parrot"]})}) == []
    assert len(said({"b": (OLD, {}), "a": (OLD, {"services_exclude": ["parrot"]})})) == 1


@pytest.mark.parametrize(
    ("mode", "windows", "lines"),
    [
        ("enforce", (), []),
        ("audit", ("w1", "w2"), []),
        ("enforce", ("w1",), ["Windows hosts are only observed, and nothing is corrected on them: w1"]),
        (
            "enforce",
            ("w1", "w2"),
            ["Windows hosts are only observed, and nothing is corrected on them: w1 (and 1 more)"],
        ),
    ],
)
def test_windows_hosts_are_not_corrected(mode: str, windows: tuple[str, ...], lines: list[str]) -> None:
    assert said({"w1": (FRESH, {})}, mode, windows) == lines


def test_what_one_control_leaves_open() -> None:
    off = {"controls": {"browser": "off"}}
    hosts = {
        "c": (FRESH, {**TENANTS, **off}),
        "a": (FRESH, {**TENANTS, **off}),
        "b": (FRESH, BY_GROUP),
        "e": (FRESH, {**BY_GROUP, **off}),
        "d": (FRESH, BY_GROUP),
    }
    variable = "proscribe_groups_restricted on"
    assert said(hosts) == [
        APART.format("a (and 1 more)"),
        f"{variable} b (and 1 more): browser and dns {OPEN}",
        f"{variable} e: dns {OPEN}",
    ]


def test_keys_that_nothing_reads_any_more_come_first_and_each_place_once() -> None:
    retired = dataclasses.replace(OLD, retired=("x.yml:1: engine", "x.yml:2: user_data"))
    first, second = said({"a": (retired, {}), "b": (retired, {})})
    assert first == of_retired(["x.yml:1: engine", "x.yml:2: user_data"])
    assert second.startswith("catalogue: 1 service")
