"""What a run has compiled, as a whole: all that its report and its hosts have of two plans and a waiver."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from made_waivers import NOW, Organisation, at
from proscribe.controller.compile.inventory.inventory import HostVariables
from proscribe.controller.compile.plans.policy import sound_policy
from proscribe.controller.compile.plans.run import compile_run
from proscribe.controller.policy_errors import PolicyErrors

OWN: dict[str, dict[str, Any]] = {
    "press01": {"probe": True, "compliance_gate": "noncompliant", "stale_after": "1d"},
    "press02": {"audit_with": "stored", "compliance_gate": "incomplete", "observe_timeout": "2m"},
    "fin01": {"effective_from": "2027-01-01"},
    "desk01": {"probe": True},
}
ALL = {
    "categories": ["instant_messaging"],
    "batches": [2, "10%"],
    "max_change": {"hosts": 5},
    "max_failures": "20%",
    "exports": ["csv"],
    "history": "off",
    "history_keep": "1d",
    "reports_keep": "2d",
    "catalog_max_age": "forever",
    "reports": "../reports",
}


def made_question(organisation: Organisation, **more: Any) -> Any:
    """A run over four hosts, with variables that are not as usual."""
    question = organisation.question(*OWN)
    hosts = [
        HostVariables(
            host.name, {f"proscribe_{key}": value for key, value in {**ALL, **OWN[host.name]}.items()}, {}, host.folder
        )
        for host in question.hosts
    ]
    said = {"mode": "enforce", "playbook": "enforce", "limit": "web*", "pattern": "all:!lab", "windows": ("desk01",)}
    said |= {"not_served": {"sw1": "a network device"}, "hosts": hosts, "controls": ["apps", "firewall"]}
    groups = {**question.groups, "all": frozenset([*OWN, "sw1", "lab01"])}
    return dataclasses.replace(question, groups=groups, **{**said, **more})


def test_a_host_with_a_mistake_agrees_with_all(organisation: Organisation) -> None:
    """What is wrong has its default, which says nothing of whether the hosts agree."""
    question = made_question(organisation)
    first = question.hosts[0]
    question.hosts[0] = dataclasses.replace(first, values={**first.values, "proscribe_batches": "x"})
    with pytest.raises(PolicyErrors) as wrong:
        compile_run(question, at(NOW))
    assert [error.key for error in wrong.value.errors] == ["proscribe_batches"]


def test_what_a_run_has_loaded_is_noted_for_the_next(organisation: Organisation) -> None:
    store = organisation.root / "reports/plans"
    compile_run(made_question(organisation), at(NOW))
    assert {name.rpartition("-")[0] for name in (one.name for one in store.iterdir())} >= {"catalogue", "plan"}


def test_the_projects_own_catalogue_may_be_in_the_inventory(organisation: Organisation) -> None:
    """It is read anyhow. An organisation's own there would be read as hosts, too, and is refused."""
    organisation.approvers(None)
    organisation.waivers.rmdir()
    question = dataclasses.replace(organisation.question("press01"), inventory=[str(organisation.root)])
    assert set(sound_policy(question).services) == {"signal", "slack", "whatsapp"}
    (organisation.root / "more").mkdir()
    (host,) = question.hosts
    own = {**host.values, "proscribe_catalog_dirs": ["more"]}
    with pytest.raises(PolicyErrors) as wrong:
        sound_policy(dataclasses.replace(question, hosts=[dataclasses.replace(host, values=own)]))
    (error,) = wrong.value.errors
    assert (error.where, error.key) == ("host press01", "proscribe_catalog_dirs")
    assert error.value == str(organisation.root / "more")
