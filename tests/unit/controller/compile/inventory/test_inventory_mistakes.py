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


def test_a_wrong_override_is_reported_where_it_is_and_not_where_the_default_is(written: Written) -> None:
    written.file("group_vars/all/main.yml", "proscribe_controls: {apps: audit}\n")
    written.file("group_vars/finance.yml", "---\nproscribe_controls:\n  apps: audit\n  dns: enforc\n")
    (line,) = written.mistakes()
    assert line.startswith("group_vars/finance.yml:4: proscribe_controls.dns: found 'enforc', expected one of"), line


@pytest.mark.parametrize("value", ["null", "true", "3"])
def test_a_wrong_override_without_a_place_of_its_own_is_reported_where_it_is(written: Written, value: str) -> None:
    # Ansible tags neither null nor true with where they were written.
    written.file("group_vars/all/main.yml", "proscribe_categories: [webmail]\n")
    written.file("group_vars/finance.yml", f"---\n# ours\nproscribe_categories: {value}\n")
    (line,) = written.mistakes()
    assert line.startswith("group_vars/finance.yml:3: proscribe_categories: found"), line


def test_an_item_of_a_long_list_is_reported_with_its_own_line(written: Written) -> None:
    written.file("group_vars/all.yml", "proscribe_services_include:\n  - telegram\n  - whatsap\n")
    (line,) = written.mistakes()
    assert line.startswith("group_vars/all.yml:3: proscribe_services_include: found 'whatsap'"), line


def test_all_mistakes_of_restrictions_catalogue_and_waivers_are_reported_at_once(written: Written) -> None:
    written.file(
        "group_vars/all.yml",
        "proscribe_categorys: [webmail]\nproscribe_services_include: [whatsap]\nproscribe_probe: maybe\n"
        'proscribe_zone: "{{ nowhere }}"\n',
    )
    written.file("waivers/w1.yml", "id: w1\n")
    written.file("approvers.yml", "nosuch: {head: a}\n")
    lines = written.mistakes()
    for expected in (
        "group_vars/all.yml:1: proscribe_categorys",
        "group_vars/all.yml:2: proscribe_services_include: found 'whatsap'",
        "group_vars/all.yml:3: proscribe_probe: found 'maybe'",
        "group_vars/all.yml:4: proscribe_zone",
        "waivers/w1.yml",
        "approvers.yml",
    ):
        assert [line for line in lines if line.startswith(expected)], (expected, lines)


def test_a_mistake_in_an_own_catalogue_does_not_hide_one_in_the_restrictions(written: Written) -> None:
    written.file("group_vars/all.yml", "proscribe_catalog_dirs: [ours]\nproscribe_probe: maybe\n")
    written.file("ours/webmail/x.yml", "id: y\n")
    lines = written.mistakes()
    assert [line for line in lines if "proscribe_probe" in line], lines
    assert [line for line in lines if line.startswith("ours/webmail/x.yml")], lines


def test_what_is_wrong_on_one_host_does_not_hide_what_is_on_another(written: Written) -> None:
    written.file("hosts.yml", "all: {hosts: {h1: , h2: , h3: }}\n")
    written.file("host_vars/h1.yml", 'proscribe_zone: "{{ nowhere }}"\n')
    written.file("host_vars/h2.yml", "proscribe_probe: maybe\n")
    written.file("host_vars/h3.yml", "proscribe_services_exclude: [nosuch]\n")
    assert [line.partition(":")[0] for line in written.mistakes()] == [f"host_vars/h{n}.yml" for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("line", "write"),
    [
        ("proscribe_controls={apps: audit}", "proscribe_controls={'apps': 'audit'}"),
        ("proscribe_categories=[webmail]", "proscribe_categories=['webmail']"),
        ("proscribe_services_include=telegram", "proscribe_services_include=['telegram']"),
    ],
)
def test_a_mistake_in_an_ini_inventory_says_how_to_quote(written: Written, line: str, write: str) -> None:
    written.hosts = "hosts"
    written.file("hosts", f"[finance]\nh1 ansible_connection=local\n[finance:vars]\n{line}\n")
    (message,) = written.mistakes()
    assert message.startswith(f"hosts:4: {line.partition('=')[0]}: found"), message
    assert write in message, message


def test_a_text_of_a_yaml_file_is_not_told_about_ini(written: Written) -> None:
    written.file("group_vars/all.yml", "proscribe_controls: '{apps: audit}'\n")
    (message,) = written.mistakes()
    assert "INI" not in message and "without the quotes" in message, message
