"""`explain --expect`: a policy is tested by a table that people can read, and no row of it is met unseen."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from made_policy import NOW, question
from proscribe.controller.cli import explain, inventory
from proscribe.controller.cli.explain import answering, expectations
from proscribe.controller.cli.explain.expectations import Difference, Expectation, Result
from proscribe.controller.compile.plans.hosts import compile_hosts
from proscribe.controller.policy_errors import PolicyErrors

HOSTS = {"press01": {}, "fin01": {}, "lab01": {"controls": {"browser": "audit", "dns": "off", "firewall": "off"}}}
GROUPS = {"press": ["press01"], "lab": ["lab01"], "empty": []}


def compared(folder: Path, text: str, only: tuple[str, ...] = tuple(HOSTS)) -> list[Result]:
    question_ = question(folder, {host: HOSTS[host] for host in only}, **GROUPS)
    file = folder / "expectations.yml"
    file.write_text(text)
    return answering.compare(file, question_.groups, compile_hosts(question_, NOW))


def test_each_row_is_what_explain_answers_on_its_hosts(tmp_path: Path) -> None:
    results = compared(
        tmp_path,
        """
all:
  open: [www.example.org, google.com]
press:
  blocked: [parrot.example, https://pages.example/parrot, 198.51.100.7]
lab01:
  audited: [parrot.example]
""",
    )
    assert [result.expectation.name for result in results if result.differences] == []
    assert len(results) == 6


@pytest.mark.parametrize(
    ("row", "differences"),
    [
        (
            "all: {blocked: [parrot.example]}",
            (Difference("audited", ("lab01",), "below parrot.example, of Parrot"),),
        ),
        ("press: {open: [owl.example]}", (Difference("blocked", ("press01",), "owl.example itself, of Owl"),)),
        ("press: {blocked: [example.org]}", (Difference("open", ("press01",), ""),)),
        ("empty: {open: [example.org]}", (Difference("no answer", (), "no host of empty is in question"),)),
    ],
)
def test_what_differs_says_where_and_why(tmp_path: Path, row: str, differences: tuple[Difference, ...]) -> None:
    ((_, found),) = compared(tmp_path, row)
    assert [(one.answer, one.hosts) for one in found] == [(one.answer, one.hosts) for one in differences]
    assert all(bool(one.why) == bool(due.why) for one, due in zip(found, differences))


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("[a]", ":1", "a mapping: all, a group or a host"),
        ("{}", ":1", "at least one name"),
        ("pres: {open: [a.example]}", ":1: pres", "a group or a host, did you mean 'press'"),
        ("all: [a.example]", ":1: all", "a mapping with keys out of blocked, depends"),
        ("all:\n  closed: [a.example]", ":2: all.closed", "one of blocked, depends"),
        ("all: {open: a.example}", ":1: all.open", "a list of names"),
        ("all: {open: ['']}", ":1: all.open", "a list of names"),
        ("all:\n  open:\n    - example.org\n    - no-such-program", ":4: all.open[1]", "a host, a URL, an address"),
        ("all: {open: [!x a]}", ":1", "a value without a tag"),
        ("all: &a {open: [a.example]}\nlab: *a", ":1", "the value itself"),
    ],
)
def test_a_mistake_names_its_line_and_what_was_expected(tmp_path: Path, text: str, place: str, expected: str) -> None:
    with pytest.raises(PolicyErrors) as wrong:
        compared(tmp_path, text)
    (error,) = wrong.value.errors
    assert f"expectations.yml{place}" in str(error)
    assert expected in str(error)


def test_the_table_and_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    question_ = question(tmp_path, HOSTS, **GROUPS)
    monkeypatch.setattr(inventory, "question", lambda arguments: question_)
    monkeypatch.setenv("PROSCRIBE_REPORTS", str(tmp_path / "reports"))
    file = tmp_path / "expectations.yml"

    def ended(text: str, *options: str) -> int:
        file.write_text(text)
        parser = argparse.ArgumentParser()
        explain.add_arguments(parser)
        return explain.run(parser.parse_args(["--expect", str(file), "--at", NOW.isoformat(), *options]))

    assert ended("press:\n  blocked: [owl.example]\n  open: [example.org]") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{file}: 2 of 2 names as expected",
        "",
        "press  blocked  owl.example",
        "press  open     example.org",
    ]
    assert ended("press: {open: [owl.example]}") == 1
    assert capsys.readouterr().out.splitlines()[2:4][0] == "press  open  owl.example: not as expected"
    assert ended("press: {open: [owl.example]}", "--json") == 1
    printed = json.loads(capsys.readouterr().out)
    assert (printed["schema"], printed["met"]) == (expectations.SCHEMA, False)
    assert printed["results"][0]["differences"][0]["hosts"] == ["press01"]


@pytest.mark.parametrize("options", [[], ["example.org", "--expect", "x.yml"]])
def test_it_is_one_name_or_a_file(options: list[str]) -> None:
    parser = argparse.ArgumentParser()
    explain.add_arguments(parser)
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(options)


ROWS = [
    Result(Expectation("all", "blocked", "owl.example", ("all", "blocked", 0)), ()),
    Result(
        Expectation("press\x1b", "open", "a\x1b.example", ("press", "open", 0)),
        (Difference("blocked", ("h1", "h2", "h3", "h4", "h5"), "a\x1b reason"), Difference("audited", ("h6",), "")),
    ),
    Result(Expectation("empty", "waived", "b.example", ("empty", "waived", 0)), (Difference("no answer", (), "why"),)),
]


def test_a_table_says_who_answers_otherwise_and_why() -> None:
    assert expectations.render("a\x1b.yml", ROWS, 80).splitlines() == [
        "a\N{REPLACEMENT CHARACTER}.yml: 1 of 3 names as expected",
        "",
        "all     blocked  owl.example",
        "press\N{REPLACEMENT CHARACTER}  open     a\N{REPLACEMENT CHARACTER}.example: not as expected",
        "  blocked on h1, h2, h3 and 2 more: a\N{REPLACEMENT CHARACTER} reason",
        "  audited on h6",
        "empty   waived   b.example: not as expected",
        "  no answer: why",
    ]
    assert max(map(len, expectations.render("a.yml", ROWS, 40).splitlines())) <= 40
    assert expectations.render("a.yml", ROWS[:1], 80).splitlines()[0] == "a.yml: 1 of 1 name as expected"


def test_programs_read_the_same() -> None:
    said = expectations.as_json("a.yml", ROWS[1:2])
    different = [
        {"answer": "blocked", "hosts": ["h1", "h2", "h3", "h4", "h5"], "why": "a\x1b reason"},
        {"answer": "audited", "hosts": ["h6"], "why": ""},
    ]
    row = {"hosts": "press\x1b", "expected": "open", "name": "a\x1b.example", "differences": different}
    assert said == {"schema": expectations.SCHEMA, "file": "a.yml", "met": False, "results": [row]}
    assert expectations.as_json("a.yml", ROWS[:1])["met"] is True
