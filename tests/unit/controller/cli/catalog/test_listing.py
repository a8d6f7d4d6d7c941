"""`catalog list`, `show` and `stale`: all that they say of a service, for people and for machines."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_catalog import FEED, OWL, PARROT, written
from proscribe.controller.cli import command_line

OLD = 400  # days
TODAY = datetime.datetime.now(datetime.timezone.utc).date()
RECORD = "compared:\n  - {{with: list, day: 2026-01-02, sha256: {}, values: 5{}}}\nsources:"
PUBLISHED = [("birds", "feed", "birds"), ("nets", "networks", "parrot"), ("names", "domains", "parrot")]
SHOWN = """\
parrot  Parrot, instant_messaging
  file: {root}/instant_messaging/parrot.yml
  vendor: Example
  audience: consumer
  enforce: true
  programs: private
  domains:
    parrot.example
    parrot.test.example  ({ours}/amends/parrot.yml)
  shared_domains:
    cdn.example
  networks:
    8.8.8.0/24
  packages.apt:
    parrot
  packages.winget:
    Example.Parrot
  front_doors:
    parrot.example
  checked: {checked}
  networks_checked: 2024-10-21
  sources:
    a test
    our desk
  shared: cdn.example: everybody's pictures lie there
  refused: toys.example: merchandise
  compared with list on 2026-01-02: 5 values, sha256 {a}, ETag x
  feed birds: 2 domains, an agreement of 2, checked 2026-01-02
    compared with list on 2026-01-02: 5 values, sha256 {b}
"""


def days_ago(days: int) -> str:
    return str(TODAY - datetime.timedelta(days=days))


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    parrot = PARROT.replace("sources:", RECORD.format("a" * 64, ", version: ETag x"))
    feed = FEED.replace("checked:", "agreement: '2'\nchecked:").replace("sources:", RECORD.format("b" * 64, ""))
    files = {
        "instant_messaging/parrot.yml": parrot.replace("\nchecked: 2026-01-02", f"\nchecked: {days_ago(OLD)}"),
        "feeds/birds.yml": feed,
        "feeds/birds.txt": "finch.example\nwren.example\n",
    }
    return written(tmp_path, files)


@pytest.fixture
def call(catalog: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def run(*words: str) -> tuple[int, str]:
        code = command_line.main(["catalog", *words, "--catalog", str(catalog)])
        said = capsys.readouterr()
        assert said.err == ""
        return code, said.out

    return run


def test_show_says_all_of_a_service(call: Any, catalog: Path) -> None:
    ours = catalog.parent / "ours"
    shown = SHOWN.format(root=catalog, ours=ours, checked=days_ago(OLD), a="a" * 64, b="b" * 64)
    assert call("show", "parrot", "--dir", str(ours)) == (0, shown)
    code, printed = call("show", "owl")
    assert code == 0 and "  unverified.domains:\n    owl.example\n" in printed and "feed" not in printed


def test_show_says_the_same_to_machines(call: Any, catalog: Path) -> None:
    code, printed = call("show", "parrot", "--json")
    found = json.loads(printed)
    assert (code, found["schema"], found["id"], found["domains"]) == (
        0,
        "proscribe/service/1",
        "parrot",
        ["parrot.example"],
    )
    compared = {"with": "list", "day": "2026-01-02", "sha256": "b" * 64, "values": "5"}
    feed = {"id": "birds", "kind": "domains", "checked": "2026-01-02", "values": 2, "agreement": 2}
    assert found["feeds"] == [{**feed, "compared": [compared]}]
    (catalog / "feeds/birds.yml").write_text(FEED)
    assert json.loads(call("show", "parrot", "--json")[1])["feeds"] == [{**feed, "agreement": None, "compared": []}]


def test_list_says_what_is_known_of_each_service(call: Any, catalog: Path) -> None:
    code, printed = call("list", "--json")
    common = {"audience": "consumer", "enforce": True}
    assert (code, json.loads(printed)) == (
        0,
        {
            "schema": "proscribe/catalog-list/1",
            "release": {"version": "", "released": ""},
            "services": [
                {
                    "id": "parrot",
                    "name": "Parrot",
                    "category": "instant_messaging",
                    **common,
                    "checked": days_ago(OLD),
                    "networks_checked": "2024-10-21",
                    "controls": ["apps", "browser", "firewall", "dns"],
                    "file": f"{catalog}/instant_messaging/parrot.yml",
                },
                {
                    "id": "owl",
                    "name": "Owl",
                    "category": "webmail",
                    **common,
                    "checked": None,
                    "networks_checked": None,
                    "controls": [],
                    "file": f"{catalog}/webmail/owl.yml",
                },
            ],
        },
    )
    (catalog / "webmail/owl.yml").write_text(OWL.replace("enforce: true", "enforce: false"))
    assert call("list", "--category", "webmail")[1].split() == [
        *("service", "category", "enforced", "checked", "controls"),
        *("owl", "webmail", "no", "never", "none"),
    ]


def stale_of(call: Any, *words: str) -> Any:
    code, printed = call("stale", "--json", *words)
    found = json.loads(printed)
    assert found.pop("schema") == "proscribe/stale/1" and code == (1 if found["stale"] else 0)
    return found


def test_stale_names_the_lists_that_refresh_what_is_old(call: Any, catalog: Path) -> None:
    row = "- {{id: {}, url: 'https://x.example/', format: lines, into: {}, of: {}, least: '1'}}\n"
    (catalog / "publishers.yml").write_text("".join(row.format(*one) for one in PUBLISHED))
    found = stale_of(call, "--max-age", "30d")["stale"]
    assert [(one["what"], one["id"], one["publishers"]) for one in found] == [
        ("entry", "owl", []),
        ("networks", "parrot", ["nets"]),
        ("entry", "parrot", ["names"]),
        ("feed", "birds", ["birds"]),
    ]
    assert (found[0]["days"], found[0]["checked"], found[2]["days"] - OLD in (0, 1)) == (None, "", True)
    lines = call("stale", "--max-age", "30d")[1].splitlines()
    refreshed = [line.partition(" catalog refresh ")[2].split(" ")[-1] for line in lines if line.startswith("  ")]
    assert refreshed == ["nets", "names", "birds"]
    assert all(f" --catalog {catalog} " in line for line in lines if line.startswith("  "))


def test_what_is_accepted_is_not_stale_and_comes_last(call: Any, catalog: Path) -> None:
    (catalog / "webmail/owl.yml").unlink()
    file = catalog / "instant_messaging/parrot.yml"
    word = f"checked_accepted: {{day: {days_ago(3)}, until: {days_ago(-30)}, why: it is rare}}\n"
    file.write_text(file.read_text().replace("sources:", f"{word}sources:"))
    found = stale_of(call, "--max-age", "30d")
    assert found["stale"] == [] and [(one["what"], one["until"], one["why"]) for one in found["accepted"]] == [
        (what, days_ago(-30), "it is rare") for what in ("entry", "networks", "feed")
    ]
    *accepted, last = call("stale", "--max-age", "30d")[1].splitlines()
    assert [line.rpartition("; ")[2] for line in accepted] == [f"accepted until {days_ago(-30)}: it is rare"] * 3
    assert last == "everything that is enforced was checked within 30 days or is accepted"
    assert call("stale", "--max-age", "9999d") == (0, "everything that is enforced was checked within 9,999 days\n")
    file.write_text(file.read_text().replace("enforce: true", "enforce: false"))
    assert stale_of(call, "--max-age", "1d") == {"stale": [], "accepted": []}
