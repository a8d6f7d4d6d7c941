"""Inventory of a command: hosts, groups, variables, vaults, and refusals."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from patience import LONGEST
from proscribe.controller.cli import Refused, inventory

HOSTS = """\
all:
  vars:
    proscribe_hosts: "all:!kiosks"
    proscribe_reports: /srv/r
  children:
    press:
      hosts:
        press01: {proscribe_contact: "{{ desk }}", desk: helpdesk, proscribe_zone: office}
        press02:
    windows: {hosts: {win01: {ansible_connection: winrm}}}
    network:
      hosts: {switch01: {ansible_connection: ansible.netcommon.network_cli, ansible_network_os: cisco.ios.ios}}
    kiosks: {hosts: {kiosk01: }}
    nobody: {}
"""
PASSWORD = b"of the vault"


@pytest.fixture
def ask(tmp_path):
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory/hosts.yml").write_text(HOSTS)
    (tmp_path / "empty.yml").write_text("all: {}\n")
    (tmp_path / "playbooks/group_vars").mkdir(parents=True)
    (tmp_path / "playbooks/group_vars/all.yml").write_text("proscribe_request_url: https://x.example\n")

    def calls(*words, group="", served=True, source="inventory/hosts.yml"):
        parser = argparse.ArgumentParser()
        inventory.add_options(parser)
        arguments = parser.parse_args(["-i", str(tmp_path / source) if "," not in source else source, *words])
        return inventory.question(arguments, tmp_path, group=group, served=served)

    return calls


def names(question):
    return [host.name for host in question.hosts]


@pytest.mark.parametrize(("group", "hosts"), [("kiosks", ["kiosk01"]), ("press", ["press01", "press02"])])
def test_exports_ask_for_an_audience_whether_it_is_served_or_not(ask, group, hosts):
    found = ask(group=group, served=False)
    assert (names(found), found.audience) == (hosts, True)


@pytest.mark.parametrize(
    ("words", "how", "why"),
    [
        (("--limit", "kiosk01"), {}, "none of the 1 hosts is served: .* is 'all:!kiosks', and 0 are network"),
        (("--limit", "switch01"), {}, r"none of the 1 hosts is served: .* and 1 are network devices"),
        (("--limit", "x*"), {}, r"no host of the inventory \(/.*hosts.yml\) matches --limit x\*$"),
        ((), {"source": "empty.yml"}, r"no host of the inventory \(/.*empty.yml\)$"),
        ((), {"group": "pres"}, "the inventory has no group 'pres', did you mean 'press'"),
        ((), {"group": "nobody", "served": False}, "the group 'nobody' has no host, .*\n  nobody: {hosts: {nobody-dev"),
        (("--limit", "press"), {"group": "kiosks", "served": False}, "no host of the group 'kiosks' is among those of"),
    ],
)
def test_question_without_a_host_is_refused(ask, words, how, why):
    with pytest.raises(Refused, match=f"^{why}"):
        ask(*words, **how)


def test_unreadable_inventory_is_refused_with_its_place(ask, tmp_path):
    (tmp_path / "inventory/group_vars").mkdir()
    (tmp_path / "inventory/group_vars/all.yml").write_text("a: [")
    with pytest.raises(Refused, match="group_vars/all.yml"):
        ask()


def test_options_that_are_repeated_say_where_the_inventory_is():
    parser = argparse.ArgumentParser()
    inventory.add_options(parser)
    typed = ["-i", "a", "-i", "b,", "-e", "x=1", "--vault-id", "v@p", "--vault-pass-file", "pw", "-J", "-l", "web"]
    found = inventory.inventory_options(parser.parse_args(typed))
    assert [(one.name, one.option, one.value) for one in found] == [
        ("inventory", "-i", "a"),
        ("inventory", "-i", "b,"),
        ("extra_vars", "-e", "x=1"),
        ("vault_ids", "--vault-id", "v@p"),
        ("vault_password_files", "--vault-password-file", "pw"),
        ("ask_vault_pass", "-J", None),
    ]
    assert inventory.inventory_options(parser.parse_args([])) == []


def test_sources_are_those_that_ansible_takes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert inventory.sources(["link", "a,b", "~/x"]) == [f"{tmp_path}/link", "a,b", str(Path("~/x").expanduser())]
    monkeypatch.setattr(inventory.constants, "DEFAULT_HOST_LIST", ["/etc/hosts.yml"])
    assert inventory.sources([]) == ["/etc/hosts.yml"]


def test_reports_are_where_the_inventory_says_unless_the_environment_does(ask, tmp_path, monkeypatch):
    monkeypatch.delenv(inventory.ENVIRONMENT, raising=False)
    calls = []
    found = ask()
    monkeypatch.setattr(inventory, "question", lambda arguments: calls.append(arguments) or found)
    place = inventory.reports_place(argparse.Namespace(inventory=["x"]))
    assert place == (Path("/srv/r"), "proscribe_reports of the inventory")
    usual = inventory.reports_place(argparse.Namespace(inventory=[]))
    assert usual.named_by == "the usual place; -i INVENTORY finds what proscribe_reports names"
    monkeypatch.setenv(inventory.ENVIRONMENT, str(tmp_path))
    assert inventory.reports_place(argparse.Namespace(inventory=["x"])) == (tmp_path, inventory.ENVIRONMENT)
    assert len(calls) == 1


# Ansible has the secrets once for a process.
CONTACT = """
import sys
from proscribe.controller.cli.inventory import question
from proscribe.controller.cli.scheduled.sending import inventory_arguments
(host,) = question(inventory_arguments(sys.argv[1:])).hosts
print(host.values["proscribe_contact"])
"""
MODULES = Path(__file__).resolve().parents[4] / "module_utils"


@pytest.fixture
def vault_inventory(tmp_path):
    """One host, whose contact is in a vault of the given id; each password is in a file."""
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "hosts").write_text("web1\n")
    (tmp_path / "password").write_bytes(PASSWORD)
    (tmp_path / "other").write_bytes(b"another")
    secret = VaultLib([("prod", VaultSecret(PASSWORD))]).encrypt("proscribe_contact: helpdesk\n", vault_id="prod")
    (tmp_path / "group_vars/all.yml").write_bytes(secret)
    return tmp_path


@pytest.mark.parametrize(
    "options",
    [
        ["--vault-password-file", "{}/other", "--vault-password-file", "{}/password"],
        ["--vault-id", "{}/other", "--vault-id", "prod@{}/password"],
    ],
)
def test_variables_of_a_vault_are_read(vault_inventory, options):
    words = ["-i", str(vault_inventory / "hosts"), *(word.format(vault_inventory) for word in options)]
    environment = {**os.environ, "PYTHONPATH": str(MODULES)}
    done = subprocess.run(
        [sys.executable, "-c", CONTACT, *words], env=environment, capture_output=True, text=True, timeout=LONGEST
    )
    assert done.stdout == "helpdesk\n", done.stderr
