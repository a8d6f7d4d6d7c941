"""`./proscribe diff REVISION` shows what decides on exceptions: approvers, their keys, and whole waivers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from proscribe.controller.cli import command_line
from proscribe.wire import installation

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIJxA07LLRlQ0vtNWgOHcZyxBmTXyEvlBv8/7rjIeXaFb"
SIGNERS = f'# the approvers\nhead.of.press namespaces="proscribe-waiver" ssh-ed25519 {KEY} her laptop\n'
WAIVER = """\
id: press-whatsapp
services: [whatsapp]
hosts: [press01]
reason: Press enquiries come in there
requested_by: chan.tai.man
approved_by: head.of.press
approved_on: 2026-11-20T09:00:00Z
expires: {expires}
"""
BEFORE = {
    "hosts.yml": "press: {hosts: {press01: {}}}\n",
    "group_vars/all.yml": "proscribe_categories: [webmail]\nproscribe_waiver_max_days: 3660\n",
    "approvers.yml": "press: {head: head.of.press}\n",
    "allowed_signers": SIGNERS,
    "waivers/press-whatsapp.yml": WAIVER.format(expires="2035-12-31T18:00:00Z"),
}


def run_git(top: Path, *words: str) -> None:
    author = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(top), *author, *words], check=True, capture_output=True)


def write_files(top: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """A repository with one commit, and an inventory in it."""
    place = tmp_path / "policy"
    write_files(place, BEFORE)
    run_git(tmp_path, "init", "--quiet", str(place))
    run_git(place, "add", "-A")
    run_git(place, "commit", "--quiet", "-m", "the policy")
    return place


def run_diff(inventory: Path, *options: str) -> int:
    project = ("--as-now", str(installation.ROOT))
    return command_line.main(["diff", "HEAD", "-i", str(inventory / "hosts.yml"), *project, *options])


def test_a_waiver_is_shown_with_its_end_and_approver(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_files(inventory, {"waivers/press-whatsapp.yml": WAIVER.format(expires="2036-10-31T18:00:00Z")})
    assert run_diff(inventory) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "- press-whatsapp: " in text and "until 2035-12-31 18:00:00 UTC" in text
    assert "+ press-whatsapp: " in text and "until 2036-10-31 18:00:00 UTC: everybody may use whatsapp" in text
    assert text.count("approved by head.of.press") == 2


def test_a_new_approver_stands_before_any_host(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A comment is cut at its end, so a long list of changed hosts cannot hide it."""
    write_files(
        inventory,
        {
            "approvers.yml": "press: {head: mallory}\n",
            "group_vars/all.yml": "proscribe_categories: [cloud_storage]\nproscribe_waiver_max_days: 3660\n",
        },
    )
    assert run_diff(inventory) == 1
    text = capsys.readouterr().out
    assert text.index("+ press: head mallory") < text.index("1 host (")


def test_a_limit_compares_hosts_alone(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_files(inventory, {"approvers.yml": "press: {head: mallory}\n"})
    assert run_diff(inventory, "--limit", "press01", "--json") == 0
    assert json.loads(capsys.readouterr().out)["exceptions"] == []
