"""The requests of all hosts in their file: what a run brings, what it takes back, and what it cannot say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.report.storage.requests_file import Request, read, take

EMPTY = '{"schema":"proscribe/requested/1"}\n'
FIRST = Request("web01", "a1", "wong", "parrot", "calls", "2026-11-25T08:00:00Z", "inv", "run1")


def record(host: str, *requests: Request, rules: int = 1) -> Any:
    said = [{key: getattr(one, key) for key in ("id", "user", "service", "reason", "at")} for one in requests]
    return {"host": host, "rules_evaluated": rules, **({"requests": said} if said else {})}


def run(id_: str = "run2", **more: Any) -> Any:
    return {"run": {"id": id_, "inventory": ["inv/"], "left_out": 0, **more}}


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
