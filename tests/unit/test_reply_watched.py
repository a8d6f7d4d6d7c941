"""What a host says of the time between two runs, and what its users request, is read as a stranger's data."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from proscribe.reply import watched
from proscribe.reply.record import taken
from proscribe.reply.shapes import GREATEST, MANY, Unusable

sys.path[:0] = [str(Path(__file__).parent / "report")]

import fleets  # noqa: E402
from watched_hosts import ENDED, FROZEN, HOSTS, INCIDENT, REQUEST, asking, watch  # noqa: E402

HOSTILE = "a\x1b[31m\u202e\r\nb"


def read_watch(*incidents, **changes):
    return watched.watch(watch(*incidents, **changes))["watch"]


@pytest.mark.parametrize("host", HOSTS)
def test_what_our_own_hosts_say_comes_through_whole(host):
    record = taken(HOSTS[host])
    for key in ("watch", "requests", "requests_left_out"):
        assert record.get(key) == HOSTS[host].get(key)


def test_a_host_without_any_of_it_has_no_such_keys():
    assert {"watch", "requests", "requests_left_out"}.isdisjoint(taken(fleets.clean_answer()))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"every": "5m"}, "watch.every is no count"),
        ({"every": -1}, "watch.every is no count"),
        ({"stale": "no"}, "watch.stale is neither true nor false"),
        ({"renewed": 7}, "watch.renewed is a int, no UTC time"),
        ({"renewed": "yesterday"}, "watch.renewed is 'yesterday', no UTC time"),
        ({"last": "2026-11-25T00:27:00+01:00"}, "no UTC time"),
        ({"last": "2026-13-25T00:27:00Z"}, "no UTC time"),
        ({"last": "２026-11-25T00:27:00Z"}, "no UTC time"),
        ({"since": ""}, "no UTC time"),
        ({"frozen": []}, "watch.frozen is no mapping"),
        ({"frozen": {**FROZEN, "until": None}}, "watch.frozen.until is a NoneType"),
        ({"frozen": {**FROZEN, "by": 0}}, "watch.frozen.by is no text"),
        ({"incidents": {}}, "watch.incidents is no list"),
        ({"incidents": [7]}, "an incident is no mapping"),
        ({"incidents": [{**INCIDENT, "rule": "no rule"}]}, "'no rule' is no rule of a control"),
        ({"incidents": [{**INCIDENT, "rule": "watch/"}]}, "'watch/' is no rule of a control"),
        ({"incidents": [{**INCIDENT, "times": 0}]}, "it lists what never happened"),
        ({"incidents": [{**INCIDENT, "times": True}]}, "times is no count"),
        ({"incidents": [{**INCIDENT, "times": GREATEST + 1}]}, "times is more than"),
        ({"incidents": [{**INCIDENT, "corrected": 4}]}, "corrected 4 times and found 3 times"),
        ({"incidents": [{**INCIDENT, "users": "alice"}]}, "users is no list"),
        ({"incidents": [{**INCIDENT, "users": [7]}]}, "users is no text"),
        ({"incidents": [INCIDENT, INCIDENT]}, "it lists an incident of one rule twice"),
        ({"incidents": [INCIDENT] * (MANY + 1)}, "watch.incidents has 10,001 items"),
        ({"ended": [{**ENDED, "program": None}]}, "program is no text"),
        ({"ended": [{**ENDED, "user": ["alice"]}]}, "user is no text"),
        ({"ended": [ENDED, {**ENDED, "times": 1}]}, "it lists an ended program of one user twice"),
        ({"left_out": -1}, "watch.left_out is no count"),
    ],
)
def test_what_no_host_of_ours_says_of_its_watch(change, why):
    with pytest.raises(Unusable, match=why):
        watched.watch(watch(**change))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"id": "0123456789ABCDEF"}, "is no id of a request"),
        ({"id": "../../etc/passwd"}, "'../../etc/passwd' is no id of a request"),
        ({"id": "0123456789abcde\n"}, "is no id of a request"),
        ({"id": None}, "a NoneType is no id of a request"),
        ({"user": 0}, "user is no text"),
        ({"service": None}, "service is no text"),
        ({"reason": ["because"]}, "reason is no text"),
        ({"at": "now"}, "at is 'now', no UTC time"),
    ],
)
def test_what_is_no_request(change, why):
    with pytest.raises(Unusable, match=why):
        watched.requests([{**REQUEST, **change}], 0)


@pytest.mark.parametrize(("value", "left_out", "why"), [({}, 0, "requests is no list"), ([], "3", "is no count")])
def test_what_is_no_list_of_requests(value, left_out, why):
    with pytest.raises(Unusable, match=why):
        watched.requests(value, left_out)


def test_what_is_too_long_is_cut_and_what_is_too_many_is_counted():
    incidents = [{**INCIDENT, "rule": f"apps/a{number}", "users": ["u" * 900] * 50} for number in range(250)]
    ended = [{**ENDED, "user": f"u{number}", "program": "/" + "p" * 9000} for number in range(201)]
    read = read_watch(*incidents, ended=ended, left_out=4, frozen={**FROZEN, "reason": "r" * 5000})
    assert (len(read["incidents"]), len(read["ended"]), read["left_out"]) == (200, 200, 4 + 50 + 1)
    assert {len(one["users"]) for one in read["incidents"]} == {20}
    assert len(read["incidents"][0]["users"][0]) == 200
    assert len(read["ended"][0]["program"]) == 4096
    assert len(read["frozen"]["reason"]) == 300
    requests = [{**REQUEST, "id": f"{number:016x}", "reason": "r" * 400} for number in range(130)]
    found = watched.requests(requests, 2)
    assert (len(found["requests"]), found["requests_left_out"]) == (100, 32)
    assert len(found["requests"][0]["reason"]) == 300


def test_a_request_twice_costs_neither_the_host_nor_the_first_one():
    assert watched.requests([REQUEST, {**REQUEST, "user": "mallory"}], 0) == {
        "requests": [REQUEST],
        "requests_left_out": 1,
    }


def test_nothing_that_is_said_can_steer_a_terminal():
    said = read_watch(
        {**INCIDENT, "rule": f"apps/{HOSTILE}", "users": [HOSTILE]},
        ended=[{**ENDED, "program": HOSTILE, "user": HOSTILE}],
        frozen={**FROZEN, "reason": HOSTILE, "by": HOSTILE},
    )
    request = watched.requests([{**REQUEST, **dict.fromkeys(("user", "service", "reason"), HOSTILE)}], 0)
    assert str(said).isprintable() and str(request).isprintable()


def test_a_clock_that_went_back_loses_no_incident():
    (incident,) = read_watch({**INCIDENT, "first": INCIDENT["last"], "last": INCIDENT["first"]})["incidents"]
    assert (incident["first"], incident["last"]) == (INCIDENT["first"], INCIDENT["last"])


def test_the_rules_of_the_watch_are_rules_like_others():
    answer = fleets.clean_answer()
    rule = {"rule": "watch/watcher", "state": "noncompliant", "waiver": None, "reason": None, "findings": []}
    counts = {"watch": {"evaluated": 2, "not_applicable": 0}}
    record = taken({**answer, "rules": [rule], "rules_evaluated": 5, "controls": {**answer["controls"], **counts}})
    assert record["state"] == "noncompliant"
    assert record["controls"]["watch"] == counts["watch"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(sorted(watch(frozen=FROZEN))), json_values)
@examples(300)
def test_any_value_anywhere_is_read_or_refused(key, value):
    for given_watch in (value, {**watch(), key: value}, watch({**INCIDENT, "users": value}), watch(value)):
        try:
            said = watched.watch(given_watch)
        except Unusable:
            continue
        assert str(said).isprintable()
    for requests in (value, [value], [{**REQUEST, "reason": value}]):
        try:
            watched.requests(requests, value)
        except Unusable:
            continue


def test_a_record_of_a_host_with_requests_only():
    assert taken(asking(REQUEST, left_out=3))["requests_left_out"] == 3
