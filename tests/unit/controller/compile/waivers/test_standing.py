"""What a waiver is worth: of a case, the status that the report shows and what is open on which host, in every plan."""

from __future__ import annotations

import dataclasses
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_waivers import NOW, ZONES, Organisation, at
from proscribe.controller.compile.plans.waivers import waivers_of
from proscribe.controller.compile.waivers.authority import Authority
from proscribe.controller.compile.waivers.document import read_waiver
from proscribe.controller.compile.waivers.standing import STATUSES, Context, Rules, standing, worst_first
from proscribe.controller.compile.waivers.waiver import Revocation
from waiver_cases import CASES, TAKEN_BACK


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


def test_statuses_have_this_order():
    """What is relied on in error first. A report, and `worst_first`, have no other order."""
    untrusted = ("bad_signature", "unsigned", "self_approved", "unauthorised", "blanket", "too_long", "no_hosts")
    assert (*untrusted, "expired", "revoked", "not_yet_valid", "active") == STATUSES


def test_a_revocation_takes_it_back_at_once(organisation):
    organisation.waiver()
    open_ = organisation.run()["hosts"]
    organisation.waiver(revoked=TAKEN_BACK)
    shut = organisation.run()["hosts"]
    assert {host for host in open_ if open_[host] != shut[host]} == {"press01"}


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


# -- what a waiver names


def test_zones_of_hosts_outside_the_run_are_asked_for(organisation):
    names: list[str] = []
    question = organisation.question("press02")
    question = type(question)(**{**vars(question), "zone_of": lambda name: names.append(name) or ZONES.get(name, "")})
    organisation.waiver(hosts=None, zones=["internet"])
    (judged,) = waivers_of(question, at(NOW))
    assert judged.standing.hosts == ("fin01", "press01")
    assert "press02" not in names
