"""What a waiver is worth: of a case, the status that the report shows and what is open on which host, in every plan."""

from __future__ import annotations

import dataclasses
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_waivers import APPROVERS, NOW, ZONES, Organisation, at
from proscribe.controller.compile.plans.waivers import waivers_of
from proscribe.controller.compile.waivers.authority import Authority
from proscribe.controller.compile.waivers.document import read_waiver
from proscribe.controller.compile.waivers.standing import STATUSES, Context, Rules, standing, worst_first
from proscribe.controller.compile.waivers.waiver import Revocation
from proscribe.controller.policy_errors import PolicyErrors
from waiver_cases import CASES, OPEN, SHUT, TAKEN_BACK


@pytest.mark.parametrize("case", CASES, ids=[case.shows for case in CASES])
def test_a_case_has_its_status_in_the_report_and_its_effect_in_every_plan(organisation, case):
    organisation.waiver(**case.waiver)
    organisation.approvers(case.approvers)
    organisation.variables = case.variables
    run = organisation.run(case.now)
    (waiver,) = run["waivers"]
    assert (waiver["status"], waiver["waives"]) == (case.status, case.status == "active"), waiver["why"]
    assert case.why in waiver["why"]
    assert organisation.opened(now=case.now) == case.opened
    assert organisation.opened("signal", case.now) == {}
    assert waiver["status"] == "active" or waiver["why"], "what waives nothing says why"
    # A warning for everything that somebody may rely on in error; what was taken back on purpose is only listed.
    assert bool(run["warnings"]) == (case.status not in ("active", "revoked") or waiver["review_overdue"])


@pytest.mark.parametrize("case", [case for case in CASES if case.status == "active"], ids=lambda case: case.shows)
def test_a_run_over_a_part_of_the_hosts_does_not_change_what_a_waiver_is_worth(organisation, case):
    organisation.waiver(**case.waiver)
    organisation.approvers(case.approvers)
    organisation.variables = case.variables
    for name in ("press02", "lab01"):
        assert organisation.status(case.now, name) == "active"


def test_the_worst_comes_first(organisation):
    organisation.waiver("good.yml", id="good")
    organisation.waiver("alike.yml", id="alike")
    organisation.waiver("overdue.yml", id="overdue", review_by="2026-11-20T00:00:00Z")
    organisation.waiver("mallory.yml", id="mallory", approved_by="mallory")
    organisation.waiver("later.yml", id="later", valid_from="2026-12-01T00:00:00Z")
    organisation.waiver("over.yml", id="over", expires="2026-11-20T00:00:00Z")
    judged = waivers_of(organisation.question(), at(NOW))[::-1]  # of what is alike, its id says the order
    judged.sort(key=lambda one: worst_first(*one))
    assert [waiver.id for waiver, _ in judged] == ["mallory", "over", "later", "overdue", "alike", "good"]
    assert {standing.status for _, standing in judged} <= set(STATUSES)


@pytest.mark.parametrize(("approvers", "unregistered"), [(None, True), (APPROVERS, False)])
def test_an_approval_without_an_approver_list_is_marked_unregistered(organisation, approvers, unregistered):
    """Then the register is missing, and with it every waiver of the run: no reason to take what they permit."""
    organisation.waiver(approved_by="mallory")
    organisation.approvers(approvers)
    ((_, standing),) = waivers_of(organisation.question(), at(NOW))
    assert (standing.status, standing.unregistered) == ("unauthorised", unregistered)
    organisation.waiver(approved_by="chan.tai.man")
    ((_, standing),) = waivers_of(organisation.question(), at(NOW))
    assert (standing.status, standing.unregistered) == ("self_approved", False)


def test_statuses_have_this_order():
    """What is relied on in error first. A report, and `worst_first`, have no other order."""
    untrusted = ("bad_signature", "unsigned", "self_approved", "unauthorised", "blanket", "too_long", "no_hosts")
    assert (*untrusted, "expired", "revoked", "not_yet_valid", "active") == STATUSES


def test_in_an_inventory_of_one_host_naming_it_is_no_blanket(organisation):
    organisation.groups = {"press": frozenset({"press01"})}
    organisation.approvers({"press": {"head": "head.of.press"}})
    organisation.waiver()
    assert organisation.opened() == OPEN
    organisation.waiver(hosts=None, groups=["all"])
    assert organisation.status() == "blanket"


def test_at_the_end_of_a_waiver_exactly_its_hosts_get_another_plan(organisation):
    organisation.waiver(hosts=None, groups=["press"], zones=["internet"], approved_by="head.of.both")
    before = organisation.run("2026-12-31T09:59:59+00:00")["hosts"]
    after = organisation.run("2026-12-31T10:00:00+00:00")["hosts"]
    assert {host for host in before if before[host] != after[host]} == {"press01"}
    assert len(set(after.values())) == 1


def test_a_revocation_takes_it_back_at_once(organisation):
    organisation.waiver()
    open_ = organisation.run()["hosts"]
    organisation.waiver(revoked=TAKEN_BACK)
    shut = organisation.run()["hosts"]
    assert {host for host in open_ if open_[host] != shut[host]} == {"press01"}


@pytest.mark.parametrize(
    ("by", "now", "warned"),
    [
        ("head.of.press", NOW, False),
        ("mallory", NOW, True),
        ("head.of.finance", NOW, True),
        ("mallory", "2026-12-31T10:00:00Z", False),  # the waiver would have ended anyway
    ],
)
def test_a_revocation_by_somebody_who_may_not_closes_and_is_reported(organisation, by, now, warned):
    organisation.waiver(revoked={**TAKEN_BACK, "by": by})
    run = organisation.run(now)
    (waiver,) = run["waivers"]
    assert (waiver["status"], organisation.opened(now=now)) == ("revoked", {})
    assert [f"{by} may not approve for press" in text for text in run["warnings"]] == [True] * warned


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A waiver, and what makes it a good one."""
    organisation = Organisation(tmp_path_factory.mktemp("good"))
    waiver = read_waiver(organisation.waiver())
    register = {"press": Authority("head.of.press")}
    return waiver, Context(organisation.question().groups, register, Rules(), lambda host: "")


MOMENTS = st.integers(0, 10).map(lambda hours: at(NOW) + datetime.timedelta(hours=hours))


@given(MOMENTS, MOMENTS, MOMENTS, MOMENTS, MOMENTS)
def test_a_waiver_waives_from_its_first_moment_until_just_before_its_last(good, now, approved, start, end, revoked):
    waiver, context = good
    taken_back = Revocation(revoked, "x", "y")
    changed = dataclasses.replace(waiver, approved_on=approved, valid_from=start, expires=end, revoked=taken_back)
    assert standing(changed, context, now).waives == (max(approved, start) <= now < min(end, revoked))


# -- a part of a service


def test_a_waiver_for_a_user_leaves_the_ban_and_excepts_the_user(organisation):
    organisation.waiver(users=["alice", "bob"], controls=["apps", "firewall"])
    for control in ("apps", "firewall"):
        entry = organisation.entry("press01", control)
        assert entry["mode"] == "enforce"
        assert entry["exceptions"] == [{"waiver": "w1", "users": ["alice", "bob"]}]
    for control in ("browser", "dns"):
        assert "exceptions" not in organisation.entry("press01", control)
    assert "exceptions" not in organisation.entry("press02", "apps")
    assert "exceptions" not in organisation.entry("press01", "apps", "signal")
    assert organisation.opened() == SHUT
    assert "exceptions" not in organisation.entry("press01", "apps", now="2026-12-31T10:00:00Z")


def test_a_waiver_for_a_version_and_a_path_says_both(organisation):
    organisation.waiver(versions=["4.0-1"], paths=["/opt/whatsapp/whatsapp"], controls=["apps"])
    organisation.waiver("w0.yml", id="w0", users=["bob"], controls=["apps"])
    assert organisation.entry("press01", "apps")["exceptions"] == [
        {"waiver": "w0", "users": ["bob"]},
        {"waiver": "w1", "versions": ["4.0-1"], "paths": ["/opt/whatsapp/whatsapp"]},
    ]


def test_a_whole_waiver_says_more_than_a_partial_one(organisation):
    organisation.waiver(versions=["4.0-1"], controls=["apps"])
    organisation.waiver("w2.yml", id="w2")
    entry = organisation.entry("press01", "apps")
    assert (entry["mode"], entry["waiver"]) == ("waived", "w2")
    assert "exceptions" not in entry


def test_of_two_whole_waivers_the_one_that_ends_last_is_named(organisation):
    organisation.waiver()
    organisation.waiver("w0.yml", id="w0", expires="2027-01-31T00:00:00Z")
    assert organisation.entry("press01", "dns")["waiver"] == "w0"


# -- what a waiver names


@pytest.mark.parametrize(
    "changes", [{"services": ["whatsap"]}, {"hosts": ["press1"]}, {"hosts": None, "groups": ["pres"]}], ids=str
)
def test_an_unknown_name_is_no_mistake_of_a_waiver_that_is_over(organisation, changes):
    organisation.waiver(**changes)
    with pytest.raises(PolicyErrors):
        organisation.run()
    assert organisation.status("2026-12-31T10:00:00Z") == "expired"
    organisation.waiver(**changes, revoked=TAKEN_BACK)
    assert organisation.status() == "revoked"


def test_a_service_of_another_departments_catalogue_is_no_mistake_in_a_run_without_its_hosts(organisation):
    organisation.waiver(services=["inhouse_chat"])
    assert organisation.status(NOW, "fin01") == "active"
    with pytest.raises(PolicyErrors, match="a service of the catalogue"):
        organisation.run(NOW, "press01")


@pytest.mark.parametrize("place", [{"hosts": ["press1"]}, {"hosts": None, "groups": ["pres"]}], ids=str)
def test_a_misspelled_place_hides_no_unknown_service(organisation, place):
    organisation.waiver(services=["inhouse_chat"], **place)
    with pytest.raises(PolicyErrors) as raised:
        organisation.run(NOW, "fin01")
    (misspelled,) = place.get("groups") or place["hosts"]
    assert [error.value for error in raised.value.errors] == ["inhouse_chat", misspelled]


def test_the_rules_for_waivers_are_the_same_for_all_hosts(organisation):
    question = organisation.question()
    question.hosts[1].values["proscribe_waiver_signatures"] = "off"  # type: ignore[index]
    with pytest.raises(PolicyErrors, match="proscribe_waiver_signatures: found 'off', expected the same for all hosts"):
        waivers_of(question, at(NOW))


def test_zones_of_hosts_outside_the_run_are_asked_for(organisation):
    names: list[str] = []
    question = organisation.question("press02")
    question = type(question)(**{**vars(question), "zone_of": lambda name: names.append(name) or ZONES.get(name, "")})
    organisation.waiver(hosts=None, zones=["internet"])
    (judged,) = waivers_of(question, at(NOW))
    assert judged.standing.hosts == ("fin01", "press01")
    assert "press02" not in names
