"""A host that pulls runs nothing out of a state directory that somebody else could change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from proscribe.host.programs.pulling import pull


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pull, "STATE", str(tmp_path / "pull"))
    monkeypatch.setattr(pull, "RECORD", str(tmp_path / "record.json"))
    monkeypatch.setattr(pull, "run", lambda *_: pytest.fail("something was run"))
    (tmp_path / "pull.json").write_text(json.dumps({"repository": "", "directory": "/nowhere", "host": "web01"}))
    return tmp_path / "pull"


def test_a_link_is_refused(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (state.parent / "elsewhere").mkdir(mode=0o700)
    state.symlink_to("elsewhere")
    assert pull.main(str(state.parent / "pull.json")) == 77
    assert list((state.parent / "elsewhere").iterdir()) == []


def test_a_file_that_others_can_change_is_refused_and_the_record_has_the_reason(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout, settings = state.parent / "checkout", state.parent / "pull.json"
    (checkout / "roles").mkdir(parents=True)
    (checkout / "roles").chmod(0o777)
    content = {"repository": "", "directory": str(checkout), "host": "web01", "paths": [str(checkout)]}
    settings.write_text(json.dumps(content))
    record, error = state.parent / "record.json", {"control": "dns", "message": "an earlier one"}
    assert pull.main(str(settings)) == 77
    assert not record.exists(), "a host that has not reported yet is unknown"
    record.write_text(json.dumps({"host": "web01", "checked_at": "2026-11-01T00:00:00Z", "errors": [error]}))
    for _ in range(2):
        assert pull.main(str(settings)) == 77
    printed = capsys.readouterr().err
    assert f"{checkout}/roles (of " in printed and "can be changed by everybody; nothing was run" in printed
    stored = json.loads(record.read_text())
    assert stored["checked_at"] == "2026-11-01T00:00:00Z" and stored["errors"][0] == error
    (refusal,) = stored["errors"][1:]
    assert refusal["control"] == "run" and f"chmod -R go-w {checkout}/roles" in refusal["message"]
