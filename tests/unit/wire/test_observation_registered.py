"""What a task registered for a host: from where Ansible keeps it, and the same where it keeps it elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from proscribe.wire.observation import registered

RECORD = {"record": {"rules": ["{{ never }}"]}}


@pytest.fixture
def hostvars() -> HostVars:
    """Two hosts of a real inventory; a task has registered something for one of them."""
    loader = DataLoader()
    inventory = InventoryManager(loader, sources=["a,b"])
    variables = VariableManager(loader, inventory)
    variables.set_nonpersistent_facts("a", {"proscribe_observed": RECORD, "proscribe_nothing": None})
    return HostVars(inventory, variables, loader)


@pytest.mark.parametrize(
    ("host", "name", "expected"),
    [
        ("a", "proscribe_observed", RECORD),
        ("a", "proscribe_nothing", {}),
        ("a", "proscribe_other", {}),
        ("b", "proscribe_observed", {}),
    ],
)
def test_what_was_registered_is_what_hostvars_say(
    hostvars: HostVars, monkeypatch: pytest.MonkeyPatch, host: str, name: str, expected: Mapping[str, Any]
) -> None:
    assert registered(hostvars, host, name) == expected == (hostvars.raw_get(host).get(name) or {})
    assert "b" not in hostvars._variable_manager._nonpersistent_fact_cache, "nothing is made by asking"

    class Elsewhere:
        """Another Ansible, which keeps it in another place."""

        raw_get = hostvars.raw_get

    assert registered(Elsewhere(), host, name) == expected

    monkeypatch.setattr(HostVars, "raw_get", lambda *_: pytest.fail("all variables of the host were gathered"))
    assert registered(hostvars, host, name) == expected
