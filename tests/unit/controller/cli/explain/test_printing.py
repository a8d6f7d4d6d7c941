"""What explain prints and says to machines, as a whole: names, addresses, programs, files over hosts that differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from made_policy import NOW, WAIVER, question
from proscribe.controller.cli.explain import answering, printing
from proscribe.controller.cli.explain.facts import Facts
from proscribe.controller.cli.explain.question import read
from proscribe.controller.compile.plans.hosts import Compiled, compile_hosts
from recording import compare, fold, join_files

RECORDED = Path(__file__).parents[3] / "recorded/cli"
QUESTIONS = (
    *("parrot", "https://pages.example/parrot/x", "198.51.100.0/23"),
    *("example.parrot.Parrot", "abcdefghijklmnopabcdefghijklmnop"),
)
FED = [{"format": name, "directory": f"/srv/{name}"} for name in ("rpz", "nft")]
HOSTS: dict[str, dict[str, Any]] = {
    "press01": {},
    "press02": {},
    "fin01": {"tenants": {"google": ["example.org"]}, "exports_fed": FED, "services_exclude": ["owl"]},
    "lab01": {"controls": {"browser": "audit", "dns": "off", "firewall": "off"}},
    "mac01": {"watch": "5m"},
}
GROUPS = {"press": ["press01", "press02"], "finance": ["fin01"], "lab": ["lab01"]}
AT = "2026-11-24T05:00:00Z"
KNOWN = {
    "press01": Facts("debian", frozenset({"dpkg"}), frozenset({"nix"}), frozenset({"firefox"}), AT, "compliant", AT),
    "fin01": Facts(
        "debian",
        frozenset({"dpkg", "flatpak"}),
        None,
        frozenset({"chrome"}),
        "2026-11-23T05:00:00Z",
        "not_applicable",
        AT,
    ),
    "mac01": Facts("macos"),
}


@pytest.fixture
def compiled(tmp_path: Path) -> Compiled:
    folder = tmp_path / "inventory"
    made = question(folder, HOSTS, **GROUPS)
    (folder / "waivers").mkdir()
    (folder / "approvers.yml").write_text("press: {head: b}\n")
    for change in ({}, {"id": "w2", "hosts": ["press02"], "expires": "2026-11-02T00:00:00Z"}):
        waiver = {**WAIVER, **change}
        (folder / "waivers" / f"{waiver['id']}.yml").write_text(yaml.safe_dump(waiver))
    return compile_hosts(made, NOW)


def test_what_is_printed_of_each_question(compiled: Compiled) -> None:
    answers = {word: answering.explain(read(word), compiled, KNOWN) for word in QUESTIONS}
    shown = {word: printing.render(*answer, 110, False) for word, answer in answers.items()}
    shown["narrow, in colours"] = printing.render(*answers["example.parrot.Parrot"], 50, True)
    told = json.dumps(printing.as_json(*answers["https://pages.example/parrot/x"]))
    shown["JSON"] = fold(told.replace("}, {", "},\n{"), 120)
    compare(RECORDED / "explain.printed.txt", join_files(shown))
