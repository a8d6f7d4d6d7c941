"""`export`: from an inventory to a directory, and what it refuses."""

from __future__ import annotations

import json
import shutil
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


def test_the_same_policy_gives_the_same_bytes(inventory, tmp_path):
    for out in ("one", "two"):
        for name in ("domains", "squid", "nft"):
            command = ["export", name, *inventory, "--limit", "office", "-o", str(tmp_path / out / name), *AT]
            assert main(command) == 0
    files = [sorted((tmp_path / out).rglob("*.*")) for out in ("one", "two")]
    assert [file.read_bytes() for file in files[0]] == [file.read_bytes() for file in files[1]]
    assert len(files[0]) > 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "the hosts desk1 and kiosk1 have different policies: controls.dns.services."),
        (["--group", "emty"], "no group 'emty', did you mean 'empty'?"),
        (["--group", "empty"], "empty: {hosts: {empty-devices: {}}}"),
        (["--group", "guests", "--limit", "office"], "no host of the group 'guests' is among those of --limit"),
    ],
)
def test_what_is_refused(inventory, tmp_path, capsys, options, message):
    assert main(["export", "rpz", *inventory, "-o", str(tmp_path / "out"), *AT, *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("proscribe_controls: {dns: 'off'}", "dns is off in proscribe_controls of hosts desk1, win1"),
        ("proscribe_exports_fed: [rpzz]", "proscribe_exports_fed[0]: found 'rpzz', expected one of adguard, "),
        (
            "proscribe_exports_fed: rpz",
            "proscribe_exports_fed: found 'rpz', expected a list, each of it a format, or {",
        ),
        (
            "proscribe_exports_fed: [{directory: /srv/x}]",
            "proscribe_exports_fed[0]: found a mapping, expected a format",
        ),
        (
            "proscribe_exports_fed: [{format: rpz, dir: /x}]",
            "proscribe_exports_fed[0]: found a mapping, expected a for",
        ),
        (
            "proscribe_exports_fed: [{format: rpz, directory: out}]",
            "proscribe_exports_fed[0].directory: found 'out', expected an absolute path",
        ),
        (
            "proscribe_exports_fed: [{format: rpz, group: office}]",
            "proscribe_exports_fed[0]: found a mapping, expected a directory, of which the group is",
        ),
        (
            "proscribe_exports_fed: [{format: rpz, directory: /srv/x, access_log: /var/log/x.log}]",
            "proscribe_exports_fed[0]: found a mapping, expected a directory with both access_log and url",
        ),
        (
            "proscribe_exports_fed: [{format: rpz, directory: /srv/x, access_log: x.log, url: /x}]",
            "proscribe_exports_fed[0].access_log: found 'x.log', expected an absolute path",
        ),
        (
            "proscribe_exports_fed: [{format: rpz, directory: /srv/x, access_log: /x.log, url: 'https://x/'}]",
            "proscribe_exports_fed[0].url: found 'https://x/', expected the path of the web server below which",
        ),
        (
            "proscribe_exports_fed: [{format: rpz, directory: /srv/x}, {format: nft, directory: /srv/x}]",
            "proscribe_exports_fed: found '/srv/x', expected a directory of its own for each export",
        ),
    ],
)
def test_variables_that_it_cannot_export(tmp_path, capsys, variable, message):
    text = INVENTORY.replace("proscribe_exports_fed: [rpz, nft]", variable)
    (tmp_path / "hosts.yml").write_text(text)
    command = ["export", "rpz", "-i", str(tmp_path / "hosts.yml"), "--group", "office", "-o", str(tmp_path / "out")]
    assert main(command) == 2
    assert message in capsys.readouterr().err


def test_what_is_in_the_directory_stays(inventory, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["export", "rpz", *inventory, "--group", "office", "-o", str(tmp_path)]) == 2
    assert "is not empty, and no earlier export" in capsys.readouterr().err
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_the_help_lists_every_format(capsys):
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    printed = capsys.readouterr().out
    for one in FORMATS.values():
        assert f"  {one.name} " in printed
        assert one.meant_for in printed


@pytest.mark.parametrize(
    ("name", "also"),
    [
        ("web.whatsapp.com", "also given to: rpz: blocked, nft\n"),
        ("www.example.org", "also given to: rpz: open, nft\n"),
        ("whatsapp", "also given to: rpz: blocked, nft: blocked\n"),
        ("149.154.167.99", "also given to: rpz: open, nft: blocked\n"),
    ],
)
def test_explain_says_what_the_points_do(inventory, capsys, name, also):
    main(["explain", name, *inventory, "--limit", "desk1"])
    assert also in capsys.readouterr().out
    main(["explain", name, *inventory, "--limit", "desk1", "--json"])
    (answer,) = json.loads(capsys.readouterr().out)["answers"]
    assert [one["format"] for one in answer["given_to"]] == ["rpz", "nft"]


def test_explain_says_what_a_waiver_does_not_open_there(inventory, tmp_path, capsys):
    (tmp_path / "approvers.yml").write_text("office: {head: b}\n")
    (tmp_path / "waivers").mkdir()
    (tmp_path / "waivers/w1.yml").write_text(
        "{id: w1, services: [whatsapp], controls: [dns], hosts: [desk1], reason: r, requested_by: a, approved_by: b,"
        " approved_on: '2026-11-01T00:00:00Z', expires: '2026-12-31T00:00:00Z', hours: ['mon-fri 12:00-13:00']}\n"
    )
    (tmp_path / "hosts.yml").write_text(
        INVENTORY.replace("  vars:", "  vars:\n    proscribe_waiver_signatures: 'off'\n    proscribe_watch: 5m")
    )
    main(["explain", "whatsapp", *inventory, "--limit", "desk1", *AT])
    captured = capsys.readouterr()
    assert captured.err == ""
    printed = " ".join(captured.out.split())
    assert "rpz: blocked (waiver w1: This point does not know hours" in printed


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


@pytest.mark.parametrize(("format_", "until"), [("unbound", "2026-12-24T18:00:00Z"), ("cidr", None), ("pac", None)])
def test_a_waiver_ends_the_exports_of_its_controls_alone(waived, tmp_path, format_, until):
    """The waiver is for names (dns); networks and browsers' pages stay as they are when it ends."""
    assert main(["export", format_, *waived, "--group", "office", "-o", str(tmp_path / "out"), *AT]) == 0
    assert manifest(tmp_path / "out")["valid_until"] == until


def test_an_export_of_another_format_or_group_is_replaced_only_where_it_is_meant(inventory, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert main(["export", "rpz", *inventory, "--group", "office", "-o", out, *AT]) == 0
    for other in (["cidr", "--group", "office"], ["rpz", "--group", "kiosks"]):
        assert main(["export", *other, *inventory, "-o", out, *AT]) == 2
        assert "has an export rpz of group office; expected another directory, or --replace" in capsys.readouterr().err
        assert manifest(Path(out))["format"] == "rpz"
    assert main(["export", "cidr", "--group", "office", *inventory, "-o", out, *AT, "--replace"]) == 0
    assert main(["export", "cidr", "--group", "office", *inventory, "-o", str(tmp_path / "new"), "--check"]) == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("at", ""),
        ("at", "yesterday"),
        ("at", "0001-01-01T00:00:00+23:59"),
        ("at", 7),
        ("valid_until", "never"),
        ("files", [{"path": "../../etc/passwd", "sha256": "0" * 64}]),
        ("files", [{"path": "/etc/passwd", "sha256": "0" * 64}]),
    ],
)
def test_a_manifest_that_no_export_would_have_written_is_none_of_an_earlier_one(
    inventory, tmp_path, capsys, key, value
):
    out = tmp_path / "out"
    export = ["export", "rpz", *inventory, "--group", "office", "-o", str(out), *AT]
    assert main(export) == 0
    (out / "manifest.json").write_text(json.dumps({**manifest(out), key: value}))
    for more, why in (([], "no earlier export"), (["--check"], "has no export to check")):
        assert main([*export, *more]) == 2
        assert why in capsys.readouterr().err


def all_of(inventory: list[str], out: Path, *more: str, group: str = "office") -> int:
    return main(["export", "all", *inventory, "--group", group, "-o", str(out), *more])


def test_all_formats_are_written_each_in_a_directory_of_its_own(inventory, tmp_path, capsys):
    out = tmp_path / "all"
    assert all_of(inventory, out, *AT) == 0
    captured = capsys.readouterr()
    assert "1 format with nothing to export:\n  entra_tenant_restrictions: proscribe_tenants names no" in captured.out
    assert captured.err == ""
    assert {one.name for one in out.iterdir()} == FORMATS.keys() - {"entra_tenant_restrictions"}
    single = tmp_path / "single"
    for name in ("rpz", "paloalto_edl", "gpo"):
        assert main(["export", name, *inventory, "--group", "office", "-o", str(single / name), *AT]) == 0
        for file in filter(Path.is_file, (single / name).rglob("*")):
            assert file.read_bytes() == (out / file.relative_to(single)).read_bytes()


def test_a_format_that_is_refused_is_named_and_keeps_back_no_other(inventory, tmp_path, capsys):
    out = tmp_path / "all"
    (out / "rpz").mkdir(parents=True)
    (out / "rpz/mine").write_text("mine")
    (out / "pac").write_text("no directory")
    assert all_of(inventory, out, *AT) == 2
    said = capsys.readouterr().err
    assert "2 formats refused:" in said and "rpz: " in said and "is not empty, and no earlier export" in said
    assert f"pac: {out}/pac is no directory" in said
    assert (out / "rpz/mine").read_text() == "mine" and manifest(out / "unbound")["format"] == "unbound"


def test_a_check_of_all_finds_what_was_changed_and_what_is_missing(inventory, tmp_path, capsys):
    out = tmp_path / "all"
    assert all_of(inventory, out, *AT) == all_of(inventory, out, "--check") == 0
    (out / "domains/blocked.txt").write_text("")
    assert all_of(inventory, out, "--check") == 1
    assert f"{out}/domains: blocked.txt was changed, or is gone" in capsys.readouterr().out
    shutil.rmtree(out / "zscaler")
    assert all_of(inventory, out, "--check") == 2
    assert f"zscaler: {out}/zscaler has no export to check" in capsys.readouterr().err


def test_an_export_of_a_format_for_which_there_is_nothing_any_more_is_named(inventory, tmp_path, capsys):
    out, text = tmp_path / "all", (tmp_path / "hosts.yml").read_text()
    tenants = "  vars:\n    proscribe_tenants: {microsoft: [2fd6bb84-ad40-4ec5-9369-a215b25c9952]}"
    (tmp_path / "hosts.yml").write_text(text.replace("  vars:", tenants))
    assert all_of(inventory, out, *AT) == 0 and manifest(out / "entra_tenant_restrictions")["included"]
    (tmp_path / "hosts.yml").write_text(text)
    for more in ([], ["--check"]):
        capsys.readouterr()
        assert all_of(inventory, out, *AT, *more) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert "1 format refused: entra_tenant_restrictions: proscribe_tenants names no tenant" in said
        assert f"Delete {out}/entra_tenant_restrictions" in said


def test_formats_that_are_refused_for_one_reason_are_named_together(inventory, tmp_path, capsys):
    assert main(["export", "all", *inventory, "-o", str(tmp_path / "out"), *AT]) == 2
    said = capsys.readouterr().err
    assert said.count("choose hosts that have one policy") == 4  # one for each control
    assert "cidr, ipset, nft: the hosts" in said.replace("\n", " ")
    assert not (tmp_path / "out").exists()


def test_a_policy_with_nothing_for_any_format_is_refused(inventory, tmp_path, capsys):
    off = "proscribe_controls: {apps: 'off', browser: 'off', dns: 'off', firewall: 'off'}"
    (tmp_path / "hosts.yml").write_text(INVENTORY.replace("proscribe_exports_fed: [rpz, nft]", off))
    assert all_of(inventory, tmp_path / "out", *AT) == 2
    assert "export all: the policy has nothing for any format" in capsys.readouterr().err


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
