"""The requests of all hosts in their file: what a run brings, what it takes back, and what it cannot say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.report.storage.requests_file import Request, read, take

EMPTY = '{"schema":"proscribe/requested/1"}\n'
FIRST = Request("web01", "a1", "wong", "parrot", "calls", "2026-11-25T08:00:00Z", "inv", "run1")
SECOND = Request("web02", "a1", "bob", "line", "", "2026-11-25T07:00:00Z", "inv", "run1")
SAME_TIME = FIRST._replace(host="web02", service="zoom")


def record(host: str, *requests: Request, rules: int = 1) -> Any:
    said = [{key: getattr(one, key) for key in ("id", "user", "service", "reason", "at")} for one in requests]
    return {"host": host, "rules_evaluated": rules, **({"requests": said} if said else {})}


def run(id_: str = "run2", **more: Any) -> Any:
    return {"run": {"id": id_, "inventory": ["inv/"], "left_out": 0, **more}}


def text(*requests: Request) -> str:
    return EMPTY + "".join(json.dumps(one._asdict(), separators=(",", ":")) + "\n" for one in requests)


@pytest.mark.parametrize(
    ("report", "records", "expected"),
    [
        pytest.param(run(), [], [], id="both hosts are gone from the inventory"),
        pytest.param(run(left_out=1), [], [SECOND, FIRST], id="a run over a part says nothing of others"),
        pytest.param(run(inventory=["other"]), [], [SECOND, FIRST], id="nor does one of another inventory"),
        pytest.param(run(), [record("web01")], [], id="it answered and requests nothing any more"),
        pytest.param(run(), [record("web01", rules=0)], [FIRST], id="it did not answer"),
        pytest.param(run(), [record("web01", SECOND, rules=0)], [FIRST], id="what it says then counts for nothing"),
        pytest.param(run(controls=["dns"]), [record("web01"), record("web02")], [SECOND, FIRST], id="without apps"),
        pytest.param(
            run("run2"),
            [record("web02", SECOND, SAME_TIME), record("web01", FIRST._replace(reason="more calls"))],
            [SECOND, FIRST._replace(reason="more calls"), SAME_TIME._replace(run="run2")],
            id="known ones keep the run that brought them, and new ones come by their time",
        ),
    ],
)
def test_what_becomes_of_known_requests(tmp_path: Path, report: Any, records: Any, expected: list[Request]) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text(text(SECOND, FIRST))
    assert take(tmp_path, report, records) == ""
    assert file.read_text() == text(*expected)
    assert read(tmp_path) == expected


def test_nothing_is_written_where_nothing_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    assert (take(tmp_path, run(), [record("web01")]), file.exists(), read(tmp_path)) == ("", False, [])
    assert take(tmp_path, run("run1"), [record("web02"), record("web01", FIRST)]) == ""
    before = file.stat().st_ino
    take(tmp_path, run(), [record("web01", FIRST)])
    assert (read(tmp_path), file.stat().st_ino) == ([FIRST], before)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", " cannot be read (ValueError: "),
        ("5\n", " cannot be read (TypeError: "),
        ("{}\n", " cannot be read (KeyError: 'schema')"),
        ('{"schema":"proscribe/requested/1"}\n{"host":"web01"}\n', " cannot be read (KeyError: 'id')"),
        ('{"schema":"x"}\n', ": schema is 'x', expected 'proscribe/requested/1'"),
        ("{\n", ""),
    ],
)
def test_a_file_that_cannot_be_read_is_begun_anew(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text(content)
    if said and content:
        with pytest.raises(ValueError, match=r"requests\.jsonl") as wrong:
            read(tmp_path)
        assert str(wrong.value).startswith(f"{file}{said}")
    assert take(tmp_path, run(controls=["dns"]), []).endswith("; requests that no later run brings are lost")
    assert file.read_text() == content
    assert take(tmp_path, run(), []).endswith("; requests that no later run brings are lost")
    assert file.read_text() == EMPTY


def test_a_host_can_make_up_ids_but_no_other_hosts_requests(tmp_path: Path) -> None:
    alike = [FIRST, FIRST._replace(user="mallory"), FIRST._replace(id="b2"), FIRST._replace(host="web09")]
    assert len({one.key for one in alike}) == 4
    take(tmp_path, run("run1"), [record("web01", *alike[:3]), record("web09", alike[3])])
    assert read(tmp_path) == sorted(alike, key=lambda one: (one.at, one.key))
