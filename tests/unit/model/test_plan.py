"""The plan as it travels: one spelling, one digest, and no plan that was not meant."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.model.plan import add_digest, check_plan, format_canonical
from proscribe.model.plan_text import expand_plan, serialise_plan

BODY: dict[str, Any] = {"schema": "proscribe/plan/1", "contact": "x", "controls": {}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_canonical_form_is_json_of_the_same_value_in_any_order(value):
    assert json.loads(format_canonical(value)) == value
    if isinstance(value, dict):
        assert format_canonical(dict(reversed(value.items()))) == format_canonical(value)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_sealed_plan_is_accepted_after_a_journey(extra):
    check_plan(json.loads(format_canonical(add_digest({**extra, **BODY}))))


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({**add_digest(BODY), "schema": "proscribe/plan/2"}, "expected 'proscribe/plan/1'"),
        ({**add_digest(BODY), "contact": "y"}, "digest"),
        (BODY, "digest"),
        ({}, "schema is None"),
        (add_digest({**BODY, "controls": {"fire": {}}}), "control 'fire'"),
    ],
)
def test_plan_that_was_not_meant_is_refused(plan, message):
    with pytest.raises(ValueError, match=message):
        check_plan(plan)


# -- the text of a plan has once what several controls repeat
names = st.lists(st.sampled_from(["a.example", "b.example", "c.example", "c.example/path"]), max_size=4)
entries = st.fixed_dictionaries(
    {"name": st.sampled_from(["Chat", "Drive"]), "mode": st.sampled_from(["enforce", "audit", "waived"])},
    optional={
        **dict.fromkeys(["domains", "web_hosts", "urls", "allow", "processes", "ports", "paths", "hosts"], names),
        "packages": st.dictionaries(st.sampled_from(["apt", "snap"]), names),
    },
)
services = st.dictionaries(st.sampled_from(["chat", "drive"]), entries)
sections = st.fixed_dictionaries({"mode": st.sampled_from(["enforce", "audit"]), "services": services})


@given(st.dictionaries(st.sampled_from(["apps", "browser", "firewall", "dns"]), sections))
def test_serialised_plan_stands_for_the_same_plan(controls):
    plan = add_digest({"schema": "proscribe/plan/1", "contact": "", "browsers": [], "controls": controls})
    assert expand_plan(json.loads(serialise_plan(plan))) == plan
    assert expand_plan(json.loads(format_canonical(plan))) == plan, "as stored before texts were shortened"
