"""The text of a plan has once what several controls repeat, and stands for exactly that plan."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from proscribe.model.plan import CONTROLS, canonical, sealed
from proscribe.model.plan_text import serialised, whole

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
controls = st.dictionaries(st.sampled_from(CONTROLS), sections)


@given(controls)
def test_it_stands_for_the_same_plan_whatever_is_in_it(controls: dict) -> None:
    plan = sealed({"schema": "proscribe/plan/1", "contact": "", "browsers": [], "controls": controls})
    assert whole(json.loads(serialised(plan))) == plan
    assert whole(json.loads(canonical(plan))) == plan, "as stored before texts were shortened"
