"""What commands print fits the screen: 80 columns where nothing says how wide it is, and never fewer than 40."""

from __future__ import annotations

import datetime
import os
import subprocess
from pathlib import Path

import pytest
from made_policy import question
from printed import too_wide
from proscribe.controller.cli import command_line, inventory, say
from proscribe.controller.report.text import layout

ROOT = Path(__file__).resolve().parents[3]
LAUNCHER = ROOT / "proscribe"
SHOWN = [
    ["catalog", "list"],
    ["catalog", "stats"],
    ["catalog", "show", "whatsapp"],
    ["catalog", "stale", "--max-age", "1d"],
    ["catalog", "check"],
    ["explain", "parrot"],
    ["explain", "web.parrot.example"],
    ["explain", "nobody.example"],
    ["waiver", "list"],
    ["waiver", "verify"],
    ["waiver", "new", "--service", "parrot"],
    ["requests"],
    ["report", "--run", "nosuch"],
    ["export", "rpz", "-o", "/dev/null/nowhere"],
    ["nosuch"],
]
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


@pytest.mark.parametrize("columns", ["", "40", "80", "7"])
@pytest.mark.parametrize("argv", SHOWN, ids=" ".join)
def test_a_command_fits_the_screen(
    argv: list[str], columns: str, policy: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    command_line.main(argv)
    printed = capsys.readouterr()
    assert too_wide(printed.out + printed.err, max(int(columns or 80), 40)) == []
    assert printed.out + printed.err


@pytest.mark.parametrize("place", [".", "/srv/infra/proscr", "/srv/policy/main", f"/srv/{'deep/' * 20}proscribe"])
@pytest.mark.parametrize("argv", HELPED, ids=" ".join)
def test_help_fits_the_screen(
    argv: list[str], place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("PROSCRIBE_CALLED", f"{place}/proscribe")
    with pytest.raises(SystemExit):
        command_line.main([*argv, "--help"])
    assert too_wide(capsys.readouterr().out, 80) == []


@pytest.mark.parametrize("argv", [["--help"], ["audti"]])
def test_the_launcher_fits_the_screen(argv: list[str]) -> None:
    done = subprocess.run(
        [LAUNCHER, *argv], capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "80"}
    )
    assert too_wide(done.stdout + done.stderr, 80) == []


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


def test_a_warning_has_room_for_the_label_that_ansible_puts_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert layout.warning("few") == "few"
    said = f"[WARNING]: {layout.warning('a catalogue that nobody has checked for long ' * 3)}"
    assert max(map(len, said.splitlines())) <= 40 and len(said.splitlines()) > 2
