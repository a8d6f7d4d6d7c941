"""`export`: from an inventory to a directory, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from proscribe.controller.cli.command_line import main
from proscribe.controller.enforcement_points.registry import FORMATS

INVENTORY = """\
all:
  vars:
    proscribe_hosts: "all:!guests:!empty"
    proscribe_categories: [instant_messaging]
    proscribe_exports_fed: [rpz, nft]
  children:
    office:
      hosts:
        desk1: {}
        win1: {ansible_connection: winrm}
    guests:
      hosts:
        guests-devices: {}
    kiosks:
      hosts:
        kiosk1: {proscribe_categories: [webmail]}
    empty: {}
"""
AT = ["--at", "2026-11-27T08:00:00Z"]


@pytest.fixture
def inventory(tmp_path: Path) -> list[str]:
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    return ["-i", str(tmp_path / "hosts.yml")]


def manifest(directory: Path) -> dict:
    return json.loads((directory / "manifest.json").read_text())


def test_a_group_whether_it_is_served_or_not(inventory, tmp_path, capsys):
    for group, hosts in {"office": ["desk1", "win1"], "guests": ["guests-devices"]}.items():
        out = tmp_path / group
        assert main(["export", "rpz", *inventory, "--group", group, "-o", str(out), *AT]) == 0
        said = manifest(out)
        assert (said["format"], said["group"], said["hosts"]) == ("rpz", group, hosts)
        assert said["at"] == "2026-11-27T08:00:00Z"
        assert "dns/whatsapp" in said["included"]
        assert "dns/gmail" not in said["included"]
    printed = capsys.readouterr().out
    assert "for 2 hosts of group office" in printed
    assert "Not as on hosts (manifest.json has all of it):" in printed


def test_explain_answers_for_the_audience_of_an_export_that_runs_leave_out(inventory, capsys):
    assert main(["explain", "whatsapp.com", *inventory, "--limit", "guests-devices", *AT]) == 1
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert "proscribe_hosts is 'all:!guests:!empty'" in first and "as an audience" in first
    assert second.startswith("whatsapp.com (WhatsApp: whatsapp): policy: blocked on guests-devices")
    assert main(["explain", "whatsapp.com", *inventory, "--limit", "guests-devices", "--json", *AT]) == 1
    assert json.loads(capsys.readouterr().out)["audience"] is True


@pytest.fixture
def waived(inventory, tmp_path):
    """A waiver of both hosts of the office for one service, which ends."""
    (tmp_path / "approvers.yml").write_text("office: {head: head}\n")
    (tmp_path / "waivers").mkdir()
    (tmp_path / "waivers/w1.yml").write_text(
        "{id: w1, services: [telegram], controls: [dns], groups: [office], reason: r, requested_by: a,"
        " approved_by: head, approved_on: 2026-11-01T00:00:00Z, valid_from: 2026-11-01T00:00:00Z,"
        " expires: 2026-12-24T18:00:00Z,"
        " risk: r, compensating_controls: [c], ticket: t}\n"
    )
    return inventory


def test_an_export_says_until_when_it_is_valid_and_a_check_whether_it_is_what_would_be_written(
    waived, tmp_path, capsys
):
    out = tmp_path / "out"
    export = ["export", "rpz", *waived, "--group", "office", "-o", str(out)]
    assert main([*export, *AT]) == 0
    assert manifest(out)["valid_until"] == "2026-12-24T18:00:00Z"
    assert b"as of 2026-11-27T08:00:00Z, valid until 2026-12-24T18:00:00Z" in (out / "proscribe.rpz").read_bytes()
    capsys.readouterr()
    assert main([*export, "--check", "--at", "2026-12-24T17:59:59Z"]) == 0
    plan = manifest(out)["plan"][:19]
    assert f"up to date, export rpz as of 2026-11-27T08:00:00Z, plan {plan}\n" in capsys.readouterr().out
    assert main([*export, "--check", "--at", "2026-12-24T18:00:00Z"]) == 3
    printed = capsys.readouterr().out
    assert "it was valid until 2026-12-24T18:00:00Z" in printed and "another content by the policy of now" in printed
    assert main([*export, "--at", "2026-12-25T00:00:00Z"]) == 0
    assert main([*export, "--check", "--at", "2026-12-25T00:00:00Z"]) == 0 and manifest(out)["valid_until"] is None
    (out / "proscribe.rpz").write_bytes(b"; changed by hand\n")
    assert main([*export, "--check", "--at", "2026-12-25T00:00:00Z"]) == 1
    assert "proscribe.rpz was changed, or is gone" in capsys.readouterr().out


def test_an_export_of_another_format_or_group_is_replaced_only_where_it_is_meant(inventory, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert main(["export", "rpz", *inventory, "--group", "office", "-o", out, *AT]) == 0
    for other in (["cidr", "--group", "office"], ["rpz", "--group", "kiosks"]):
        assert main(["export", *other, *inventory, "-o", out, *AT]) == 2
        assert "has an export rpz of group office; expected another directory, or --replace" in capsys.readouterr().err
        assert manifest(Path(out))["format"] == "rpz"
    assert main(["export", "cidr", "--group", "office", *inventory, "-o", out, *AT, "--replace"]) == 0
    assert main(["export", "cidr", "--group", "office", *inventory, "-o", str(tmp_path / "new"), "--check"]) == 2


def all_of(inventory: list[str], out: Path, *more: str, group: str = "office") -> int:
    return main(["export", "all", *inventory, "--group", group, "-o", str(out), *more])


def test_formats_that_are_refused_for_one_reason_are_named_together(inventory, tmp_path, capsys):
    assert main(["export", "all", *inventory, "-o", str(tmp_path / "out"), *AT]) == 2
    said = capsys.readouterr().err
    assert said.count("choose hosts that have one policy") == 4  # one for each control
    assert "cidr, ipset, nft: the hosts" in said.replace("\n", " ")
    assert not (tmp_path / "out").exists()


def test_a_tenant_without_its_id_is_refused_before_any_file_where_a_format_takes_ids_only(inventory, tmp_path, capsys):
    out, text = tmp_path / "all", (tmp_path / "hosts.yml").read_text()
    tenants = "  vars:\n    proscribe_tenants: {microsoft: [dept.example]}"
    (tmp_path / "hosts.yml").write_text(text.replace("  vars:", tenants))
    assert all_of(inventory, out, *AT) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "proscribe_tenants.microsoft has 'dept.example' without the id of its tenant" in said
    assert "https://login.microsoftonline.com/dept.example/v2.0/.well-known/openid-configuration" in said
    refused = {"entra_tenant_restrictions", "gpo", "intune", "mobileconfig"}
    assert {one.name for one in out.iterdir()} == FORMATS.keys() - refused
