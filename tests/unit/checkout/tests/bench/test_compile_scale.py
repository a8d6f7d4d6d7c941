"""The parts of the bench of compiling: each kind of inventory is the same fleet, and a run stops before any host."""

import json
import sys
from pathlib import Path

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader

sys.path.append(str(Path(__file__).resolve().parents[4] / "bench"))

from compile_scale import DEPARTMENTS, KINDS, SITES, make_fleet, write_playbooks

HOSTS = DEPARTMENTS + 3


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_inventory_have_the_same_hosts_groups_and_variables(kind, tmp_path):
    fleet = make_fleet(HOSTS)
    inventory = InventoryManager(DataLoader(), sources=[str(KINDS[kind](tmp_path, fleet))])
    groups = {
        name: sorted(hosts) for name, hosts in inventory.get_groups_dict().items() if name.startswith("department")
    }
    assert groups == {name: sorted(group["hosts"]) for name, group in fleet.items() if name.startswith("department")}
    assert inventory.groups["all"].get_vars() == fleet["all"]["vars"]
    assert inventory.groups["department1"].get_vars() == fleet["department1"]["vars"] != {}
    for name, variables in fleet["_meta"]["hostvars"].items():
        own = inventory.get_host(name).vars
        assert {key: own[key] for key in variables} == variables
    assert len({json.dumps(variables["site"]) for variables in fleet["_meta"]["hostvars"].values()}) == SITES


def test_playbooks_have_two_plays_and_the_first_is_an_audits(tmp_path):
    plays = {name: yaml.safe_load(path.read_text()) for name, path in write_playbooks(tmp_path).items()}
    audit = yaml.safe_load((Path(__file__).resolve().parents[5] / "playbooks" / "audit.yml").read_text())
    assert plays["compile"][0] == audit[0]
    assert [play["hosts"] for play in plays["compile"]] == [play["hosts"] for play in audit]
    assert [len(both) for both in plays.values()] == [2, 2]
