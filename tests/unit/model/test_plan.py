"""The plan as it travels: one spelling, one digest, and no plan that was not meant."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.model import plan as plans

BODY = {"schema": plans.SCHEMA, "contact": "x", "controls": {}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_the_canonical_form_is_json_of_the_same_value_and_does_not_depend_on_order(value):
    assert json.loads(plans.canonical(value)) == value
    if isinstance(value, dict):
        assert plans.canonical(dict(reversed(value.items()))) == plans.canonical(value)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_a_sealed_plan_is_the_same_after_a_journey(extra):
    plan = plans.sealed({**extra, **BODY})
    plans.check(json.loads(plans.canonical(plan)))


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({**plans.sealed(BODY), "schema": "proscribe/plan/2"}, "expected 'proscribe/plan/1'"),
        ({**plans.sealed(BODY), "contact": "y"}, "the digest does not match"),
        (BODY, "the digest does not match"),
        ({}, "schema is None"),
        (plans.sealed({**BODY, "controls": {"fire": {}}}), "unknown control 'fire'"),
    ],
)
def test_a_plan_that_was_not_meant_is_refused(plan, message):
    with pytest.raises(ValueError, match=message):
        plans.check(plan)
