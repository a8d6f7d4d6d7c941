"""Mistakes in an inventory that Ansible itself reads: all are reported at once, with their places and what to write."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from proscribe.controller.compile.inventory.inventory import HostVariables, Question
from proscribe.controller.compile.plans.run import compile_run
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.model import plan as plans

NOW = datetime.datetime(2026, 11, 25, 8, 0, tzinfo=datetime.timezone.utc)


class Written:
    """An inventory on the disk."""

    def __init__(self, project: Path, folder: Path) -> None:
        self.project, self.folder = project, folder
        self.hosts = "hosts.yml"
        self.file("hosts.yml", "finance: {hosts: {h1: {ansible_connection: local}}}\n")

    def file(self, name: str, content: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")

    def mistakes(self) -> list[str]:
        """What compiling it says, with the inventory's folder taken out of each line."""
        loader = DataLoader()
        inventory = InventoryManager(loader=loader, sources=[str(self.folder / self.hosts)])
        manager = VariableManager(loader=loader, inventory=inventory)
        hostvars = HostVars(inventory=inventory, variable_manager=manager, loader=loader)
        names = [str(host.name) for host in inventory.list_hosts("all")]
        question = Question(
            project=self.project,
            mode="audit",
            playbook="audit",
            inventory=[str(self.folder / self.hosts)],
            limit="",
            controls=list(plans.CONTROLS),
            hosts=[HostVariables.of(name, hostvars) for name in names],
            groups={group: frozenset(hosts) for group, hosts in inventory.get_groups_dict().items()},
        )
        with pytest.raises(PolicyErrors) as wrong:
            compile_run(question, NOW)
        return [line.replace(f"{self.folder}/", "") for line in str(wrong.value).splitlines()]


@pytest.fixture
def written(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    monkeypatch.setenv("PROSCRIBE_REPORTS", str(tmp_path / "reports"))
    return Written(project, tmp_path / "inventory")


def test_an_item_of_a_long_list_is_reported_with_its_own_line(written: Written) -> None:
    written.file("group_vars/all.yml", "proscribe_services_include:\n  - telegram\n  - whatsap\n")
    (line,) = written.mistakes()
    assert line.startswith("group_vars/all.yml:3: proscribe_services_include: found 'whatsap'"), line


def test_a_mistake_in_an_own_catalogue_does_not_hide_one_in_the_restrictions(written: Written) -> None:
    written.file("group_vars/all.yml", "proscribe_catalog_dirs: [ours]\nproscribe_probe: maybe\n")
    written.file("ours/webmail/x.yml", "id: y\n")
    lines = written.mistakes()
    assert [line for line in lines if "proscribe_probe" in line], lines
    assert [line for line in lines if line.startswith("ours/webmail/x.yml")], lines
