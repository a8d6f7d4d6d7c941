"""The plans of many hosts become one: the strictest, never wider, and what is lost is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_export import AT, HOURS, decision, plan
from proscribe.controller.enforcement_points.decision import decide, join
from proscribe.controller.enforcement_points.declaration import LeftOut, NotExportable
from proscribe.model.plan import RESTRICTED, check

WAIVED = {"mode": "waived", "waiver": "W-1"}
AT_NOON = {**WAIVED, "hours": HOURS, "otherwise": "enforce"}
FOR_ALICE = {"exceptions": [{"waiver": "W-2", "users": ["alice"]}]}


def chat(entry, control="dns"):
    return plan({control: {"chat": entry}})


def test_what_is_restricted_for_a_group_of_users_is_open_at_a_point_that_knows_none():
    made = plan({"firewall": {"chat": {"networks": ["203.0.113.0/24"], "only": {"posix_groups": ["contractors"]}}}})
    found = decision(made)
    assert found.plan["controls"]["firewall"]["services"]["chat"]["mode"] == "report"
    [left_out] = found.left_out
    assert (left_out.rule, left_out.what) == ("firewall/chat", "the service")
    assert "members of contractors only" in left_out.why


def test_a_service_that_is_not_restricted_yet_is_said():
    made = plan(
        {"dns": {"later": {"mode": "upcoming", "effective_from": "2027-01-01", "domains": ["later.example"]}}}
        | {"firewall": {"seen": {"mode": "report", "networks": ["192.0.2.1"], "ports": []}}}
    )
    assert decision(made).left_out == (
        LeftOut("firewall/seen", "the service", "It is reported where it is found, and not restricted."),
        LeftOut("dns/later", "the service", "It is restricted from 2027-01-01 on."),
    )
    assert decision(made).digest == made["digest"]


def test_hosts_may_differ_in_what_a_format_does_not_take():
    other = plan({"browser": {"chat": {"domains": ["other.example"]}}})
    joined, _ = join({"a": plan(), "b": other}, ("dns",))
    check(joined)
    assert sorted(joined["controls"]) == ["apps", "dns", "firewall"]
    with pytest.raises(NotExportable, match="controls.browser.services.chat.domains"):
        join({"a": plan(), "b": other}, ("dns", "browser"))


def test_a_control_that_is_off_is_said_or_refused():
    made = plan()
    del made["controls"]["dns"]
    found = decide({"a": made}, AT, needed=("dns", "browser"))
    assert found.left_out == (LeftOut("", "the control dns", "It is off in proscribe_controls."),)
    with pytest.raises(NotExportable, match="dns is off in proscribe_controls of host a"):
        decide({"a": made}, AT, needed=("dns",))
    with pytest.raises(NotExportable, match="no host"):
        join({})


ENTRIES = st.sampled_from([{}, WAIVED, AT_NOON, FOR_ALICE, {**AT_NOON, **FOR_ALICE}])


@given(st.lists(ENTRIES, min_size=1, max_size=5))
def test_a_decision_is_never_wider_than_a_host(entries):
    plans = {f"host{number}": chat(entry) for number, entry in enumerate(entries)}
    joined, said = join(plans, ("dns",))
    open_there = joined["controls"]["dns"]["services"]["chat"]["mode"] not in RESTRICTED
    assert open_there == all(entry == WAIVED for entry in entries)
    assert bool(said) == any(entry not in ({}, WAIVED) for entry in entries) or WAIVED in entries
    assert join(dict(reversed(plans.items())), ("dns",)) == (joined, said)
