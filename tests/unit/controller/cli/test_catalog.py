"""`./proscribe catalog`: what it says of a catalogue, and what `explain` says of where a value comes from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_catalog import written
from proscribe.controller.cli import command_line as launcher


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


def test_check_names_what_no_load_refuses(call: Any, catalog: Path) -> None:
    code, printed = call("check")
    said = [line.partition(".yml: ")[2] for line in printed.splitlines()[:-1]]
    assert (code, said) == (
        1,
        ["owl: is enforced, and no control has anything to look for", "owl: says no day of checking (checked)"],
    )
    assert printed.endswith("2 problems in 2 services; 1 known-good names\n")


DOORS, DOMAINS = "front_doors:\n  - parrot.example\n", "domains:\n  - parrot.example\n"


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({}, []),
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


def test_stats_count_and_name_what_nothing_is_known_of(prints: Any) -> None:
    found = json.loads(prints("stats", "--json"))
    parrot = found["services"]["parrot"]
    assert {key: value for key, value in parrot.items() if value} == {
        "seen": 1, "removed": 1, "blocked": 1, "networks": 1, "feeds": 1, "windows": 1, "unverified": 1,
    }  # fmt: skip
    assert found["nothing_known"] == ["owl"] and found["total"]["blocked"] == 1
    assert prints("stats").endswith("\nnothing is known of 1 enforced services: owl\n")


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
