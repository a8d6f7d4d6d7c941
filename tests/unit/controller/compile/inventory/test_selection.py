"""Which hosts a run is about, and which of them cannot be served."""

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
from proscribe.controller.compile.inventory.inventory import HostVariables
from proscribe.controller.compile.inventory.selection import Selection, audience, chosen
from proscribe.controller.compile.inventory.selection import select as select_of_inventory
from proscribe.controller.compile.inventory.supported_hosts import unserved
from proscribe.controller.policy_errors import PolicyErrors


@pytest.mark.parametrize("shell", ["powershell", "cmd", "ansible.builtin.PowerShell"])
def test_a_windows_host_is_recognised_by_its_shell(shell: str) -> None:
    assert unserved({"ansible_shell_type": shell}) == f"a Windows host (ansible_shell_type: {shell})"


def test_an_old_network_device_is_recognised_by_its_system() -> None:
    # `local` reaches the controller: if Proscribe observed it, the result would count as that of the switch.
    found = unserved({"ansible_connection": "local", "ansible_network_os": "ios"})
    assert found == "a network device (ansible_network_os: ios)"
    assert unserved({"ansible_connection": "ssh", "ansible_network_os": "ios"}) == ""


def select(*hosts: tuple[str, Any, str], observes: bool = False) -> Selection:
    """Selected out of (name, proscribe_hosts, why it is not served)."""
    made = [
        HostVariables(
            name,
            {} if pattern is None else {"proscribe_hosts": pattern},
            {},
            ".",
            unserved=why,
            windows=why == "a Windows host",
        )
        for name, pattern, why in hosts
    ]

    def matching(pattern: str) -> set[str]:
        if pattern == "!":
            raise AnsibleError("no pattern")
        return {host.name for host in made if fnmatch.fnmatch(host.name, pattern)}

    return chosen(made, matching, observes)


def test_what_the_pattern_leaves_out_is_no_part_of_the_run_and_what_it_takes_may_not_be_served() -> None:
    found = select(("web1", "web*", ""), ("web2", "web*", "a Windows host"), ("db1", "web*", "a network device"))
    assert (found.names, found.not_served, found.pattern) == (["web1"], {"web2": "a Windows host"}, "web*")


def managers(text: str, file: Path) -> tuple[InventoryManager, HostVars]:
    """Ansible's own of an inventory."""
    file.write_text(text, "utf-8")
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(file)])
    manager = VariableManager(loader=loader, inventory=inventory)
    return inventory, HostVars(inventory=inventory, variable_manager=manager, loader=loader)


def test_a_pattern_is_about_the_whole_inventory_whichever_hosts_a_play_has(tmp_path: Path) -> None:
    """With --limit and serial Ansible knows fewer hosts. Proscribe still has to report what they leave out of a run."""
    fleet = "all: {vars: {proscribe_hosts: 'web*'}, hosts: {web1: , web2: , web3: , db1: }}\n"
    inventory, hostvars = managers(fleet, tmp_path / "hosts.yml")
    inventory.subset("web1:web2")
    inventory.restrict_to_hosts([inventory.get_host("web2")])
    found = select_of_inventory(["web2", "db1"], hostvars)
    assert (found.names, found.about) == (["web2"], frozenset(("web1", "web2", "web3")))


def test_what_others_enforce_is_decided_for_hosts_that_proscribe_does_not_serve_too(tmp_path: Path) -> None:
    windows, switch = "{ansible_connection: winrm}", "{ansible_connection: network_cli}"
    _, hostvars = managers(f"all: {{hosts: {{web1: , desk1: {windows}, sw1: {switch}}}}}\n", tmp_path / "hosts.yml")
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
        (
            [("web1", "web*", ""), ("web2", None, ""), ("db1", "db*", "")],
            "web2: proscribe_hosts: found 'all', expected the same for all hosts; web1 has 'web*'",
        ),
    ],
)
def test_a_pattern_that_chooses_nobody_or_not_the_same_for_all_is_a_mistake(hosts: Any, message: str) -> None:
    with pytest.raises(PolicyErrors) as wrong:
        select(*hosts)
    assert str(wrong.value).startswith(f"host {message}")
