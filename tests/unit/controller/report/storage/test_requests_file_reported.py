"""What a scheduled run reports of new requests: by the inventory's own departments, and to heads with an address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_policy import question
from proscribe.controller.cli import inventory, scheduled
from proscribe.controller.report.storage import requests_file

REQUEST = {"id": "a" * 16, "user": "wong", "service": "parrot", "reason": "Press calls", "at": "2026-11-25T08:00:00Z"}


def test_new_requests_go_to_channels_and_to_the_head_of_their_department(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    where, reports = tmp_path / "inventory", tmp_path / "reports"
    made = question(where, {"press01": {}, "fin01": {}}, press=["press01"], finance=["fin01"])
    (where / "approvers.yml").write_text("press: {head: h, mail: h@example.org}\nfinance: {head: f}\n")
    monkeypatch.setattr(inventory, "question", lambda arguments: made)
    (reports / "run1").mkdir(parents=True)

    def run_of(directory: Path) -> dict[str, Any]:
        return {"run": {"id": directory.name, "playbook": "drift", "inventory": [str(where)]}}

    monkeypatch.setattr(scheduled, "read_report", run_of)
    records = [{"host": host, "rules_evaluated": 1, "requests": [REQUEST]} for host in ("press01", "fin01")]
    requests_file.take(reports, {"run": {"id": "run1", "inventory": [str(where)]}}, records)
    notification, heads = scheduled.requests_of(reports / "run1", reports, ["-i", str(where)])
    assert notification is not None and "2 new requests" in notification.subject
    assert "wong on fin01 (finance) requests parrot" in notification.text
    assert f"requests -i {where}" in notification.text
    assert [head["mail"] for head in heads] == ["h@example.org"]
    assert "press01" in heads[0]["message"] and "fin01" not in heads[0]["message"]
    assert scheduled.requests_of(reports / "run2", reports, []) == (None, [])
    (reports / requests_file.FILE).write_text("{")
    assert scheduled.requests_of(reports / "run1", reports, []) == (None, [])
    assert "new requests are not reported" in capsys.readouterr().err
