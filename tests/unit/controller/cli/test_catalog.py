"""`./proscribe catalog`: what it says of a catalogue, and what `explain` says of where a value comes from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from made_catalog import OWL, written
from proscribe.controller.cli import command_line as launcher
from proscribe.controller.cli.catalog.proposing import names_of
from proscribe.controller.cli.catalog.stats import Counts, counts
from proscribe.controller.cli.explain.question import read
from proscribe.controller.cli.explain.relations import remarks, subject
from proscribe.controller.compile.catalogue.loading import load


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    return written(tmp_path, {"known_good.txt": "# updates\nupdates.example\n"})


@pytest.fixture
def call(catalog: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def run(*words: str) -> tuple[int, str]:
        code = launcher.main(["catalog", *words, "--catalog", str(catalog)])
        return code, "".join(capsys.readouterr())

    return run


@pytest.fixture
def prints(call: Any) -> Callable[..., str]:
    """What a command prints that has nothing to object to."""

    def run(*words: str) -> str:
        code, printed = call(*words)
        assert code == 0, printed
        return str(printed)

    return run


def test_list_says_what_each_service_has(prints: Any, call: Any) -> None:
    code, printed = call("list")
    assert code == 0 and printed.splitlines()[1:] == [
        "parrot   instant_messaging  yes       2026-01-02  apps, browser, firewall, dns",
        "owl      webmail            yes       never       none",
    ]
    listed = json.loads(prints("list", "--json", "--category", "webmail"))["services"]
    assert [(one["id"], one["controls"], one["checked"]) for one in listed] == [("owl", [], None)]


def test_show_says_which_file_brought_a_value_and_what_was_decided(prints: Any, call: Any, catalog: Path) -> None:
    ours = catalog.parent / "ours"
    code, printed = call("show", "parrot", "--dir", str(ours))
    assert code == 0 and f"    parrot.test.example  ({ours}/amends/parrot.yml)\n" in printed
    assert (
        "  refused: toys.example: merchandise\n" in printed and "  feed birds: 1 domains, checked 2026-01-02" in printed
    )
    assert json.loads(prints("show", "parrot", "--json"))["domains"] == ["parrot.example"]


def test_check_names_what_no_load_refuses(call: Any, catalog: Path) -> None:
    code, printed = call("check")
    said = [line.partition(".yml: ")[2] for line in printed.splitlines()[:-1]]
    assert (code, said) == (
        1,
        [
            "owl: is enforced, and no control has anything to look for",
            "owl: says no day of checking (checked)",
        ],
    )
    assert printed.endswith("2 problems in 2 services; 1 known-good names\n")


DOORS, DOMAINS = "front_doors:\n  - parrot.example\n", "domains:\n  - parrot.example\n"


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({}, []),
        ({DOORS: ""}, ["front_doors"]),
        ({DOORS: "", DOMAINS: "urls: [parrot.example/x]\n"}, ["front_doors"]),
        ({DOORS: "", DOMAINS: ""}, []),  # it has no page
        ({"\nchecked: 2026-01-02": ""}, ["checked"]),
        ({"networks_checked: 2024-10-21\n": ""}, ["networks_checked"]),
        ({"networks_checked: 2024-10-21\n": "", "networks:\n  - 8.8.8.0/24\n": ""}, []),
        ({DOORS: "", "\nchecked: 2026-01-02": "", "enforce: true": "enforce: false"}, []),
    ],
)
def test_check_names_what_a_service_lacks(call: Any, catalog: Path, changes: dict[str, str], keys: list[str]) -> None:
    (catalog / "webmail/owl.yml").unlink()
    file = catalog / "instant_messaging/parrot.yml"
    for before, after in changes.items():
        assert before in file.read_text()
        file.write_text(file.read_text().replace(before, after))
    code, printed = call("check", "--json")
    found = json.loads(printed)
    assert (code, found["schema"]) == (1 if keys else 0, "proscribe/catalog-check/1")
    assert [(one["service"], one["file"]) for one in found["problems"]] == [("parrot", str(file))] * len(keys)
    assert [one["what"].rpartition("(")[2] for one in found["problems"]] == [f"{key})" for key in keys]


def test_check_of_a_catalogue_that_does_not_load_names_the_mistakes(call: Any, catalog: Path) -> None:
    (catalog / "webmail/owl.yml").write_text(OWL.replace("enforce: true", "enforce: yes"))
    code, printed = call("check")
    assert code == 2 and "webmail/owl.yml:7: enforce: found 'yes', expected one of true, false" in printed


def test_stats_count_and_name_what_nothing_is_known_of(prints: Any) -> None:
    found = json.loads(prints("stats", "--json"))
    parrot = found["services"]["parrot"]
    assert {key: value for key, value in parrot.items() if value} == {
        "seen": 1, "removed": 1, "blocked": 1, "networks": 1, "feeds": 1, "windows": 1, "unverified": 1,
    }  # fmt: skip
    assert found["nothing_known"] == ["owl"] and found["total"]["blocked"] == 1
    assert prints("stats").endswith("\nnothing is known of 1 enforced services: owl\n")


# One identifier of each kind, and where it counts.
COUNTED: dict[str, tuple[Any, str]] = {
    "packages": ({"apt": ["a"], "flatpak": ["b"], "snap": ["c"]}, "seen seen seen removed removed removed"),
    "paths": (["/opt/a"], "seen removed"),
    "desktop_files": (["a.desktop"], "seen"),
    "processes": (["a"], "seen"),
    "markers": ({"vendor": ["a", "b"], "other": ["c"]}, "seen seen seen"),
    "domains": (["a.example"], "blocked"),
    "urls": (["a.example/x"], "blocked"),
    "mail_hosts": (["mx.example"], "blocked"),
    "browser_extensions": ({"chrome": ["a", "b"], "firefox": ["c"]}, "blocked blocked blocked"),
    "networks": (["192.0.2.0/24"], "networks"),
    "windows_programs": (["a"], "windows"),
    "windows_processes": (["a"], "windows"),
    "windows_registered": ({"name": ["a"], "publisher": ["b"]}, "windows windows"),
    "bundle_ids": (["a"], "macos"),
    "signing_ids": (["a"], "macos"),
    "team_ids": (["a"], "macos"),
    "unverified": ({"domains": ["a"], "packages": {"apt": ["b", "c"]}, "notes": ["d"]}, "unverified " * 3),
}
OF_OTHERS = {
    **dict.fromkeys(("winget", "choco", "appx"), "windows"),
    **dict.fromkeys(("brew", "brew_cask"), "seen removed macos"),
    "android": "seen removed android",
}


def counted(**has: Any) -> Counts:
    """What counts of a service that has these, and of its feeds of three values."""
    kinds = {key: type(value)() for key, (value, _) in COUNTED.items()}
    feeds = [SimpleNamespace(service=name, values=[name] * 3) for name in ("parrot", "owl")]
    service: Any = SimpleNamespace(id=has.pop("id", "parrot"), **{**kinds, **has})
    catalogue: Any = SimpleNamespace(feeds=dict(enumerate(feeds)))
    return counts(service, catalogue)


@pytest.mark.parametrize(
    ("has", "where"),
    [
        *(({key: value}, where) for key, (value, where) in COUNTED.items()),
        *(({"packages": {key: ["a"]}}, where) for key, where in OF_OTHERS.items()),
    ],
)
def test_each_identifier_counts_where_it_is_of_use(has: dict[str, Any], where: str) -> None:
    found = counted(**has, id="wren")._asdict()
    assert {name: number for name, number in found.items() if number} == {
        name: where.split().count(name) for name in where.split()
    }
    of_linux = {"seen", "blocked", "networks", "feeds"}
    assert counted(**has, id="wren").nothing_known is of_linux.isdisjoint(where.split())


def test_the_values_of_a_services_own_feeds_count() -> None:
    assert counted().feeds == 3 and not counted().nothing_known and counted(id="wren").nothing_known


def test_stats_of_a_category_alone(prints: Any) -> None:
    found = json.loads(prints("stats", "--json", "--category", "webmail"))
    assert (found["schema"], [*found["services"]], found["nothing_known"]) == (
        "proscribe/catalog-stats/1",
        ["owl"],
        ["owl"],
    )
    assert found["release"] is not None and found["total"]["unverified"] == 1
    heading, owl, total, *_ = prints("stats", "--category", "webmail").splitlines()
    assert heading.split() == ["service", *Counts._fields]
    assert owl.split() == ["owl", *"--------1"] and total.split() == ["total", *"000000001"]
    assert prints("stats", "--category", "cloud_storage").endswith("\nnothing is known of 0 enforced services\n")


def test_stale_lists_the_oldest_first(call: Any) -> None:
    code, printed = call("stale")
    lines = " ".join(printed.split()).split(" the networks of ")
    by_hand = "no publisher has a list: compare it by hand, or accept it (checked_accepted)"
    assert code == 1 and lines[0] == f"owl: never checked; {by_hand}"
    assert lines[1].startswith("parrot: checked on 2024-10-21, ")
    assert call("stale", "--max-age", "36500d", "--json")[0] == 1  # owl was never checked


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "parot"), "there is no service 'parot' in this catalogue, did you mean 'parrot'?"),
        (("refresh", "x"), "publishers.yml has no list 'x'"),
        (("list", "--dir", "/nonexistent"), "/nonexistent is not a directory"),
    ],
)
def test_a_wrong_name_is_refused(call: Any, words: tuple[str, ...], said: str) -> None:
    code, printed = call(*words)
    assert code == 2 and said in printed


LIST = "new.example www.new.example parrot.example cdn.example toys.example parrot.test.example google.com"


def test_propose_leaves_out_what_is_known_or_decided(prints: Any, call: Any, catalog: Path, tmp_path: Path) -> None:
    listed, theirs = tmp_path / "list", tmp_path / "theirs"
    listed.write_text("# names\n" + LIST.replace(" ", "\n"))
    theirs.mkdir()
    words = ("propose", "parrot", str(listed), "--source", "a list, 2026-11-26", "--dir", str(theirs))
    code, printed = call(*words)
    assert code == 0 and yaml.safe_load((theirs / "amends/parrot.yml").read_text()) == {
        "amends": "parrot",
        "accept": {"domains": ["parrot.test.example"]},
        "add": {"domains": ["new.example"]},
        "sources": ["a list, 2026-11-26"],
    }
    left = ("toys.example: refused: merchandise", "cdn.example: shared: everybody's", "google.com: it carries search")
    assert all(f"left out {one}" in printed for one in left)
    amended = load([catalog, theirs]).services["parrot"].domains
    assert amended == ("parrot.example", "parrot.test.example", "new.example")
    assert prints(*words).endswith("nothing to add to parrot\n")
    listed.write_text("another.example\n")
    code, printed = call(*words)
    assert code == 2 and "is there already; add these under add.domains: another.example" in printed


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("domain:a.example\nfull:b.example @ads\n", ["a.example", "b.example"]),
        ("||a.example^\n0.0.0.0 b.example\n*.c.example\n", ["a.example", "b.example", "c.example"]),
        ("A.Example.\nnot a name\n<html>\n\x1b[31m.example\n", ["a.example"]),
        ("", []),
    ],
)
def test_lists_are_read_in_the_forms_that_there_are(text: str, names: list[str]) -> None:
    assert names_of(text) == names


@pytest.mark.parametrize(
    ("name", "how", "said"),
    [
        ("www.parrot.test.example", "blocks", "parrot.test.example of Parrot comes from {ours}/amends/parrot.yml."),
        ("cdn.example", "shares", "Parrot leaves cdn.example open: everybody's pictures lie there."),
        ("toys.example", "refused", "Parrot leaves toys.example open: merchandise."),
        ("a.finch.example", "blocks", ""),
    ],
)
def test_explain_says_where_a_value_comes_from_and_why_a_name_is_open(
    catalog: Path, name: str, how: str, said: str
) -> None:
    ours = catalog.parent / "ours"
    about = subject(read(name), load([catalog, ours]))
    assert [one.how for one in about.relations] == [how]
    assert said.format(ours=ours) in " ".join(remarks(about))
