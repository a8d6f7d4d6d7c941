"""Which values a publisher's list has, whether it is believed, and what of an agreement is left out."""

from __future__ import annotations

import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.controller.cli.catalog import believing
from proscribe.controller.cli.catalog.believing import MOST_WRONG, SMALL, left_out, read, require_bounded
from proscribe.controller.cli.catalog.chosen import Chosen
from proscribe.controller.cli.catalog.fetching import Fetched
from proscribe.controller.cli.catalog.formats import Unreadable
from proscribe.controller.cli.catalog.publishers import Publisher

DAY = datetime.date(2026, 11, 25)
BIRDS = [f"bird{number:03}.example" for number in range(100)]
NETWORKS = ["8.8.8.0/24", "8.8.9.0/24"]


def believed(*values: str, kind: str = "domains", agreeing: bool = False, version: str = "", **changed: Any) -> Any:
    """A list of those values, as it is read."""
    of: dict[str, Any] = {"format": "lines", "into": kind if kind == "networks" else "feed", "of": "owl"}
    publisher = Publisher(**{"id": "birds", "url": "", "named": ("",), "least": 1, **of, **changed})
    return read(publisher, Fetched("\n".join(values), DAY, "5ad", version), kind, agreeing)


@pytest.mark.parametrize(
    ("values", "how", "found"),
    [
        (("B.example.", "a.example", "a.example"), {}, ["a.example", "b.example"]),
        (("www.b.example/x", "*.a.example"), {"agreeing": True}, ["a.example", "b.example"]),
        (("8.8.9.7/24", "8.8.8.0/24", "9.9.9.9"), {"kind": "networks"}, ["8.8.8.0/23", "9.9.9.9/32"]),
        (NETWORKS, {"kind": "networks", "into": "feed"}, NETWORKS),
        (("10.0.0.0/8", "fc00::/16"), {"kind": "networks", "adds": False}, ["10.0.0.0/8", "fc00::/16"]),
    ],
)
def test_the_values_of_a_list_are_each_there_once(
    values: tuple[str, ...], how: dict[str, Any], found: list[str]
) -> None:
    assert believed(*values, **how).values == found


WIDE = "a network of at least /8, or /16 of IPv6"
WRONG = MOST_WRONG + 1  # of a hundred values
NO_NAMES = [f"bird_{number}" for number in range(WRONG)]


@pytest.mark.parametrize(
    ("values", "how", "why"),
    [
        (("a.example", "x y"), {"format": "first_column"}, "found 'x y', expected "),
        (("a.example", "com"), {}, "found 'com', expected "),
        (("10.0.0.0/7",), {"kind": "networks", "adds": False}, f"found '10.0.0.0/7', expected {WIDE}"),
        (("fc00::/15",), {"kind": "networks", "adds": False}, f"found 'fc00::/15', expected {WIDE}"),
        (("8.8.8.8", "owl"), {"kind": "networks", "adds": False}, f"found 'owl', expected {WIDE}"),
        (BIRDS[WRONG:] + NO_NAMES, {"agreeing": True}, f"{WRONG} of its 100 values are no names, expected "),
        ((), {}, "it has 0 values, expected at least 1"),
        (("a.example",), {"least": 2}, "it has 1 value, expected at least 2"),
        ((*BIRDS[: SMALL + 1], *BIRDS[: SMALL + 1]), {}, f"it has each of its {SMALL + 1} values twice or more"),
    ],
)
def test_a_list_that_is_another_one_is_not_believed(values: Any, how: dict[str, Any], why: str) -> None:
    with pytest.raises(Unreadable) as refused:
        believed(*values, **how)
    assert str(refused.value).startswith(why)


@pytest.mark.parametrize(("agreeing", "limit"), [(False, "MOST"), (True, "MOST_NAMES")])
def test_a_list_has_so_many_values_at_most(agreeing: bool, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MOST", "MOST_NAMES"):
        monkeypatch.setattr(believing, name, 3 if name == limit else 99)
    assert len(believed(*BIRDS[:3], BIRDS[0], agreeing=agreeing).values) == 3
    with pytest.raises(Unreadable, match="it has more than 3 values"):
        believed(*BIRDS[:4], agreeing=agreeing)


@pytest.mark.parametrize("version", ["", "r7"])
def test_what_a_file_says_it_was_compared_with(version: str) -> None:
    said = {"with": "birds", "day": "2026-11-25", "sha256": "5ad", "values": "2"}
    assert believed(*BIRDS[:2], version=version).record == {**said, **({"version": "r7"} if version else {})}


@pytest.mark.parametrize(
    ("before", "added", "gone", "most", "why"),
    [
        (0, SMALL, SMALL, 0, ""),
        (100, 25, 25, 25, ""),
        (100, 26, 0, 25, "x: 26 values are new, 26 % of 100: more than --max-change 25"),
        (100, 25, 26, 25, "x: 26 values are gone, 26 % of 100: more than --max-change 25"),
        (0, SMALL + 1, 0, 25, f"x: {SMALL + 1} values are new, {(SMALL + 1) * 100} % of 0: more than --max-change 25"),
    ],
)
def test_a_review_can_take_in_so_much_of_a_list(before: int, added: int, gone: int, most: int, why: str) -> None:
    try:
        require_bounded(before, added, gone, most, "x: ")
        said = ""
    except Unreadable as refused:
        said = str(refused)
    assert said == why


OWN = {
    "domains": ("owl.example", "a.own.test"),
    "allow_domains": ("ok.example",),
    "nxdomain_canaries": ("canary.example",),
}
OPEN = {
    "shared_domains": ("cdn.example", "a.open.test"),
    "mail_hosts": ("mx.example",),
    "urls": ("web.example/x", "page.example"),
}
DECIDED = [{"as": "blocked", "names": ["meant.example"]}, {"as": "shared", "names": ["stays.example"]}]
NOTHING: dict[str, Any] = dict.fromkeys([*OWN, *OPEN], ())


@pytest.mark.parametrize(
    ("name", "out"),
    [
        *((name, True) for values in OWN.values() for name in values),
        *((f"below.{name}", True) for values in OWN.values() for name in values),
        *((name, True) for name in ("cdn.example", "mx.example", "web.example", "page.example", "stays.example")),
        *((f"below.{name}", False) for name in ("cdn.example", "mx.example", "web.example", "stays.example")),
        ("meant.example", False),
        *((name, True) for name in ("example", "own.test", "open.test")),
        ("googleapis.com", True),
        ("good.other", True),
        ("other", True),
        ("below.good.other", False),
        ("free.other", False),
    ],
)
def test_an_agreement_leaves_out_what_is_known_shared_or_of_an_entry(name: str, out: bool, tmp_path: Path) -> None:
    (tmp_path / "known_good.txt").write_text("good.other\n")
    entry = SimpleNamespace(**NOTHING | OWN | OPEN, decided=DECIDED)
    services = {"owl": SimpleNamespace(**NOTHING, decided=[]), "parrot": entry}
    chosen = Chosen([tmp_path], SimpleNamespace(services=services))  # type: ignore[arg-type]
    assert left_out([name, "x.another"], "owl", chosen) == ({name} if out else set())
