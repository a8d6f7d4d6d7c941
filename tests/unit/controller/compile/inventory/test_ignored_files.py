"""Files of variables that Ansible does not read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import constants as C
from ansible import context
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.vars.hostvars import HostVars
from ansible_inventory import read_hostvars
from proscribe.controller.compile.inventory import ignored_files, ignored_variables

WATCH = "proscribe_watch"
WEB = "host_vars/web01.example.org"
AUDIT = {"proscribe_controls": {"apps": "audit"}}
CONTROLS = "proscribe_controls"
CHILDREN = {"finance": {"hosts": {"gateway": {}}}, "mail": {}, "internal": {}, "web_servers": {}}
HOSTS = {"hosts": {"web01.example.org": {}, "web02.example.org": {}, "gateway": {}}, "children": CHILDREN}


class Fleet:
    """An inventory with files beside it or beside playbooks."""

    def __init__(self, root: Path, base: Path, hosts: object, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.base, self.folder, self.monkeypatch = root, base, root / "fleet", monkeypatch
        for name in ("here", "base", "fleet"):
            (root / name).mkdir()
        (self.folder / "hosts.yml").write_text(yaml.safe_dump(hosts))
        monkeypatch.chdir(root / "here")
        self.loader = DataLoader()
        self.loader.set_basedir(str(root / "base"))

    def write(self, files: Mapping[str, Any]) -> None:
        for name, content in files.items():
            file = self.base / name
            file.parent.mkdir(parents=True, exist_ok=True)
            text = content if isinstance(content, (str, bytes)) else yaml.safe_dump(content)
            file.write_bytes(text if isinstance(text, bytes) else text.encode())

    def load(self, source: str, *playbooks: str) -> HostVars:
        arguments = ImmutableDict(args=[str(self.root / playbook) for playbook in playbooks])
        self.monkeypatch.setattr(context, "CLIARGS", arguments)
        self.hostvars = read_hostvars(self.root / source, loader=self.loader)
        return self.hostvars

    def ask(self, source: str = "fleet/hosts.yml") -> ignored_variables.IgnoredPolicy:
        return ignored_variables.find_ignored_policy(self.load(source), ["gateway", "web01.example.org"])

    def unread(self, *playbooks: str, task: Any = None, source: str = "fleet/hosts.yml") -> list[tuple[str, str]]:
        errors = list(ignored_variables.find_policy_mistakes(self.load(source, *playbooks), ("h1",), task))
        folders = [error.expected.partition("what is beside ")[2].partition(". Set")[0] for error in errors]
        return [(str(Path(folder).relative_to(self.root)), error.key) for folder, error in zip(folders, errors)]

    def read(self, host: str) -> dict[str, Any]:
        return {str(key): value for key, value in self.hostvars.raw_get(host).items() if key.startswith("proscribe_")}


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    return Fleet(tmp_path, tmp_path / "fleet", {"all": HOSTS}, monkeypatch)


@pytest.mark.parametrize(
    ("files", "refused", "expected"),
    [
        (["group_vars/all/main.yml", "group_vars/all.yml"], "group_vars/all.yml", "reads {}/group_vars/all alone"),
        (["group_vars/all.yml", "group_vars/all.yaml"], "group_vars/all.yaml", "reads {}/group_vars/all.yml alone"),
        (["group_vars/finance", "group_vars/finance.yml"], "group_vars/finance.yml", "alone for the group finance"),
        (["group_vars/all", "group_vars/all.yml/main.yml"], "group_vars/all.yml/main.yml", "for the group all"),
        ([f"{WEB}/a.yml", f"{WEB}.yml"], f"{WEB}.yml", "alone for the host web01.example.org"),
        (["group_vars/all.YML"], "group_vars/all.YML", "a file that ends with .yml, .yaml, .json"),
        (["group_vars/all/.a.swp", "group_vars/all/b.txt"], "group_vars/all/b.txt", "a file that ends with .yml, "),
        (["group_vars/all/10.base/ban.yml"], "group_vars/all/10.base/ban.yml", "a folder without a dot in its name"),
        (["group_vars/finnance.yml"], "group_vars/finnance.yml", "did you mean 'finance'?"),
        (["group_vars/Finance/main.yml"], "group_vars/Finance/main.yml", "did you mean 'finance'?"),
        (["group_vars/web-servers.yml"], "group_vars/web-servers.yml", "did you mean 'web_servers'?"),
        (["host_vars/web01.exampel.org"], "host_vars/web01.exampel.org", "did you mean 'web01.example.org'?"),
        (["groups_vars/all.yml"], "groups_vars/all.yml", "a folder that is called group_vars"),
    ],
)
def test_file_that_ansible_ignores_is_refused(fleet, files, refused, expected):
    fleet.write({file: AUDIT if file == refused else {WATCH: "5m"} for file in files})
    ignored = fleet.ask()
    (error,) = ignored.mistakes
    assert (error.location.partition(":")[0], error.key) == (str(fleet.folder / refused), CONTROLS)
    assert expected.format(fleet.folder) in error.expected
    assert ignored.warnings == []
    assert all(CONTROLS not in fleet.read(host) for host in ("gateway", "web01.example.org")), "Ansible reads it"


READ_FILES = ["group_vars/all", "group_vars/all.json", "group_vars/all/sub/ban", "group_vars/all.yml/main.yml"]


@pytest.mark.parametrize("file", [*READ_FILES, "group_vars/finance.yaml", "host_vars/gateway"])
def test_a_file_that_ansible_reads_is_not_named(fleet, file):
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
    ],
)
def test_a_group_or_a_host_of_another_inventory_is_reported(fleet, file, owner):
    fleet.write({file: AUDIT})
    ignored = fleet.ask()
    (warning,) = ignored.warnings
    assert ignored.mistakes == []
    assert f"{owner} ({CONTROLS} in {fleet.folder / file})" in warning


def test_many_unknown_groups_are_one_warning(fleet):
    fleet.write({f"group_vars/team{number}.yml": AUDIT for number in range(9)})
    (warning,) = fleet.ask().warnings
    assert "group team2" in warning and "team3" not in warning and warning.endswith(" and 6 more")


IGNORED_ENDINGS = "~ .bak .backup .orig .old .save .rej .swp .tmp .disabled .off .sample .example .template .dist .j2"
IGNORED_ENDINGS += " .md .rst .sig .rpmnew .rpmsave .dpkg-dist .dpkg-old .dpkg-new .ucf-dist .ucf-old .BAK"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("group_vars/press.yml", {"nginx_user": "www", "proscribed_hosts": ["x"], "prompt": 1}),
        ("group_vars/all/notes.txt", "The variable proscribe_watch is explained elsewhere.\n"),
        *((f"group_vars/all/main.yml{ending}", AUDIT) for ending in IGNORED_ENDINGS.split()),
        *((f"group_vars/all/{name}", AUDIT) for name in ("#main.yml#", ".main.yml.a")),
        ("group_vars/README.md", "proscribe_watch: 5m\n"),
        ("group_vars/press.yml", {"other": {"proscribe_watch": "5m"}}),
        ("group_vars/press.yml", b"\xff\xfe\x00"),
        ("group_vars/press.yml", "proscribe_compiled: 1\n"),
        ("other_vars/all.yml", AUDIT),
    ],
)
def test_foreign_file_or_copy_is_not_named(fleet, file, content):
    fleet.write({"group_vars/all/main.yml": {"a": 1}, file: content})
    assert fleet.ask() == ([], [])


def test_a_misspelled_variable_in_such_a_file_is_one_of_ours(fleet):
    fleet.write({"group_vars/all/main.yml": {"a": 1}, "group_vars/all.yml": {"Proscribe_watch": "5m"}})
    assert [error.key for error in fleet.ask().mistakes] == ["Proscribe_watch"]


@pytest.mark.parametrize(("password", "mistakes"), [(b"right", [CONTROLS]), (b"wrong", [])])
def test_encrypted_file_is_read_with_its_password(fleet, password, mistakes):
    content = VaultLib([("default", VaultSecret(b"right"))]).encrypt(yaml.safe_dump(AUDIT))
    fleet.loader.set_vault_secrets([("default", VaultSecret(password))])
    fleet.write({"group_vars/all/main.yml": {"a": 1}, "group_vars/all.yml": content})
    assert [error.key for error in fleet.ask().mistakes] == mistakes


@pytest.mark.parametrize(
    ("limit", "least", "file"),
    [("MAX_FILES", 2, "group_vars/all.yml"), ("MAX_VAULTS", 1, "vault"), ("MAX_DEPTH", 1, "group_vars/all.yml/a/b.yml")]
    + [("MAX_FILE_BYTES", len("proscribe_watch: 5m\n"), "group_vars/all.yml")],
)
def test_no_more_files_are_looked_into_than_the_limit(fleet, limit, least, file, monkeypatch):
    content: Any = "proscribe_watch: 5m\n"
    if file == "vault":
        file, content = "group_vars/all.yml", VaultLib([("default", VaultSecret(b"x"))]).encrypt(content)
        fleet.loader.set_vault_secrets([("default", VaultSecret(b"x"))])
    fleet.write({"group_vars/all/main.yml": {"a": 1}, "group_vars/all.json": "{}", file: content})
    for value, keys in ((least, [WATCH]), (least - 1, [])):
        monkeypatch.setattr(ignored_files, limit, value)
        assert [error.key for error in fleet.ask().mistakes] == keys


@pytest.mark.parametrize(
    ("files", "named"),
    [
        (["group_vars/all.yml"], True),
        (["group_vars/all.yml", "hosts"], False),  # an inventory of its own
        (["other.yml"], False),
    ],
)
def test_variables_around_a_folder_of_hosts_are_reported(fleet, files, named):
    for file in files:
        (fleet.root / file).parent.mkdir(exist_ok=True)
        (fleet.root / file).write_text("proscribe_watch: 5m\n")
    assert [f"does not read {WATCH} in {fleet.root}" in item for item in fleet.ask("fleet").warnings] == [True] * named
    assert fleet.read("gateway") == {}


# -- variables beside playbooks
BAN = "proscribe_services_include"
BANS = {BAN: ["slack"]}
ALL, ONE = "group_vars/all.yml", "host_vars/h1.yml"
IMPORTS, IN_FULL = "import_playbook", "ansible.builtin.import_playbook"
CIRCLE = {f"{name}/p.yml": [{IMPORTS: f"../{after}/p.yml"}] for name, after in ("ab", "bc", "ca")}


class Task:
    """What is asked of a task: the folders in which Ansible searches for it."""

    def __init__(self, *folders: Path) -> None:
        self.folders = folders

    def get_search_path(self) -> list[str]:
        return [str(folder) for folder in self.folders]


@pytest.fixture
def team(tmp_path, monkeypatch):
    hosts = {"all": {"hosts": {"h1": {}, "h2": {}}, "children": {"web": {}}}}
    return Fleet(tmp_path, tmp_path, hosts, monkeypatch)


@pytest.mark.parametrize(
    ("files", "playbooks", "found"),
    [
        ({f"here/{ONE}": BANS, "here/host_vars/h2.yml": BANS}, [], "here"),  # the other is not in the run
        ({"here/group_vars/web.yml": BANS}, [], "here"),
        ({"here/group_vars/nosuch.yml": BANS, "here/host_vars/h2.yml": BANS}, [], ""),
        ({f"here/{ALL}": {"proscribe_compiled": 1, "other": 2}}, [], ""),
        ({f"here/{ALL}": "a: [\n", f"here/{ONE}": BANS}, [], "here"),
        ({f"a/{ALL}": BANS, "a/p.yml": [{"hosts": "all"}]}, ["a/p.yml"], "a"),
        ({f"a/{ALL}": BANS, f"here/{ALL}": BANS, "a/p.yml": "", "a/q.yml": ""}, ["a/p.yml", "a/q.yml"], "here a"),
        ({f"a/{ALL}": BANS}, ["a/p.yml"], ""),  # the command itself says that there is no such playbook
        ({f"b/{ALL}": BANS, "b/p.yml": "", "a/p.yml": [{IMPORTS: "../b/p.yml"}]}, ["a/p.yml"], "b"),
        ({f"b/{ALL}": BANS, "b/p.yml": "", "a/p.yml": [{IN_FULL: "../b/p.yml"}]}, ["a/p.yml"], "b"),
        ({f"b/{ALL}": BANS, "b/p.yml": "", "a/p.yml": [{IMPORTS: "a.b.c"}, "x"]}, ["a/p.yml", "b/p.yml"], "b"),
        ({f"b/{ALL}": BANS, "a/p.yml": [{IMPORTS: "{{ " + "x" * 300 + " }}"}]}, ["a/p.yml"], ""),
        ({f"c/{ALL}": BANS, **CIRCLE}, ["a/p.yml"], "c"),
        # files that Ansible reads, beside the inventory and the play
        ({f"fleet/{ALL}": BANS, "fleet/p.yml": ""}, ["fleet/p.yml"], ""),
        ({f"base/{ALL}": BANS, "base/p.yml": ""}, ["base/p.yml"], ""),
    ],
)
def test_unread_file_is_named(team, files, playbooks, found):
    team.write(files)
    assert team.unread(*playbooks) == [(folder, BAN) for folder in found.split()]


def test_beside_an_inventory_that_is_a_folder_ansible_reads_nothing(team):
    team.write({f"fleet/{ALL}": BANS, "fleet/p.yml": "", ALL: BANS, "p.yml": ""})
    assert team.unread("fleet/p.yml", "p.yml", source="fleet") == [(".", BAN)]


@pytest.mark.parametrize(
    ("root", "found"), [("top", ["here", "a", "b"]), ("bottom", ["here", "b", "base"]), ("all", ["here", "base"])]
)
def test_files_beside_a_play_are_read_as_ansible_is_configured(team, root, found):
    team.monkeypatch.setattr(C, "PLAYBOOK_VARS_ROOT", root)
    for name in ("here", "a", "b", "base"):
        team.write({f"{name}/{ALL}": BANS, f"{name}/p.yml": ""})
    task = Task(team.root / "a", team.root / "b")
    assert {folder for folder, _ in team.unread("a/p.yml", "b/p.yml", "base/p.yml", task=task)} == {*found}
    without = team.unread("base/p.yml")
    assert [folder for folder, _ in without] == ["here"]


def test_circle_of_imported_playbooks_is_read_up_to_a_bound(team, monkeypatch):
    chain = [f"p{number}" for number in range(4)]
    for name, after in zip(chain, [*chain[1:], chain[0]]):
        team.write({f"{name}/{ALL}": BANS, f"{name}/p.yml": [{IMPORTS: f"../{after}/p.yml"}]})
    assert team.unread("p0/p.yml") == [(name, BAN) for name in chain]
    monkeypatch.setattr(ignored_variables, "MAX_PLAYBOOKS", 2)
    assert team.unread("p0/p.yml") == [(name, BAN) for name in chain[:2]]
