"""What a host answers is checked: a hostile host breaks nothing and cannot call itself milder than it is."""

from __future__ import annotations

import copy
import json

import pytest
from fleets import PROCESS, WECHAT, answer, clean_answer, wechat
from hypothesis import given, settings
from hypothesis import strategies as st
from proscribe.finding import STATES
from proscribe.reply.record import Unusable, read, silent

KEYS = {
    "schema", "host", "state", "reason", "plan", "checked_at", "platform", "rules_evaluated", "rules_not_applicable",
    "rules", "controls",
    "attempts", "errors", "duration_ms",
}  # fmt: skip


def test_a_record_gets_its_host_and_keeps_the_rest():
    given_record = answer(wechat(WECHAT, PROCESS))
    record = read("web01", given_record)
    assert record.keys() == KEYS
    assert {**given_record, "host": "web01", "reason": None, "rules_not_applicable": 0} == record


def test_a_host_that_did_not_answer_has_every_key_too():
    assert silent("db01", "no answer").keys() == KEYS
    assert silent("db01", "no answer")["state"] == "unknown"


def test_a_host_is_not_milder_than_its_rules():
    assert read("web01", {**answer(wechat(WECHAT)), "state": "compliant"})["state"] == "noncompliant"


def test_nothing_evaluated_is_unknown_whatever_the_host_says():
    assert read("web01", {**answer(), "state": "compliant"})["state"] == "unknown"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"schema": "proscribe/host/2"}, "schema is 'proscribe/host/2'", id="another schema"),
        pytest.param({"state": "splendid"}, "'splendid' is no state", id="a state that there is not"),
        pytest.param({"rules": "none"}, "rules is no list", id="rules that are no list"),
        pytest.param({"rules": [7]}, "a rule is no mapping", id="a rule that is none"),
        pytest.param({"rules_evaluated": True}, "rules_evaluated is no count", id="a truth for a number"),
        pytest.param(
            {"rules_evaluated": 0}, "lists 1 rules and says that it evaluated 0", id="more rules than evaluated"
        ),
        pytest.param({"plan": None}, "plan is no text", id="no plan"),
        pytest.param({"errors": [{"control": "apps"}]}, "message is no text", id="an error without a message"),
        pytest.param({"duration_ms": -1}, "duration_ms is no count", id="negative time"),
    ],
)
def test_what_is_no_record_is_refused_with_the_reason(change, message):
    with pytest.raises(Unusable, match=message):
        read("web01", {**answer(wechat(WECHAT)), **change})


@pytest.mark.parametrize("name", ["", "apps", "apps/", "printers/laser", "/wechat", "Apps/wechat", "host/answer"])
def test_a_rule_of_no_control_is_no_answer(name):
    record = answer(wechat(WECHAT))
    with pytest.raises(Unusable, match=f"'{name}' is no rule of a control"):
        read("web01", {**record, "rules": [{**record["rules"][0], "rule": name}]})


def test_a_rule_counts_once():
    record = answer(wechat(WECHAT), evaluated=["apps/x"])
    with pytest.raises(Unusable, match="twice"):
        read("web01", {**record, "rules": record["rules"] * 2})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(STATES),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_answer_is_a_whole_record_or_refused(data):
    record = copy.deepcopy(answer(wechat(WECHAT, PROCESS), evaluated=["apps/x"]))
    places = [(record, key) for key in record] + [(record["rules"][0], key) for key in record["rules"][0]]
    places += [(record["rules"][0]["findings"][0], key) for key in record["rules"][0]["findings"][0]]
    place, key = data.draw(st.sampled_from(places))
    place[key] = data.draw(JSON)
    try:
        checked = read("web01", record)
    except Unusable:
        return
    assert checked.keys() == KEYS
    assert json.loads(json.dumps(checked)) == checked


@pytest.mark.parametrize(
    ("verdicts", "evaluated", "state"),
    [((), ["dns/x"], "error"), ((wechat(WECHAT),), [], "error"), ((), (), "unknown")],
    ids=["all else holds", "something is broken too", "nothing was evaluated"],
)
def test_a_host_with_an_error_is_in_error_though_it_says_otherwise(verdicts, evaluated, state):
    """A control without rules of its own in the plan has none to say that it could not look."""
    errors = [{"control": "dns", "message": "dnsmasq ended with 2"}]
    record = answer(*verdicts, evaluated=evaluated, errors=errors)
    assert record["state"] != "error"
    assert read("web01", record)["state"] == state


def test_a_clean_record_lists_nothing():
    assert read("web01", clean_answer())["rules"] == []


HELD = {"items": 2, "bytes": 5000, "oldest": "2026-11-25T00:30:05Z", "owners": {"alice": 5000}}


def test_what_a_quarantine_holds_is_taken_over():
    assert read("pc17", {**answer(), "quarantine": HELD})["quarantine"] == HELD
    assert "quarantine" not in read("pc17", answer())


@pytest.mark.parametrize(
    "wrong",
    [
        3,
        {},
        {**HELD, "items": -1},
        {**HELD, "bytes": "5000"},
        {**HELD, "oldest": 5},
        {**HELD, "owners": ["alice"]},
        {**HELD, "owners": {"alice": True}},
        {**HELD, "owners": {f"user{number}": 1 for number in range(21)}},
    ],
)
def test_a_quarantine_that_is_none_is_not(wrong):
    with pytest.raises(Unusable):
        read("pc17", {**answer(), "quarantine": wrong})
