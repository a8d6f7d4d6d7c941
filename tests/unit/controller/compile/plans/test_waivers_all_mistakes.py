"""All mistakes of all files in one run: what is wrong with one key, one file or one register hides nothing else."""

from __future__ import annotations

import pytest
from made_waivers import NOW, Organisation, at
from proscribe.controller.compile.plans.hosts import compile_hosts
from proscribe.controller.compile.plans.waivers import waivers_of
from proscribe.controller.policy_errors import PolicyErrors


def test_a_wrong_variable_hides_no_wrong_place(organisation: Organisation) -> None:
    organisation.variables = {"controls": {"apps": "enforc"}}
    organisation.waiver(services=["not_known_yet"], hosts=["press"])
    with pytest.raises(PolicyErrors) as wrong:
        compile_hosts(organisation.question(), at(NOW))
    said = str(wrong.value)
    assert "proscribe_controls" in said and "'press' is a group" in said and "not_known_yet" not in said


@pytest.mark.parametrize("services", [["slack"], ["elsewhere"]])
def test_a_waiver_of_hosts_outside_the_run_may_name_what_only_they_know(organisation: Organisation, services) -> None:
    organisation.waiver(services=services, hosts=["press01"])
    assert len(waivers_of(organisation.question("fin01"), at(NOW))) == 1
