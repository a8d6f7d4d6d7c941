"""Files of variables that Ansible does not read in a play: which are named, and which are none of ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import constants as C
from ansible import context
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from proscribe.controller.compile.inventory import ignored_variables
from proscribe.controller.compile.inventory.ignored_variables import unread

BAN = "proscribe_services_include"
BANS = {BAN: ["slack"]}
ALL, ONE = "group_vars/all.yml", "host_vars/h1.yml"
IMPORTS, IN_FULL = "import_playbook", "ansible.builtin.import_playbook"


class Task:
    """What is asked of a task: the folders in which Ansible searches for it."""

    def __init__(self, *folders: Path) -> None:
        self.folders = folders

    def get_search_path(self) -> list[str]:
        return [str(folder) for folder in self.folders]


class Team:
    """What a team wrote, in folders of its own, and how it starts a run."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.monkeypatch = root, monkeypatch
        for name in ("here", "base", "fleet"):
            (root / name).mkdir()
        monkeypatch.chdir(root / "here")
        self.write({"fleet/hosts.yml": {"all": {"hosts": {"h1": {}, "h2": {}}, "children": {"web": {}}}}})
        self.loader = DataLoader()
        self.loader.set_basedir(str(root / "base"))

    def write(self, files: Mapping[str, Any]) -> None:
        for name, content in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(content if isinstance(content, str) else yaml.safe_dump(content))

    def unread(
        self, *playbooks: str, names: tuple[str, ...] = ("h1",), task: Any = None, source: str = "fleet/hosts.yml"
    ) -> list[tuple[str, str]]:
        """The folders and the names of what is not read."""
        self.monkeypatch.setattr(context, "CLIARGS", ImmutableDict(args=[str(self.root / one) for one in playbooks]))
        inventory = InventoryManager(loader=self.loader, sources=[str(self.root / source)])
        variables = VariableManager(loader=self.loader, inventory=inventory)
        self.errors = list(unread(HostVars(inventory, variables, self.loader), names, task))
        folders = [error.expected.partition("what is beside ")[2].partition(". Set")[0] for error in self.errors]
        return [(str(Path(folder).relative_to(self.root)), one.key) for folder, one in zip(folders, self.errors)]


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Team:
    return Team(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("files", "playbooks", "found"),
    [
        ({f"here/{ALL}": BANS}, [], "here"),
        ({f"here/{ONE}": BANS, "here/host_vars/h2.yml": BANS}, [], "here"),  # the other is not in the run
        ({"here/group_vars/web.yml": BANS}, [], "here"),
        ({"here/group_vars/nosuch.yml": BANS, "here/host_vars/h2.yml": BANS}, [], ""),
        ({f"here/{ALL}": {"proscribe_compiled": 1, "other": 2}}, [], ""),
        ({f"here/{ALL}": "a: [\n"}, [], ""),
        ({f"here/{ALL}": "a: [\n", f"here/{ONE}": BANS}, [], "here"),
        ({f"a/{ALL}": BANS, "a/p.yml": [{"hosts": "all"}]}, ["a/p.yml"], "a"),
        ({f"a/{ALL}": BANS, f"here/{ALL}": BANS, "a/p.yml": "", "a/q.yml": ""}, ["a/p.yml", "a/q.yml"], "here a"),
        ({f"a/{ALL}": BANS}, ["a/p.yml"], ""),  # the command itself says that there is no such playbook
        ({f"b/{ALL}": BANS, "b/p.yml": "", "a/p.yml": [{IMPORTS: "../b/p.yml"}]}, ["a/p.yml"], "b"),
        ({f"b/{ALL}": BANS, "b/p.yml": "", "a/p.yml": [{IN_FULL: "../b/p.yml"}]}, ["a/p.yml"], "b"),
        (
            {f"b/{ALL}": BANS, "b/p.yml": "", "a/p.yml": [{IMPORTS: "of.a.collection"}, "x"]},
            ["a/p.yml", "b/p.yml"],
            "b",
        ),
        ({f"b/{ALL}": BANS, "a/p.yml": [{IMPORTS: "{{ " + "x" * 300 + " }}"}]}, ["a/p.yml"], ""),
        # imported by what is imported, and in a circle
        (
            {f"c/{ALL}": BANS, "a/p.yml": [{IMPORTS: "../b/p.yml"}], "b/p.yml": [{IMPORTS: "../c/p.yml"}]}
            | {"c/p.yml": [{IMPORTS: "../a/p.yml"}]},
            ["a/p.yml"],
            "c",
        ),
        # what Ansible reads: beside the inventory, and beside the play
        ({f"fleet/{ALL}": BANS, "fleet/p.yml": ""}, ["fleet/p.yml"], ""),
        ({f"base/{ALL}": BANS, "base/p.yml": ""}, ["base/p.yml"], ""),
    ],
)
def test_what_is_not_read_is_named(team: Team, files: dict[str, Any], playbooks: list[str], found: str) -> None:
    team.write(files)
    assert team.unread(*playbooks) == [(folder, BAN) for folder in found.split()]


def test_beside_an_inventory_that_is_a_folder_ansible_reads_nothing(team: Team) -> None:
    team.write({f"fleet/{ALL}": BANS, "fleet/p.yml": "", ALL: BANS, "p.yml": ""})
    assert team.unread("fleet/p.yml", "p.yml", source="fleet") == [(".", BAN)]


@pytest.mark.parametrize(
    ("root", "found"), [("top", ["here", "a", "b"]), ("bottom", ["here", "b", "base"]), ("all", ["here", "base"])]
)
def test_what_is_read_beside_the_play_of_a_task_is_as_ansible_is_configured(
    team: Team, root: str, found: list[str]
) -> None:
    team.monkeypatch.setattr(C, "PLAYBOOK_VARS_ROOT", root)
    team.write(
        {f"{name}/{file}": text for name in ("here", "a", "b", "base") for file, text in ((ALL, BANS), ("p.yml", ""))}
    )
    task = Task(team.root / "a", team.root / "b")
    assert {folder for folder, _ in team.unread("a/p.yml", "b/p.yml", "base/p.yml", task=task)} == {*found}
    without = team.unread("base/p.yml")
    assert [folder for folder, _ in without] == ["here"]


def test_playbooks_that_import_each_other_without_end_are_read_up_to_a_bound(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = [f"p{number}" for number in range(4)]
    for name, after in zip(chain, [*chain[1:], chain[0]]):
        team.write({f"{name}/{ALL}": BANS, f"{name}/p.yml": [{IMPORTS: f"../{after}/p.yml"}]})
    assert team.unread("p0/p.yml") == [(name, BAN) for name in chain]
    monkeypatch.setattr(ignored_variables, "MOST_PLAYBOOKS", 2)
    assert team.unread("p0/p.yml") == [(name, BAN) for name in chain[:2]]
