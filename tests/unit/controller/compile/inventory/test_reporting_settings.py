"""What a run's report has to know of the restrictions: one value for all hosts, or the usual one and who differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.compile.inventory.inventory import HostVariables
from proscribe.controller.compile.inventory.reporting import (
    nothing_known,
    one_for_all,
    policies,
    reporting,
    rule_count,
)
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.model.plan import digest


def known(tmp_path: Path, **variables: dict[str, Any]) -> Any:
    hosts = [HostVariables(name, {}, {}, ".") for name in variables]
    read = {
        name: read_restrictions({f"proscribe_{key}": value for key, value in values.items()}, str)
        for name, values in variables.items()
    }
    return reporting(hosts, read, tmp_path)


def test_without_hosts_it_is_as_usual(tmp_path: Path) -> None:
    found = known(tmp_path)
    assert (found["history"], found["stale_after"]) == ("sqlite", {"usual": 3 * 86400, "hosts": {}})
    assert one_for_all("exports_key", [], {}) == ""


@pytest.mark.parametrize("baseline", ["latest", "20261125T080000Z"])
def test_a_run_to_compare_with_has_to_be_there(tmp_path: Path, baseline: str) -> None:
    with pytest.raises(PolicyErrors) as wrong:
        known(tmp_path, a={"gate_baseline": baseline})
    (error,) = wrong.value.errors
    assert (error.key, error.value) == ("proscribe_gate_baseline", baseline)
    assert error.expected.startswith("an earlier run to compare with: ")


def test_hosts_have_to_agree(tmp_path: Path) -> None:
    with pytest.raises(PolicyErrors) as wrong:
        known(tmp_path, a={}, b={}, c={"history": "off"})
    (error,) = wrong.value.errors
    assert (error.key, error.value) == ("proscribe_history", "off")
    assert error.expected == "the same for all hosts of a run; a has 'sqlite', c 'off'"


APPS: Any = {"mode": "enforce", "services": {"owl": {}, "crow": {}}, "nothing_known": ["dodo"]}
DNS: Any = {"mode": "audit", "services": {"owl": {}}, "nothing_known": ["dodo", "crow"]}
PLAN: Any = {"controls": {"apps": APPS, "dns": DNS, "browser": {"mode": "audit", "services": {}}}, "browsers": ["fox"]}


def test_the_rules_of_a_plan_are_counted() -> None:
    assert [rule_count(PLAN, controls) for controls in ([], ["apps"], ["dns", "browser"], ["apps", "dns"])] == [
        0,
        3,
        3,
        6,
    ]
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
    assert {name: one for name, one in more.items() if name not in found} == {
        "group_policy": {"mode": "enforce", "policy": digest({"x": 1})[:23]},
        "watch": {"mode": "enforce", "policy": digest({"y": 2})[:23]},
    }
    assert policies({**PLAN, "browsers": ["other"]})["apps"]["policy"] == of(APPS, ["other"]) != of(APPS)
