"""How requests are answered on the controller: refusals on disk, answers in plans, signatures of waivers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.compile.waivers.authority import read_register
from proscribe.controller.compile.waivers.refusals import FILE, Refusal, alone, read_refusals, with_one_more
from proscribe.controller.compile.waivers.request_answers import MOST, refused_by_host, with_answers
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.controller.report.storage import requests_file

ONE = Refusal("0" * 16, "press01", "wong", "whatsapp", "no", "head", "2026-11-25T08:00:00Z")
LINE = json.dumps(ONE._asdict())


def test_what_is_refused_is_read_back(tmp_path: Path) -> None:
    other = ONE._replace(user="chan", on="2026-11-24T08:00:00Z")
    with alone(tmp_path):
        (tmp_path / FILE).write_bytes(with_one_more(tmp_path / FILE, ONE))
        (tmp_path / FILE).write_bytes(with_one_more(tmp_path / FILE, other))
    assert read_refusals([tmp_path, tmp_path / "none"]) == [other, ONE]


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "1", "[" * 5000, LINE.replace('"no"', '""'), LINE.replace('"no"', '"\\n"'), '{"id": "x"}']
)
def test_a_line_that_is_no_refusal_is_a_mistake_with_its_number(tmp_path: Path, line: str) -> None:
    (tmp_path / FILE).write_text(f"{LINE}\n{line}\n")
    with pytest.raises(PolicyErrors, match="refused.jsonl:2"):
        read_refusals([tmp_path])


BODY = {"schema": "proscribe/plan/1", "controls": {}}


def test_a_refusal_is_in_what_the_plan_of_its_host_consists_of() -> None:
    refused = refused_by_host([ONE])
    assert with_answers(BODY, refused["press01"], [])["answers"][ONE.id]["why"] == "no"
    assert "press02" not in refused
    assert with_answers(BODY, {}, []) == BODY


def test_the_newest_refusals_of_a_host_are_in_its_plan() -> None:
    many = [ONE._replace(id=f"{number:016x}") for number in range(MOST + 5)]
    assert [*refused_by_host(many)["press01"]] == [one.id for one in many[5:]]


@pytest.mark.parametrize(
    ("mail", "good"),
    [("head@example.org", True), ("", True), ("-oX@example.org", False), ("a@b c", False), ("a@b\\nBcc: c", False)],
)
def test_an_address_of_a_head_is_one_address(tmp_path: Path, mail: str, good: bool) -> None:
    (tmp_path / "approvers.yml").write_text(f'press: {{head: head.of.press, mail: "{mail}"}}\n')
    groups = {"press": frozenset({"press01"})}
    if good:
        assert read_register([tmp_path], groups)["press"].mail == mail
    else:
        with pytest.raises(PolicyErrors, match="one mail address"):
            read_register([tmp_path], groups)


REQUEST = {"id": "a" * 16, "user": "wong", "service": "whatsapp", "reason": "r", "at": "2026-11-25T08:00:00Z"}


def run(id_: str, **more: Any) -> dict[str, Any]:
    return {"run": {"id": id_, "inventory": ["inv"], **more}}


def record(host: str, *requests: dict[str, str], evaluated: int = 5) -> dict[str, Any]:
    return {"host": host, "rules_evaluated": evaluated, **({"requests": [*requests]} if requests else {})}


def stored(reports: Path) -> list[tuple[str, str]]:
    return [(one.host, one.run) for one in requests_file.read(reports)]


def test_a_request_stays_while_its_host_is_silent_and_goes_when_it_is_gone(tmp_path: Path) -> None:
    requests_file.take(tmp_path, run("1"), [record("a", REQUEST), record("b", REQUEST)])
    assert stored(tmp_path) == [("a", "1"), ("b", "1")]
    requests_file.take(tmp_path, run("2"), [record("a", REQUEST), record("b", evaluated=0)])
    assert stored(tmp_path) == [("a", "1"), ("b", "1")]
    requests_file.take(tmp_path, run("3", controls=["dns"]), [record("a")])
    assert stored(tmp_path) == [("a", "1"), ("b", "1")]
    requests_file.take(tmp_path, run("4", limit="a"), [record("a")])
    assert stored(tmp_path) == [("b", "1")]
    requests_file.take(tmp_path, run("5", left_out=[]), [record("a")])  # b has left the inventory
    assert stored(tmp_path) == []


def test_runs_without_requests_write_nothing(tmp_path: Path) -> None:
    assert requests_file.take(tmp_path, run("1"), [record("a")]) == ""
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["", "{", '{"schema": "x"}', '{"schema": "proscribe/requested/1"}\n{}'])
def test_a_damaged_file_is_reported_and_made_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / requests_file.FILE).write_text(content)
    wrong = requests_file.take(tmp_path, run("1"), [record("a", REQUEST)])
    assert (bool(wrong), stored(tmp_path)) == (bool(content) or bool(wrong), [("a", "1")])
