"""Hundreds of homes that no honest user has.

PROSCRIBE_FUZZ=1000 observes that many hosts, each with three such users; twenty otherwise.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import hostile_homes
import pytest
from attacked_host import BOB, MALLORY, MEGABYTES, SECONDS, made_host, observe_root, whole_plan
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes what other users own")
HOSTS = int(os.environ.get("PROSCRIBE_FUZZ") or 20)
USERS = 3
# What nobody should have to read: control characters, what turns a line round, halves of characters.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# What a user's part says when something in it was not thought of.
UNFORESEEN = re.compile(r"cannot be observed: |ended by signal|ended without an answer")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Where hosts are made, the whole plan, and the names in it."""
    place = tmp_path_factory.mktemp("hosts")
    plan = whole_plan(place)
    return place, plan, hostile_homes.catalogue_names(json.loads(plan.read_text())["controls"]["apps"]["services"])


def texts(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, (dict, list)):
        for value in (*part, *(part.values() if isinstance(part, dict) else ())):
            yield from texts(value)


def wrong(report: dict[str, Any]) -> list[Any]:
    """Return what is wrong with an observation; it has to be empty, whatever was in the homes."""
    reasons = sorted({part for _, reason, _ in report["rules"].values() for part in reason.split("; ")})
    found = [reason for reason in reasons if "bob" in reason or UNFORESEEN.search(reason)]
    found += [text for text in texts(report["record"]) if UNPRINTABLE.search(text)]
    found += report["errors"]
    if not any(finding.startswith("user:bob QQ") for finding in report["findings"]):
        found.append("bob's image was not seen")
    if report["processor"] > SECONDS or max(report["child"], report["own"]) > MEGABYTES:
        found.append([report["processor"], "s of all three together", report["child"], report["own"], "MB"])
    return found


@settings(max_examples=HOSTS, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(homes=st.lists(hostile_homes.HOMES, min_size=USERS, max_size=USERS))
def test_no_home_costs_more_than_one_user_may(made, homes):
    place, plan, named = made
    root = place / "host"
    users = [(f"mallory{number}", MALLORY + 10 + number) for number in range(USERS)]
    try:
        made_host(root, [*users, ("bob", BOB)])
        for (name, uid), things in zip(users, homes):
            hostile_homes.leave(root / "home" / name, root / "tmp", uid, things, named)
        report = observe_root(root, plan)
    finally:
        subprocess.run(["rm", "-rf", str(root)], check=True)  # its directories may be deeper than Python goes
    assert wrong(report) == []
