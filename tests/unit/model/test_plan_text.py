"""The text of a plan has once what several controls repeat, and stands for exactly that plan."""

from __future__ import annotations

import datetime
import json
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.compile.catalogue.loading import load
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.model.plan import CONTROLS, canonical, sealed
from proscribe.model.plan_text import serialised, whole

CATALOG = Path(__file__).parents[3] / "catalog"

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


ONE = {"name": "Chat", "mode": "enforce"}
APPS = {**ONE, "packages": {}, "processes": [], "paths": []}
BROWSER = {**ONE, "urls": [], "allow": []}
DNS = {**ONE, "allow": []}


@pytest.mark.parametrize(
    "entries, service, left",
    [
        (
            {
                "apps": {**APPS, "web_hosts": ["a.example", "b.example/chat"]},
                "browser": {**BROWSER, "domains": ["a.example"]},
                "dns": {**DNS, "domains": ["a.example", "mail.example"]},
            },
            {"name": "Chat", "hosts": ["a.example"]},
            {
                "apps": {"web_hosts": ["b.example/chat"]},
                "browser": {"domains": []},
                "dns": {"domains": ["mail.example"]},
            },
        ),
        (
            {"browser": {**BROWSER, "domains": [], "urls": ["a.example/x"]}, "dns": {**DNS, "domains": ["b.example"]}},
            {"name": "Chat", "hosts": ["b.example"]},
            {"browser": {"urls": ["a.example/x"]}, "dns": {"domains": []}},
        ),
        (
            {
                "apps": {**APPS, "mode": "waived", "waiver": "W-1"},
                "firewall": {**ONE, "networks": ["203.0.113.9"], "ports": []},
            },
            {"name": "Chat", "hosts": []},
            {"apps": {"mode": "waived", "waiver": "W-1"}, "firewall": {"networks": ["203.0.113.9"]}},
        ),
        (
            {
                "apps": APPS,
                "browser": {**BROWSER, "domains": []},
                "firewall": {**ONE, "ports": []},
                "dns": {**DNS, "domains": []},
            },
            {"name": "Chat", "hosts": []},
            {"apps": {}, "browser": {}, "firewall": {}, "dns": {}},
        ),
    ],
    ids=["hosts of three controls", "an empty list of hosts", "another mode than the control's", "all empty"],
)
def test_what_is_left_of_an_entry(entries: dict, service: dict, left: dict) -> None:
    controls = {
        name: {"mode": "enforce", "services": {"chat": entry}, "settings": {}} for name, entry in entries.items()
    }
    text = json.loads(serialised(sealed({"schema": "proscribe/plan/1", "controls": controls})))
    assert text["services"] == {"chat": {**service, **left}}
    assert all("services" not in section for section in text["controls"].values())


def test_the_ban_with_the_whole_catalogue_is_a_third_shorter() -> None:
    plan = compile_plan(load([CATALOG]), read_restrictions({}, str), [], datetime.date(2026, 11, 26))
    text = serialised(plan)
    assert whole(json.loads(text)) == plan
    assert len(text) < 0.7 * len(canonical(plan))
    assert len(zlib.compress(text.encode(), 9)) < 0.7 * len(zlib.compress(canonical(plan).encode(), 9))
