"""What a run has compiled, as a whole: all that its report and its hosts have of two plans and a waiver."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
from made_waivers import NOW, Organisation, at
from proscribe.controller import version
from proscribe.controller.compile.inventory.inventory import HostVariables
from proscribe.controller.compile.inventory.reporting import policies
from proscribe.controller.compile.plans.hosts import compile_hosts
from proscribe.controller.compile.plans.policy import sound_policy
from proscribe.controller.compile.plans.run import LIFT, compile_run
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.model.plan import CONTROLS
from proscribe.wire.watch_sent import named_for_hosts

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


SERVICES = ["signal", "slack", "whatsapp"]
SAID = {
    "playbook": "enforce",
    "mode": "enforce",
    "started": "2026-11-25T08:00:00Z",
    "catalog": {"version": "2026.11.1", "released": "2026-11-02"},
    "limit": "web*",
    "pattern": "all:!lab",
    "not_served": {"sw1": "a network device"},
    "windows": ["desk01"],
    "controls": ["apps", "firewall"],
    "departments": {"finance": ["fin01"], "press": ["press01", "press02"]},
    "left_out": ["lab01"],
    "services": SERVICES,
    "probe": ["press01"],
    "audit_stored": ["press02"],
    "gate": {"press01": "noncompliant", "press02": "incomplete"},
    "rollout": {"batches": (2, "10%"), "max_change": {"hosts": 5, "removals": "auto"}, "max_failures": "20%"},
    "exports": ["csv"],
    "exports_fed": [],
    "events": {},
    "round": "",
    "history": "off",
    "history_keep": 86400,
    "reports_keep": 2 * 86400,
    "baseline": "",
    "stale_after": {"usual": 3 * 86400, "hosts": {"press01": 86400}},
    "observe_timeout": {"usual": 300, "hosts": {"press02": 120}},
    "upcoming": [
        {"service": service, "control": control, "effective_from": "2027-01-01"}
        for control in sorted(CONTROLS)
        for service in SERVICES
    ],
    "warnings": ["Windows hosts are only observed, and nothing is corrected on them: desk01"],
}


def test_all_that_a_run_has_compiled(organisation: Organisation) -> None:
    organisation.waiver()
    (organisation.root / "catalog/release.yml").write_text(
        "schema: proscribe/catalog/1\nversion: 2026.11.1\nreleased: 2026-11-02\n"
    )
    question = made_question(organisation)
    run = compile_run(question, at(NOW))
    plans = compile_hosts(question, at(NOW)).plans
    press01, press02, finance = (run["hosts"][name] for name in ("press01", "press02", "fin01"))
    whole = {
        **SAID,
        "version": version.own(),
        "inventory": [str(organisation.inventory)],
        "directory": f"{organisation.root}/reports/{run['id']}.partial",
        "plans": f"{organisation.root}/reports/plans",
        "hosts": {"press01": press01, "press02": press02, "fin01": finance, "desk01": press02},
        "policies": {digest: policies(plan) for digest, plan in plans.items()},
        "rules": dict.fromkeys((press01, press02, finance), 6),
        "nothing_known": {press01: [], press02: [], finance: []},
    }
    apart = ("id", "catalog_version", "code", "packed", "waivers", "warnings_to_print")
    assert {key: value for key, value in run.items() if key not in apart} == whole
    assert re.fullmatch(r"20261125T080000Z-enforce-[0-9a-f]{4}", run["id"])
    assert run["catalog_version"] and run["code"] and set(run["packed"]) == set(plans)
    assert [(one["id"], one["status"]) for one in run["waivers"]] == [("w1", "active")]


def test_hosts_that_watch_know_how(organisation: Organisation) -> None:
    organisation.variables = {"watch": "5m"}
    assert organisation.run()["watch"] == named_for_hosts()
    organisation.variables = {}
    assert "watch" not in organisation.run()


@pytest.mark.parametrize("name", ["batches", "max_change", "max_failures", "catalog_max_age", "history", "reports"])
def test_on_what_hosts_have_to_agree(name: str, organisation: Organisation) -> None:
    others = {"batches": [1], "max_change": 1, "max_failures": "1%", "catalog_max_age": "1d", "history": "sqlite"}
    question = made_question(organisation)
    last = question.hosts[-1]
    other = {**last.values, f"proscribe_{name}": {**others, "reports": "other"}[name]}
    question.hosts[-1] = dataclasses.replace(last, values=other)
    with pytest.raises(PolicyErrors) as wrong:
        compile_run(question, at(NOW))
    assert [error.key for error in wrong.value.errors] == [f"proscribe_{name}"]
    assert not (organisation.root / "reports").exists()


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


def test_a_run_that_lifts_needs_no_waiver_that_was_there(organisation: Organisation) -> None:
    file = organisation.waiver()
    compile_run(made_question(organisation), at(NOW))
    file.unlink()
    with pytest.raises(PolicyErrors, match="w1"):
        compile_run(made_question(organisation), at(NOW))
    assert compile_run(made_question(organisation, mode=LIFT), at(NOW))["mode"] == LIFT


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


def test_a_wrong_folder_hides_no_mistake_in_the_projects_own_catalogue(organisation: Organisation) -> None:
    file = organisation.root / "catalog/instant_messaging/slack.yml"
    file.write_text(file.read_text().replace("enforce: true", "enforce: maybe"))
    organisation.variables = {"catalog_dirs": 7}
    with pytest.raises(PolicyErrors) as wrong:
        sound_policy(organisation.question("press01"))
    assert [error.key for error in wrong.value.errors] == ["proscribe_catalog_dirs", "enforce"]
