"""Files of variables that Ansible passes over in a folder that it reads: refused, reported, or none of ours.

What Ansible reads of the same files stands in each row, and is asked of Ansible itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import context
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from proscribe.controller.compile.inventory.ignored_variables import IgnoredPolicy, find_ignored_policy

WATCH = "proscribe_watch"
AUDIT = {"proscribe_controls": {"apps": "audit"}}
CONTROLS = "proscribe_controls"
HOSTS = {
    "all": {
        "hosts": {"web01.example.org": {}, "web02.example.org": {}, "gateway": {}},
        "children": {"finance": {"hosts": {"gateway": {}}}, "mail": {}, "internal": {}, "web_servers": {}},
    }
}


class Fleet:
    """An inventory, the files beside it, and what is read of them."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.folder = root, root / "fleet"
        (root / "here").mkdir()
        (root / "base").mkdir()
        self.folder.mkdir()
        (self.folder / "hosts.yml").write_text(yaml.safe_dump(HOSTS))
        monkeypatch.chdir(root / "here")
        monkeypatch.setattr(context, "CLIARGS", ImmutableDict(args=[]))
        self.loader = DataLoader()
        self.loader.set_basedir(str(root / "base"))

    def write(self, files: Mapping[str, Any]) -> None:
        for name, content in files.items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                file.write_bytes(content)
            else:
                file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))

    def ask(self, source: str = "fleet/hosts.yml") -> IgnoredPolicy:
        inventory = InventoryManager(loader=self.loader, sources=[str(self.root / source)])
        variables = VariableManager(loader=self.loader, inventory=inventory)
        self.hostvars = HostVars(inventory, variables, self.loader)
        return find_ignored_policy(self.hostvars, ["gateway", "web01.example.org"])

    def read(self, host: str) -> dict[str, Any]:
        """The variables of ours that Ansible reads for a host."""
        return {str(key): value for key, value in self.hostvars.raw_get(host).items() if key.startswith("proscribe_")}


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    return Fleet(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("files", "refused", "expected"),
    [
        # hidden by another entry of the same group or host
        (
            ["group_vars/all/main.yml", "group_vars/all.yml"],
            "group_vars/all.yml",
            "Ansible reads {}/group_vars/all alone",
        ),
        (["group_vars/all.yml", "group_vars/all.yaml"], "group_vars/all.yaml", "reads {}/group_vars/all.yml alone"),
        (["group_vars/all.yaml", "group_vars/all.json"], "group_vars/all.json", "reads {}/group_vars/all.yaml alone"),
        (["group_vars/finance", "group_vars/finance.yml"], "group_vars/finance.yml", "alone for the group finance"),
        (["group_vars/all", "group_vars/all.yml/main.yml"], "group_vars/all.yml/main.yml", "for the group all"),
        (
            ["host_vars/web01.example.org/a.yml", "host_vars/web01.example.org.yml"],
            "host_vars/web01.example.org.yml",
            "alone for the host web01.example.org",
        ),
        # what Ansible does not take for variables
        (["group_vars/all.txt"], "group_vars/all.txt", "a file that ends with .yml, .yaml, .json"),
        (["group_vars/all.yml.txt"], "group_vars/all.yml.txt", "a file that ends with .yml, .yaml, .json"),
        (["group_vars/all.YML"], "group_vars/all.YML", "a file that ends with .yml, .yaml, .json"),
        (["group_vars/all/ban.txt"], "group_vars/all/ban.txt", "a file that ends with .yml, .yaml, .json"),
        (["group_vars/all/10.base/ban.yml"], "group_vars/all/10.base/ban.yml", "a folder without a dot in its name"),
        # a typo of a known name, also of the folder
        (["group_vars/finnance.yml"], "group_vars/finnance.yml", "did you mean 'finance'?"),
        (["group_vars/Finance/main.yml"], "group_vars/Finance/main.yml", "did you mean 'finance'?"),
        (["group_vars/web-servers.yml"], "group_vars/web-servers.yml", "did you mean 'web_servers'?"),
        (["host_vars/gatewya.yml"], "host_vars/gatewya.yml", "did you mean 'gateway'?"),
        (["host_vars/web01.exampel.org"], "host_vars/web01.exampel.org", "did you mean 'web01.example.org'?"),
        (["groups_vars/all.yml"], "groups_vars/all.yml", "a folder that is called group_vars"),
        (["host-vars/gateway.yml"], "host-vars/gateway.yml", "a folder that is called host_vars"),
    ],
)
def test_a_file_that_ansible_does_not_read_is_refused(
    fleet: Fleet, files: list[str], refused: str, expected: str
) -> None:
    fleet.write({file: AUDIT if file == refused else {WATCH: "5m"} for file in files})
    ignored = fleet.ask()
    (error,) = ignored.mistakes
    assert (error.where.partition(":")[0], error.key) == (str(fleet.folder / refused), CONTROLS)
    assert expected.format(fleet.folder) in error.expected
    assert ignored.warnings == []
    assert all(CONTROLS not in fleet.read(host) for host in ("gateway", "web01.example.org")), "Ansible reads it"


@pytest.mark.parametrize(
    "file",
    [
        "group_vars/all",
        "group_vars/all.yml",
        "group_vars/all.json",
        "group_vars/all/main.yml",
        "group_vars/all/sub/ban",
        "group_vars/all.yml/main.yml",
        "group_vars/finance.yaml",
        "host_vars/gateway",
    ],
)
def test_a_file_that_ansible_reads_is_not_named(fleet: Fleet, file: str) -> None:
    fleet.write({file: AUDIT})
    assert fleet.ask() == ([], [])
    assert fleet.read("gateway") == AUDIT


@pytest.mark.parametrize(
    ("file", "owner"),
    [
        ("group_vars/press.yml", "group press"),
        ("group_vars/external/main.yml", "group external"),  # two letters from internal
        ("group_vars/main.yml", "group main"),  # one letter from mail, and too short for a typo
        ("host_vars/web03.example.org.yml", "host web03.example.org"),  # a number is another host
        ("host_vars/web01.example.net", "host web01.example.net"),
    ],
)
def test_a_group_or_a_host_of_another_inventory_is_reported(fleet: Fleet, file: str, owner: str) -> None:
    fleet.write({file: AUDIT})
    ignored = fleet.ask()
    (warning,) = ignored.warnings
    assert ignored.mistakes == []
    assert f"{owner} ({CONTROLS} in {fleet.folder / file})" in warning


def test_many_unknown_groups_are_one_warning(fleet: Fleet) -> None:
    fleet.write({f"group_vars/team{number}.yml": AUDIT for number in range(9)})
    (warning,) = fleet.ask().warnings
    assert "group team2" in warning and "team3" not in warning and warning.endswith(" and 6 more")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("group_vars/press.yml", {"nginx_user": "www", "proscribed_hosts": ["x"], "prompt": 1}),
        ("group_vars/all/notes.txt", "The variable proscribe_watch is explained elsewhere.\n"),
        ("group_vars/all/.main.yml.swp", AUDIT),
        ("group_vars/all/main.yml~", AUDIT),
        ("group_vars/all.yml.bak", AUDIT),
        ("group_vars/all.yml.example", AUDIT),
        ("group_vars/README.md", "proscribe_watch: 5m\n"),
        ("group_vars/press.yml", {"other": {"proscribe_watch": "5m"}}),
        ("group_vars/press.yml", b"\xff\xfe\x00"),
        ("group_vars/press.yml", "proscribe_compiled: 1\n"),
        ("other_vars/all.yml", AUDIT),
    ],
)
def test_what_is_not_ours_and_a_copy_is_not_named(fleet: Fleet, file: str, content: Any) -> None:
    fleet.write({"group_vars/all/main.yml": {"a": 1}, file: content})
    assert fleet.ask() == ([], [])


def test_a_misspelled_variable_in_such_a_file_is_one_of_ours(fleet: Fleet) -> None:
    fleet.write({"group_vars/all/main.yml": {"a": 1}, "group_vars/all.yml": {"Proscribe_watch": "5m"}})
    assert [error.key for error in fleet.ask().mistakes] == ["Proscribe_watch"]


@pytest.mark.parametrize(("password", "mistakes"), [(b"right", [CONTROLS]), (b"wrong", [])])
def test_an_encrypted_file_is_judged_where_its_password_is_given(
    fleet: Fleet, password: bytes, mistakes: list[str]
) -> None:
    content = VaultLib([("default", VaultSecret(b"right"))]).encrypt(yaml.safe_dump(AUDIT))
    fleet.loader.set_vault_secrets([("default", VaultSecret(password))])
    fleet.write({"group_vars/all/main.yml": {"a": 1}, "group_vars/all.yml": content})
    assert [error.key for error in fleet.ask().mistakes] == mistakes


@pytest.mark.parametrize(
    ("files", "named"),
    [
        (["group_vars/all.yml"], True),
        (["group_vars/all.yml", "hosts"], False),  # an inventory of its own
        (["other.yml"], False),
    ],
)
def test_variables_around_an_inventory_that_is_a_folder_are_reported(
    fleet: Fleet, files: list[str], named: bool
) -> None:
    for file in files:
        (fleet.root / file).parent.mkdir(exist_ok=True)
        (fleet.root / file).write_text("proscribe_watch: 5m\n")
    assert [f"does not read {WATCH} in {fleet.root}" in one for one in fleet.ask("fleet").warnings] == [True] * named
    assert fleet.read("gateway") == {}
