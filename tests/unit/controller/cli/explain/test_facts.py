"""What is known of hosts comes from what they last answered, and what is not known is not guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from made_policy import NOW, question
from proscribe.controller.cli.explain import answering, printing
from proscribe.controller.cli.explain.facts import MOST_RUNS, NOTHING, Facts, known
from proscribe.controller.cli.explain.question import read
from proscribe.controller.compile.plans.hosts import compile_hosts

DEBIAN = {"os": "debian", "version": "13"}


def report(reports: Path, id_: str, *records: dict[str, Any]) -> None:
    (reports / id_).mkdir(parents=True)
    (reports / id_ / "report.json").write_text('{"run": {}}')
    lines = [json.dumps({"rules": [], "checked_at": "2026-11-25T08:00:00Z", **record}) for record in records]
    (reports / id_ / "hosts.jsonl").write_text("".join(f"{line}\n" for line in lines))


def test_each_fact_is_that_of_the_newest_record_that_has_it(tmp_path: Path) -> None:
    old = {"checked_at": "2026-11-01T08:00:00Z", "browsers": ["firefox"], "package_systems": ["dpkg", "snap"]}
    report(tmp_path, "20261101", {"host": "a", "platform": DEBIAN, **old})
    report(tmp_path, "20261125", {"host": "a", "platform": DEBIAN, "package_systems": ["dpkg"]}, {"host": "b"})
    found = known(tmp_path, ["a", "b", "c"])
    last = {"state": "unknown", "observed": "2026-11-25T08:00:00Z"}
    assert found == {
        "a": Facts("debian", frozenset({"dpkg"}), None, frozenset({"firefox"}), "2026-11-01T08:00:00Z", **last),
        "b": Facts(**last),
    }


def test_a_broken_report_says_nothing_and_few_are_read(tmp_path: Path) -> None:
    report(tmp_path, "00000000", {"host": "a", "package_systems": ["dpkg"]})
    report(tmp_path, "00000001", {"host": "b", "package_systems": ["dpkg"]})
    for number in range(2, MOST_RUNS + 1):
        report(tmp_path, f"{number:08}", {"host": "x"})
    (tmp_path / "00000002" / "hosts.jsonl").write_text("{")
    assert set(known(tmp_path, ["a", "b"])) == {"b"}
    assert known(tmp_path / "nowhere", ["a"]) == {}


def test_a_package_system_is_there_only_where_a_record_says_so() -> None:
    debian = Facts("debian", frozenset({"dpkg"}), frozenset({"nix"}), frozenset())
    assert [debian.has(key) for key in ("apt", "rpm", "flatpak")] == [True, False, False]
    assert [debian.has(key) for key in ("nix", "brew", "android")] == [True, False, False]
    assert [debian.has(key) for key in ("pip", "npm")] == [True, True]  # nobody can see that they are not there
    unseen = debian._replace(brought=None)
    assert [unseen.has(key) for key in ("rpm", "nix", "brew")] == [False, None, None]
    assert [NOTHING.has(key) for key in ("apt", "nix", "pip")] == [None, None, True]


def test_hosts_that_differ_in_what_they_have_get_answers_of_their_own(tmp_path: Path) -> None:
    compiled = compile_hosts(question(tmp_path, {"a": {}, "b": {}, "c": {}}), NOW)
    with_it = Facts("debian", frozenset({"dpkg", "flatpak"}), None, frozenset({"firefox"}), "2026-11-25T08:00:00Z")
    facts = {"a": with_it, "b": with_it._replace(managers=frozenset({"rpm"}))}
    about, groups = answering.explain(read("example.parrot.Parrot"), compiled, facts)
    assert [(group.answer, group.hosts, group.known) for group in groups] == [
        ("blocked", ("a",), 1),
        ("depends", ("c",), 0),
        ("open", ("b",), 1),
    ]
    text = printing.render(about, groups, 200, colours=False)
    assert "(package systems and browsers as of 2026-11-25 08:00 UTC)" in text
    assert "No run has observed this host yet; the answer covers every package system and browser." in text
    undated = printing.render(about, [one._replace(known=1, oldest="") for one in groups], 200, colours=False)
    assert "()" not in undated and "package systems and browsers" not in undated
    groups_ = printing.as_json(about, groups)["answers"]
    assert [one["facts"] for one in groups_] == [
        {"hosts": 1, "oldest": "2026-11-25T08:00:00Z"},
        {"hosts": 0, "oldest": None},
        {"hosts": 1, "oldest": "2026-11-25T08:00:00Z"},
    ]
