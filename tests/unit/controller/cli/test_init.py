"""`init` from its options to a directory: what is in it, what it is made from, and what it refuses."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from proscribe.controller.cli import collection
from proscribe.controller.cli.command_line import main
from proscribe.controller.cli.init import repository
from proscribe.wire import installation

SOURCE = "--source=https://git.example/proscribe.git"
HOSTS = "[press]\npress01\n[finance]\nfin01\n"


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())


def inside(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


# Each form that Ansible reads: the path, its files, and what `--inventory` names.
YAML = "press: {hosts: {press01: }}\nfinance: {hosts: {fin01: }}\n"


def placed(directory: Path, files: Mapping[str, str]) -> dict[str, bytes]:
    """Write files below a directory, scripts executable, and return their content."""
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
        (directory / name).chmod(0o755 if text.startswith("#!") else 0o644)
    return contents(directory)


def contents(directory: Path) -> dict[str, bytes]:
    return {name: (directory / name).read_bytes() for name in sorted(inside(directory))}


def policy_folder(directory: Path) -> Path:
    """Return the folder of the made policy: that of the last inventory in ansible.cfg."""
    line = re.findall(r"(?m)^inventory = (.*)$", (directory / "ansible.cfg").read_text())[0]
    return (directory / line.split(",")[-1]).parent


def approvers(directory: Path) -> Any:
    return yaml.safe_load((policy_folder(directory) / "approvers.yml").read_text())


def expected_names(directory: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Compare both tables with the policy, as the made repository names its inventory. Return the exit codes."""
    line = re.findall(r"(?m)^inventory = (.*)$", (directory / "ansible.cfg").read_text())[0]
    monkeypatch.chdir(directory)
    options = [word for source in line.split(",") for word in ("-i", source)]
    return {name: main(["explain", "--expect", name, *options]) for name in repository.TABLES}


MET = dict.fromkeys(repository.TABLES, 0)


SITES = "[berlin]\npress01\nfin01\n[hongkong]\npress02\n[press]\npress01\npress02\n[finance]\nfin01\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_at_a_terminal_it_asks_which_groups_are_departments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hosts.ini").write_text(SITES)
    answers = [
        *("Acme", ""),
        *("pres", "press", "finance", ""),
        "",
        "",
        *("pres:chan", "press:chan", ""),
        *("", "", ""),
    ]
    monkeypatch.setattr(sys, "stdin", Terminal("\n".join([*answers, ""])))
    assert main(["init", str(tmp_path), "--inventory=hosts.ini", "--source", SOURCE.partition("=")[2]]) == 0
    assert approvers(tmp_path) == {"press": {"head": "chan"}, "finance": None}


def test_without_any_answer_it_audits_this_machine_and_nobody_approves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path / "policy"), SOURCE]) == 0
    assert "inventory/prod/hosts.yml" in (message := capsys.readouterr().err) and "approvers.yml" in message
    hosts = yaml.safe_load((tmp_path / "policy/inventory/prod/hosts.yml").read_text())
    assert hosts == {"all": {"hosts": {"localhost": {"ansible_connection": "local"}}}}
    assert approvers(tmp_path / "policy") == {"all": None}
    assert expected_names(tmp_path / "policy", monkeypatch) == MET


def test_a_new_waiver_goes_beside_the_keys_of_the_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placed(tmp_path, {"inventory/prod/hosts.yml": YAML})
    assert main(["init", str(tmp_path), SOURCE, "--approver=press:chan"]) == 0
    monkeypatch.chdir(tmp_path)
    inventories = ["-i", "inventory/prod/hosts.yml", "-i", "proscribe/hosts.yml"]
    waiver = ["--id=w1", "--service=whatsapp", "--host=press01", "--reason=r", "--requested-by=lee"]
    approval = ["--approved-by=chan", "--approved-on=now", "--expires=9d"]
    assert main(["waiver", "new", *inventories, *waiver, *approval]) == 0
    assert (tmp_path / "proscribe/waivers/w1.yml").exists() and (tmp_path / "proscribe/allowed_signers").exists()


def test_the_comment_of_a_pipeline_takes_an_inventory_outside_as_it_is_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No revision of the repository has it."""
    placed(tmp_path / "else where", {"hosts.ini": HOSTS})
    made = tmp_path / "policy"
    made.mkdir()
    monkeypatch.chdir(made)
    assert main(["init", ".", SOURCE, "--inventory=../else where/hosts.ini"]) == 0
    identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@dept.example")
    for words in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "made")):
        subprocess.run(["git", *words], check=True)
    command = re.findall(r'(?m)^ +(diff "\$1".*)\) ', (made / "ci/diff").read_text())[0]
    inventories = ["-i", str(tmp_path / "else where/hosts.ini"), "-i", "inventory/prod/hosts.yml"]
    assert main([*shlex.split(command.replace('"$1"', "HEAD")), *inventories]) == 0


def test_a_windows_host_meets_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hosts.ini").write_text(f"{HOSTS}desk01 ansible_connection=winrm\n")
    assert main(["init", str(tmp_path), SOURCE, "--inventory=hosts.ini"]) == 0
    rows = yaml.safe_load((tmp_path / "expectations.yml").read_text())["all"]
    assert {"web.telegram.org", "https://drive.google.com/drive"} <= set(rows["audited"])
    assert {"www.debian.org"} <= set(rows["open"])
    assert expected_names(tmp_path, monkeypatch) == MET


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
