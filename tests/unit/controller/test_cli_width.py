"""What commands print fits the screen: 80 columns where nothing says how wide it is, and never fewer than 40."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from made_policy import question
from printed import too_wide
from proscribe.controller.cli import command_line, inventory, say

HELPED = [
    *([command] for command in command_line.COMMANDS),
    *(["catalog", name] for name in ("list", "show", "check", "stats", "stale", "refresh", "propose")),
    *(["waiver", name] for name in ("new", "sign", "verify", "list", "expire-soon", "revoke")),
]
WAIVER = """\
id: press-parrot-for-enquiries-of-the-public
services: [parrot]
hosts: [press01]
reason: {reason}
requested_by: alice
approved_by: head.of.press
approved_on: 2026-11-20T09:00:00+08:00
expires: {expires}
"""


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = question(tmp_path / "inventory", {"press01": {}, "press02": {}}, press=["press01", "press02"])
    (tmp_path / "inventory/waivers").mkdir()
    expires = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=9)).isoformat(timespec="seconds")
    text = WAIVER.format(reason="新闻部通过微信接收公众查询" * 9, expires=expires)
    (tmp_path / "inventory/waivers/press-parrot-for-enquiries-of-the-public.yml").write_text(text)
    monkeypatch.setattr(inventory, "question", lambda *_, **__: made)
    monkeypatch.setenv("PROSCRIBE_REPORTS", str(tmp_path / "reports"))


@pytest.mark.parametrize("place", [".", f"/srv/{'deep/' * 20}proscribe"])
@pytest.mark.parametrize("argv", HELPED, ids=" ".join)
def test_help_fits_the_screen(
    argv: list[str], place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("PROSCRIBE_CALLED", f"{place}/proscribe")
    with pytest.raises(SystemExit):
        command_line.main([*argv, "--help"])
    assert too_wide(capsys.readouterr().out, 80) == []


def test_what_is_to_be_copied_out_of_a_message_stays_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    key = f'  head.of.press namespaces="proscribe-waiver" ssh-ed25519 {"A" * 68}'
    path = f"/srv/{'deep/' * 20}allowed_signers"
    say(f"If this is the key of head.of.press, {path} needs this line:\n{key}", error=True)
    assert capsys.readouterr().err.splitlines() == [
        "If this is the key of head.of.press,",
        f"  {path}",
        "  needs this line:",
        key,
    ]
