"""`init` from its options to a directory: what is in it, what it is made from, and what it refuses."""

from __future__ import annotations

import datetime
import io
import sys
from pathlib import Path

import pytest
import yaml
from proscribe.controller.cli import collection
from proscribe.controller.cli.command_line import main
from proscribe.controller.cli.init import repository
from proscribe.controller.version import own
from proscribe.wire import installation

SOURCE = "--source=https://git.example/proscribe.git"
HOSTS = "[press]\npress01\n[finance]\nfin01\n"


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())


def inside(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def day() -> datetime.date:
    return datetime.datetime.now().astimezone().date()


@pytest.mark.parametrize("there", [False, True])
def test_a_repository_is_whole_and_says_what_comes_next(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With an inventory of its own, or with the one that is there and the departments that are its groups."""
    monkeypatch.chdir(tmp_path)
    options = ["--department=press=press01", "--department=finance=fin01"]
    before = set()
    if there:
        (tmp_path / "policy/mine").mkdir(parents=True)
        (tmp_path / "policy/mine/hosts.ini").write_text(HOSTS)
        options, before = ["--inventory=mine/hosts.ini"], {"mine/hosts.ini"}
    today = day()
    assert main(["init", "policy", "--organisation=Acme", SOURCE, *options]) == 0
    first, then, *commands = capsys.readouterr().out.splitlines()
    assert first.startswith(f"made {tmp_path}/policy; ") and then == "  cd policy"
    assert commands and all(line.startswith("  ") for line in commands)

    made = tmp_path / "policy"
    listed = {name for name in inside(repository.EXAMPLE) if name.startswith(("molecule/", "inventory/", "ci/"))}
    assert before | {*repository.TABLES, "README.md", "requirements.yml"} <= inside(made)
    assert {name for name in listed if name not in inside(made)} <= {"inventory/prod/hosts.yml"}
    (entry,) = yaml.safe_load((made / "requirements.yml").read_text())["collections"][:1]
    assert entry == {"name": SOURCE.partition("=")[2], "type": "git", "version": f"v{own()}"}

    everybody, departments = (yaml.safe_load((made / name).read_text()) for name in repository.TABLES)
    assert departments == dict.fromkeys(("press", "finance"), {"audited": ["web.whatsapp.com"]})
    assert everybody.keys() == {"all"} and everybody["all"].keys() == {"audited", "open"}
    assert "nordvpn.com" in everybody["all"]["audited"] and "www.example.org" in everybody["all"]["open"]
    restrictions = yaml.safe_load((made / repository.VARIABLES).read_text())
    assert str(restrictions["proscribe_effective_from"]) in {str(today), str(day())}


@pytest.mark.parametrize(
    ("hosts", "why"),
    [
        (None, "--inventory: found 'hosts.ini', expected a file in "),
        ("press01\n", "hosts.ini has no groups, expected one for each department"),
        ("[a-b]\nx\n", "--inventory: found 'a-b', expected a group's name"),
    ],
)
def test_an_inventory_without_departments_is_refused(
    hosts: str | None, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if hosts is not None:
        (tmp_path / "hosts.ini").write_text(hosts)
    before = inside(tmp_path)
    assert main(["init", str(tmp_path), "--organisation=Acme", SOURCE, "--inventory=hosts.ini"]) == 2
    assert why in capsys.readouterr().err.replace("\n", " ") and inside(tmp_path) == before


def test_a_collection_does_not_know_where_it_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(installation, "COLLECTION", "acme.ban")
    assert main(["init", str(tmp_path / "policy"), "--organisation=Acme", "--department=press=press01"]) == 2
    assert "--source: found nothing, expected the git repository" in capsys.readouterr().err
    assert not (tmp_path / "policy").exists()


def test_a_checkout_puts_the_collections_file_beside_its_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(collection, "archive", lambda: ("acme-ban-1.tar.gz", b"packed"))
    monkeypatch.chdir(tmp_path)
    assert main(["init", "policy", "--organisation=Acme", "--department=press=press01"]) == 0
    (entry,) = yaml.safe_load(Path("policy/requirements.yml").read_text())["collections"][:1]
    assert entry == {"name": "./vendor/acme-ban-1.tar.gz", "type": "file"}
    assert Path("policy/vendor/acme-ban-1.tar.gz").read_bytes() == b"packed"
