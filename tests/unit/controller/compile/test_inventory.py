"""Inventories: nested ones, tags, values for reports, selection of hosts, folders of a policy."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from made_policy import restrictions
from proscribe.controller.compile.inventory import nested
from proscribe.controller.compile.inventory import reporting as module
from proscribe.controller.compile.inventory.inventory import HostVariables, Question
from proscribe.controller.compile.inventory.policy_folders import (
    catalogue_folders,
    folder_of_new_waivers,
    folders_of_registers,
    folders_of_waivers,
    places_of,
)
from proscribe.controller.compile.inventory.reporting import nothing_known, one_for_all, policies, reporting, rule_count
from proscribe.controller.compile.inventory.selection import Selection, audience, chosen
from proscribe.controller.compile.inventory.selection import select as select_of_inventory
from proscribe.controller.compile.inventory.supported_hosts import unserved
from proscribe.controller.compile.inventory.tags import unknown_tags
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.model.plan import digest

HOSTS = "department: {hosts: {one: {}}}\n"


def write_hosts(top: Path, *paths: str) -> Path:
    for path in paths:
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(HOSTS)
    return top


def mistakes(*sources: Path) -> list[str]:
    return [str(mistake) for mistake in nested.nested([str(source) for source in sources])]


def test_nested_inventory_is_named_by_its_folder(tmp_path: Path) -> None:
    top = write_hosts(tmp_path, "prod/hosts.yml", "prod/approvers.yml")
    assert mistakes(top)[0].endswith(f"expected an inventory of its own: -i {top}/prod")


@pytest.mark.parametrize(("deep", "found"), [(nested.DEEPEST, 1), (nested.DEEPEST + 1, 0)])
def test_folders_are_looked_into_down_to_a_depth(tmp_path: Path, deep: int, found: int) -> None:
    top = write_hosts(tmp_path, "hosts.yml", f"{'a/' * deep}approvers.yml")
    assert len(mistakes(top)) == found


# -- tags


KNOWN = ("apps", "dns", "report")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], ""),
        (["apps,dns", " report , "], ""),
        (["all,always,never", "tagged", "untagged"], ""),  # Ansible's own
        (["notest,molecule-notest", "molecule-idempotence-notest"], ""),  # Molecule's
        (["firewall"], "no task has the tag 'firewall'; there are apps, dns"),
        (["app"], "no task has the tag 'app', did you mean 'apps'?; there are apps, dns"),
        (["xx,apps", "yy", "xx"], "no task has the tag 'xx', and 'yy'; there are apps, dns"),
    ],
)
def test_a_tag_that_no_task_has_is_named(given: list[str], message: str) -> None:
    assert unknown_tags(given, KNOWN) == message


def test_unknown_tag_without_tasks_of_controls_offers_none() -> None:
    assert unknown_tags(["xx"], ["report"]) == "no task has the tag 'xx'"


# -- values for reports


def write_report(reports, name):
    """Write a complete report with a name."""
    (reports / name).mkdir(parents=True)
    (reports / name / "report.json").write_text('{"run": {}}')
    (reports / name / "hosts.jsonl").touch()
    return str((reports / name).resolve())


@pytest.mark.parametrize("named", ["latest", "run1", "{reports}/run1", "{reports}/run1/hosts.jsonl"])
def test_a_baseline_is_named_in_several_ways(tmp_path, named):
    directory = write_report(tmp_path, "run1")
    (tmp_path / "latest").symlink_to("run1")
    assert read_reporting(tmp_path, web01={"gate_baseline": named.format(reports=tmp_path)})["baseline"] == directory


def test_a_server_needs_its_driver_before_any_host_is_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "DRIVER", "no_such_driver")
    with pytest.raises(PolicyErrors, match="proscribe_history: found 'postgresql://db/x', expected SQLAlchemy"):
        read_reporting(tmp_path, web01={"history": "postgresql://db/x"})
    for word in ("sqlite", "off"):
        assert read_reporting(tmp_path, web01={"history": word})["history"] == word


def read_reporting(tmp_path: Path, **variables: dict[str, Any]) -> Any:
    hosts = [HostVariables(name, {}, {}, ".") for name in variables]
    return reporting(hosts, {name: restrictions(**values) for name, values in variables.items()}, tmp_path)


def test_without_hosts_it_is_as_usual(tmp_path: Path) -> None:
    found = read_reporting(tmp_path)
    assert (found["history"], found["stale_after"]) == ("sqlite", {"usual": 3 * 86400, "hosts": {}})
    assert one_for_all("exports_key", [], {}) == ""


@pytest.mark.parametrize("baseline", ["latest", "20261125T080000Z"])
def test_a_run_to_compare_with_has_to_be_there(tmp_path: Path, baseline: str) -> None:
    with pytest.raises(PolicyErrors) as wrong:
        read_reporting(tmp_path, a={"gate_baseline": baseline})
    (error,) = wrong.value.errors
    assert (error.key, error.value) == ("proscribe_gate_baseline", baseline)
    assert error.expected.startswith("an earlier run to compare with: ")


def test_hosts_have_to_agree(tmp_path: Path) -> None:
    with pytest.raises(PolicyErrors) as wrong:
        read_reporting(tmp_path, a={}, b={}, c={"history": "off"})
    (error,) = wrong.value.errors
    assert (error.key, error.value) == ("proscribe_history", "off")
    assert error.expected == "the same for all hosts of a run; a has 'sqlite', c 'off'"


APPS: Any = {"mode": "enforce", "services": {"owl": {}, "crow": {}}, "nothing_known": ["dodo"]}
DNS: Any = {"mode": "audit", "services": {"owl": {}}, "nothing_known": ["dodo", "crow"]}
PLAN: Any = {"controls": {"apps": APPS, "dns": DNS, "browser": {"mode": "audit", "services": {}}}, "browsers": ["fox"]}


def test_the_rules_of_a_plan_are_counted() -> None:
    counts = [rule_count(PLAN, controls) for controls in ([], ["apps"], ["dns", "browser"], ["apps", "dns"])]
    assert counts == [0, 3, 3, 6]
    assert nothing_known(PLAN, ["dns", "apps"]) == ["apps/dodo", "dns/dodo", "dns/crow"]
    assert nothing_known(PLAN, ["browser"]) == []


def test_the_policy_of_each_control_is_named_by_all_that_it_is_made_from() -> None:
    def of(section: Any, browsers: Any = ("fox",)) -> str:
        return digest({"browsers": [*browsers], "section": section})[:23]

    found = policies(PLAN)
    assert found == {
        "apps": {"mode": "enforce", "policy": of(APPS)},
        "browser": {"mode": "audit", "policy": of({"mode": "audit", "services": {}})},
        "dns": {"mode": "audit", "policy": of(DNS)},
        "firewall": {"mode": "off", "policy": None},
    }
    more = policies({**PLAN, "group_policy": {"x": 1}, "watch": {"y": 2}})
    assert {name: policy for name, policy in more.items() if name not in found} == {
        "group_policy": {"mode": "enforce", "policy": digest({"x": 1})[:23]},
        "watch": {"mode": "enforce", "policy": digest({"y": 2})[:23]},
    }
    assert policies({**PLAN, "browsers": ["other"]})["apps"]["policy"] == of(APPS, ["other"]) != of(APPS)


# -- selection


@pytest.mark.parametrize("shell", ["powershell", "cmd", "ansible.builtin.PowerShell"])
def test_a_windows_host_is_recognised_by_its_shell(shell: str) -> None:
    assert unserved({"ansible_shell_type": shell}) == f"a Windows host (ansible_shell_type: {shell})"


def test_an_old_network_device_is_recognised_by_its_system() -> None:
    # `local` reaches the controller: if Proscribe observed it, the result would count as that of the switch.
    found = unserved({"ansible_connection": "local", "ansible_network_os": "ios"})
    assert found == "a network device (ansible_network_os: ios)"
    assert unserved({"ansible_connection": "ssh", "ansible_network_os": "ios"}) == ""


def select(*hosts: tuple[str, Any, str], observes: bool = False) -> Selection:
    """Select from hosts, each of (name, proscribe_hosts, reason why it is not served)."""
    made = [
        HostVariables(
            name, {"proscribe_hosts": pattern} if pattern else {}, {}, ".", unserved=why, windows="Win" in why
        )
        for name, pattern, why in hosts
    ]

    def matching(pattern: str) -> set[str]:
        if pattern == "!":
            raise AnsibleError("no pattern")
        return {host.name for host in made if fnmatch.fnmatch(host.name, pattern)}

    return chosen(made, matching, observes)


def test_pattern_selects_served_hosts_and_lists_the_others() -> None:
    found = select(("web1", "web*", ""), ("web2", "web*", "a Windows host"), ("db1", "web*", "a network device"))
    assert (found.names, found.not_served, found.pattern) == (["web1"], {"web2": "a Windows host"}, "web*")


def read_managers(text: str, file: Path) -> tuple[InventoryManager, HostVars]:
    file.write_text(text, "utf-8")
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(file)])
    manager = VariableManager(loader=loader, inventory=inventory)
    return inventory, HostVars(inventory=inventory, variable_manager=manager, loader=loader)


def test_a_pattern_is_about_the_whole_inventory_whichever_hosts_a_play_has(tmp_path: Path) -> None:
    """With --limit and serial Ansible knows fewer hosts. Proscribe still has to report what they leave out of a run."""
    fleet = "all: {vars: {proscribe_hosts: 'web*'}, hosts: {web1: , web2: , web3: , db1: }}\n"
    inventory, hostvars = read_managers(fleet, tmp_path / "hosts.yml")
    inventory.subset("web1:web2")
    inventory.restrict_to_hosts([inventory.get_host("web2")])
    found = select_of_inventory(["web2", "db1"], hostvars)
    assert (found.names, found.about) == (["web2"], frozenset(("web1", "web2", "web3")))


def test_audience_has_hosts_that_proscribe_does_not_serve(tmp_path: Path) -> None:
    windows, switch = "{ansible_connection: winrm}", "{ansible_connection: network_cli}"
    _, hostvars = read_managers(
        f"all: {{hosts: {{web1: , desk1: {windows}, sw1: {switch}}}}}\n", tmp_path / "hosts.yml"
    )
    names = ["web1", "desk1", "sw1"]
    everybody = audience(names, hostvars)
    assert (everybody.names, everybody.not_served, everybody.pattern) == (names, {}, "all")
    assert select_of_inventory(names, hostvars, observes=True).names == ["web1", "desk1"]
    assert select_of_inventory(names, hostvars).names == ["web1"], "a run that only changes hosts"


@pytest.mark.parametrize(
    ("hosts", "message"),
    [
        ([("web1", "nosuch", "")], "web1: proscribe_hosts: found 'nosuch', expected a pattern that fits a host"),
        ([("web1", "!", "")], "web1: proscribe_hosts: found '!', expected a pattern as --limit takes it (no pattern)"),
        ([("web1", "web*", ""), ("web2", "db*", "")], "web2: proscribe_hosts: found 'db*', expected the same for all"),
        ([("web1", "web*", ""), ("web2", None, ""), ("db1", "db*", "")], "web2: proscribe_hosts: found 'all'"),
    ],
)
def test_a_pattern_that_chooses_nobody_or_not_the_same_for_all_is_a_mistake(hosts: Any, message: str) -> None:
    with pytest.raises(PolicyErrors) as wrong:
        select(*hosts)
    assert str(wrong.value).startswith(f"host {message}")


# -- folders of a policy


class Made:
    """A project with two inventories, of which the first names the hosts, and folders in them."""

    def __init__(self, root: Path, *there: str) -> None:
        self.root = root
        for folder in ("project", "fleet", "second", *there):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / "fleet/hosts.yml").touch()
        self.host = self.named("h1")

    def named(self, name: str) -> HostVariables:
        return HostVariables(name, {}, {}, str(self.root / "fleet"))

    def question(self) -> Question:
        sources = [str(self.root / "fleet/hosts.yml"), str(self.root / "second")]
        return Question(self.root / "project", "audit", "audit", sources, "", [], [self.host], {})

    def shown(self, folders: list[Path] | tuple[Path, ...]) -> list[str]:
        return [str(folder.relative_to(self.root)) for folder in folders]


def test_an_absolute_path_means_one_place(tmp_path: Path) -> None:
    made = Made(tmp_path)
    assert places_of("/own", made.question(), made.host) == [Path("/own")]


@pytest.mark.parametrize(
    ("there", "found"),
    [
        (["fleet/own"], ["project/catalog", "fleet/own"]),
        (["second/own"], ["project/catalog", "second/own"]),
        (["project/own"], ["project/catalog", "project/own"]),
        (["fleet/own", "second/own"], ["project/catalog", "fleet/own"]),
        (["fleet/own", "project/own"], "a path that is one folder, not both {0}/fleet/own and {0}/project/own"),
        ([], "a directory with <category>/<id>.yml files: {0}/fleet/own or {0}/second/own or {0}/project/own"),
    ],
)
def test_an_organisations_own_catalogue(there: list[str], found: list[str] | str, tmp_path: Path) -> None:
    made = Made(tmp_path, *there)
    own = restrictions(catalog_dirs=["own"])
    if isinstance(found, list):
        assert made.shown(catalogue_folders(made.question(), made.host, own)) == found
        return
    with pytest.raises(PolicyErrors) as wrong:
        catalogue_folders(made.question(), made.host, own)
    (error,) = wrong.value.errors
    assert (error.where, error.key, error.value) == ("host h1", "proscribe_catalog_dirs", "own")
    assert error.expected.startswith(found.format(tmp_path))


def test_a_catalogue_in_the_place_of_the_projects_own(tmp_path: Path) -> None:
    made = Made(tmp_path, "fleet/ours", "project/more")
    own = restrictions(catalog="ours", catalog_dirs=["more"])
    assert made.shown(catalogue_folders(made.question(), made.host, own)) == ["fleet/ours", "project/more"]
    with pytest.raises(PolicyErrors, match="proscribe_catalog: found 'nosuch', expected a directory with <category>"):
        catalogue_folders(made.question(), made.host, restrictions(catalog="nosuch"))


def test_folders_of_waivers_and_the_registers_beside_them(tmp_path: Path) -> None:
    made = Made(tmp_path, "second/waivers", "project/department/waivers")
    (tmp_path / "project/again").symlink_to("department/waivers")
    question = made.question()
    question.hosts.extend(map(made.named, ("h2", "h3", "h4")))
    named = {"h1": "department/waivers", "h2": "again", "h3": ""}  # and of h4 nothing is known
    own = {name: restrictions(waivers_dir=folder) for name, folder in named.items()}
    department = "project/department"
    assert made.shown(folders_of_waivers(question, own)) == [f"{department}/waivers", "second/waivers"]
    assert made.shown(folders_of_registers(question, own)) == [department, "fleet", "second"]
    assert folder_of_new_waivers(question, own) == tmp_path / department / "waivers"
    assert folder_of_new_waivers(question, {}) == tmp_path / "fleet/waivers", "which is not there yet"
    with pytest.raises(PolicyErrors, match="proscribe_waivers_dir: found 'x'"):
        folders_of_waivers(question, {"h2": restrictions(waivers_dir="x")})


def test_inventory_without_a_folder_has_none_for_new_waivers(tmp_path: Path) -> None:
    question = Question(tmp_path, "audit", "audit", ["h1,"], "", [], [], {})
    assert folder_of_new_waivers(question, {}) is None
    assert folders_of_waivers(question, {}) == folders_of_registers(question, {}) == []
