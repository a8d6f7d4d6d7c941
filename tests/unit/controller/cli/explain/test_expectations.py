"""`explain --expect`: a policy is tested by a table that people can read, and no row of it is met unseen."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from made_policy import NOW, question
from proscribe.controller.cli import explain, inventory
from proscribe.controller.cli.explain import answering, expectations
from proscribe.controller.cli.explain.expectations import Difference, Result
from proscribe.controller.compile.plans.hosts import compile_hosts
from proscribe.controller.policy_errors import PolicyErrors

HOSTS = {"press01": {}, "fin01": {}, "lab01": {"controls": {"browser": "audit", "dns": "off", "firewall": "off"}}}
GROUPS = {"press": ["press01"], "lab": ["lab01"], "empty": []}


def compared(folder: Path, text: str, only: tuple[str, ...] = tuple(HOSTS)) -> list[Result]:
    question_ = question(folder, {host: HOSTS[host] for host in only}, **GROUPS)
    file = folder / "expectations.yml"
    file.write_text(text)
    return answering.compare(file, question_.groups, compile_hosts(question_, NOW))


@pytest.mark.parametrize(
    ("row", "differences"),
    [
        ("all: {blocked: [parrot.example]}", (Difference("audited", ("lab01",), "below parrot.example, of Parrot"),)),
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
        ("{}", ":1", "at least one name"),
        ("pres: {open: [a.example]}", ":1: pres", "a group or a host, did you mean 'press'"),
        ("all: [a.example]", ":1: all", "a mapping with keys out of blocked, depends"),
        ("all:\n  closed: [a.example]", ":2: all.closed", "one of blocked, depends"),
        ("all: {open: a.example}", ":1: all.open", "a list of names"),
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
