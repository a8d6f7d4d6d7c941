"""All mistakes of all files in one run: what is wrong with one key, one file or one register hides nothing else."""

from __future__ import annotations

import pytest
from made_waivers import NOW, Organisation, at
from proscribe.controller.compile.plans.hosts import compile_hosts
from proscribe.controller.compile.plans.waivers import waivers_of
from proscribe.controller.policy_errors import PolicyErrors

NAMES = {
    "services[1]: found 'whatsap'": "did you mean 'whatsapp'?",
    "services[2]: found 'webmail'": "'webmail' is a category, and a waiver names services",
    "services[3]: found 'press'": "'press' is a group: groups: [press]",
    "hosts[1]: found 'press'": "'press' is a group: groups: [press]",
    "hosts[2]: found 'whatsapp'": "'whatsapp' is a service: services: [whatsapp]",
    "groups[0]: found 'press01'": "'press01' is a host: hosts: [press01]",
}


def found(error: PolicyErrors) -> dict[str, str]:
    """By file, key and value: what every mistake ends with."""
    return {
        str(one).rpartition("/")[2].partition(", expected ")[0].partition(": ")[2]: str(one) for one in error.errors
    }


@pytest.mark.parametrize("ask", [waivers_of, compile_hosts])
def test_every_mistake_of_every_file_is_named_at_once(organisation: Organisation, ask) -> None:
    organisation.waiver(
        services=["whatsapp", "whatsap", "webmail", "press"],
        hosts=["press01", "press", "whatsapp"],
        groups=["press01"],
        controls=["app"],
        expires="2026-12-31T18:00:00",
    )
    organisation.waiver("w2.yml", id="w2", hosts=["pres01"])
    organisation.approvers({"pres": {"head": "x"}})
    with pytest.raises(PolicyErrors) as wrong:
        ask(organisation.question(), at(NOW))
    said = found(wrong.value)
    for place, hint in NAMES.items():
        assert said[place].endswith(hint), said
    assert {place.partition(":")[0] for place in said} == {
        *(place.partition(":")[0] for place in NAMES),
        *("controls[0]", "expires", "hosts[0]", "pres"),
    }


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
