"""The plans of many hosts become one: the strictest, never wider, and what is lost is said."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_export import AT, HOURS, decision, plan
from proscribe.controller.enforcement_points.decision import decide, join, waived
from proscribe.controller.enforcement_points.declaration import LeftOut, NotExportable
from proscribe.model.plan import RESTRICTED, check, sealed

WAIVED = {"mode": "waived", "waiver": "W-1"}
AT_NOON = {**WAIVED, "hours": HOURS, "otherwise": "enforce"}
FOR_ALICE = {"exceptions": [{"waiver": "W-2", "users": ["alice"]}]}
NO_HOURS = "This point does not know hours, so the service stays blocked for all."
NO_USERS = "This point does not know users, so the service stays blocked for all."
NOT_ALL = "Not every host of this export has the waiver, so the service stays blocked for all."


def chat(entry, control="dns"):
    return plan({control: {"chat": entry}})


def test_hosts_with_one_plan_have_that_plan():
    made = plan()
    found = decision(made)
    assert found.plan == made
    assert found.digest == made["digest"]
    assert (found.catalogue, found.group, found.hosts, found.at) == ("2026.11.1", "", ("host1", "host2"), AT)
    assert found.left_out == ()


@pytest.mark.parametrize(
    ("first", "second", "mode", "left_out"),
    [
        (WAIVED, WAIVED, "waived", []),
        (WAIVED, {"mode": "waived", "waiver": "W-9"}, "waived", []),
        (WAIVED, {}, "enforce", [("waiver W-1 for host host1", NOT_ALL)]),
        ({}, WAIVED, "enforce", [("waiver W-1 for host host2", NOT_ALL)]),
        (AT_NOON, AT_NOON, "enforce", [("waiver W-1 for hosts host1, host2", NO_HOURS)]),
        (WAIVED, AT_NOON, "enforce", [("waiver W-1 for host host1", NOT_ALL), ("waiver W-1 for host host2", NO_HOURS)]),
        (FOR_ALICE, {}, "enforce", [("waiver W-2 for host host1", NO_USERS)]),
    ],
)
def test_what_waivers_come_to(first, second, mode, left_out):
    joined, said = join({"host1": chat(first), "host2": chat(second)}, ("dns",))
    check(joined)
    entry = joined["controls"]["dns"]["services"]["chat"]
    assert entry["mode"] == mode
    assert not {"hours", "otherwise", "opens", "exceptions"} & set(entry)
    assert sorted(said) == sorted(LeftOut("dns/chat", what, why) for what, why in left_out)


@pytest.mark.parametrize(
    ("narrowed", "unknown"),
    [
        ({"users": ["alice"]}, "users"),
        ({"posix_groups": ["it"]}, "groups of users"),
        ({"versions": ["1"]}, "versions"),
        ({"paths": ["/opt/x"]}, "paths"),
        ({"hours": HOURS}, "hours"),
        ({"hours": HOURS, "users": ["alice"], "paths": ["/x"]}, "users or paths or hours"),
    ],
)
def test_why_a_waiver_does_not_count_is_said_with_its_hosts(narrowed, unknown):
    made = chat({"exceptions": [{"waiver": "W-2", **narrowed}]})
    _, [said] = join(dict.fromkeys("gfedcba", made), ("dns",))
    why = f"This point does not know {unknown}, so the service stays blocked for all."
    assert said == LeftOut("dns/chat", "waiver W-2 for hosts a, b, c, d, e and 2 more", why)


@pytest.mark.parametrize(
    "own",
    [
        {"later": {"at": "2027-01-01T00:00:00Z", "plan": "sha256:" + "0" * 64}},
        {"waivers": [{"id": "W-1"}]},
        {"answers": {"browser/chat": "no"}},
        {"group_policy": {"x": 1}},
    ],
    ids=lambda own: "".join(own),
)
def test_hosts_may_differ_in_what_is_their_own(own):
    joined, said = join({"a": plan(), "b": plan(**own)})
    assert (joined["controls"], said) == (plan()["controls"], ())
    other = plan(**own)
    other["controls"]["dns"]["nothing_known"] = ["owl"]
    assert join({"a": plan(), "b": sealed(other)}) == (joined, ())


def test_programs_that_serve_permitted_accounts_too_are_only_reported():
    made = plan({"apps": {"chat": {"mode": "report", "serves_both": True}}})
    why = "They serve permitted accounts, too, so they are only reported."
    assert decision(made).left_out == (LeftOut("apps/chat", "the programs", why),)


def test_what_a_waiver_opens_below_another_service_stays_closed_too():
    opened = {"allow": ["help.chat.example", "mail.chat.example"]}
    joined, _ = join({"host1": chat(opened), "host2": chat({})}, ("dns",))
    assert joined["controls"]["dns"]["services"]["chat"]["allow"] == ["help.chat.example"]


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


@pytest.mark.parametrize(
    ("other", "where"),
    [
        (plan({"dns": {"chat": {"domains": ["other.example"]}}}), "controls.dns.services.chat.domains"),
        (plan({"dns": {"more": {"mode": "enforce", "domains": [], "allow": []}}}), "controls.dns.services.more"),
        (plan({"dns": {"chat": {"mode": "audit"}}}), "controls.dns.services.chat.mode"),
        (plan(contact="elsewhere"), "contact"),
    ],
)
def test_hosts_with_different_policies_are_refused(other, where):
    with pytest.raises(NotExportable, match=rf"the hosts a and c .*{re.escape(where)} differs.*--group or --limit"):
        join({"a": plan(), "b": plan(), "c": other})


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


def test_what_waivers_open_is_named():
    assert waived(decision(chat(WAIVED)), ("dns", "browser")) == {"dns/chat": "W-1"}


ENTRIES = st.sampled_from([{}, WAIVED, AT_NOON, FOR_ALICE, {**AT_NOON, **FOR_ALICE}])


@given(st.lists(ENTRIES, min_size=1, max_size=5))
def test_a_decision_is_never_wider_than_a_host(entries):
    plans = {f"host{number}": chat(entry) for number, entry in enumerate(entries)}
    joined, said = join(plans, ("dns",))
    open_there = joined["controls"]["dns"]["services"]["chat"]["mode"] not in RESTRICTED
    assert open_there == all(entry == WAIVED for entry in entries)
    assert bool(said) == any(entry not in ({}, WAIVED) for entry in entries) or WAIVED in entries
    assert join(dict(reversed(plans.items())), ("dns",)) == (joined, said)
