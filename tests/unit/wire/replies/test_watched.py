"""What a host says of the time between two runs, and what its users request, is read as a stranger's data."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from proscribe.wire.replies import watched
from proscribe.wire.replies.record import taken
from proscribe.wire.replies.shapes import GREATEST, MANY, Unusable
from watched_hosts import ENDED, FROZEN, HOSTS, INCIDENT, REQUEST, watch


@pytest.mark.parametrize("host", HOSTS)
def test_what_our_own_hosts_say_comes_through_whole(host):
    record = taken(HOSTS[host])
    for key in ("watch", "requests", "requests_left_out"):
        assert record.get(key) == HOSTS[host].get(key)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"every": "5m"}, "watch.every is no count"),
        ({"every": -1}, "watch.every is no count"),
        ({"stale": "no"}, "watch.stale is neither true nor false"),
        ({"renewed": 7}, "watch.renewed is a int, no UTC time"),
        ({"renewed": "yesterday"}, "watch.renewed is 'yesterday', no UTC time"),
        ({"last": "2026-11-25T00:27:00+01:00"}, "^watch.last is .*, no UTC time"),
        ({"last": "2026-13-25T00:27:00Z"}, "no UTC time"),
        ({"last": "２026-11-25T00:27:00Z"}, "no UTC time"),
        ({"since": ""}, "^watch.since is '', no UTC time"),
        ({"frozen": []}, "watch.frozen is no mapping"),
        ({"frozen": {**FROZEN, "until": None}}, "watch.frozen.until is a NoneType"),
        ({"frozen": {**FROZEN, "by": 0}}, "watch.frozen.by is no text"),
        ({"frozen": {**FROZEN, "reason": 0}}, "^watch.frozen.reason is no text"),
        ({"incidents": {}}, "watch.incidents is no list"),
        ({"incidents": [{**INCIDENT, "first": 7}]}, "^first is a int, no UTC time"),
        ({"incidents": [{**INCIDENT, "last": ""}]}, "^last is '', no UTC time"),
        ({"incidents": [{**INCIDENT, "corrected": -1}]}, "^corrected is no count"),
        ({"ended": {}}, "^watch.ended is no list"),
        ({"ended": [7]}, "^an ended program is no mapping"),
        ({"ended": [{**ENDED, "rule": 7}]}, "^rule is no text"),
        ({"incidents": [7]}, "an incident is no mapping"),
        ({"incidents": [{**INCIDENT, "rules": ["no rule"]}]}, "'no rule' is no rule of a control"),
        ({"incidents": [{**INCIDENT, "rules": ["watch/"]}]}, "'watch/' is no rule of a control"),
        ({"incidents": [{**INCIDENT, "times": 0}]}, "it lists what never happened"),
        ({"incidents": [{**INCIDENT, "times": True}]}, "times is no count"),
        ({"incidents": [{**INCIDENT, "times": GREATEST + 1}]}, "times is more than"),
        ({"incidents": [{**INCIDENT, "corrected": 4}]}, "corrected 4 times and found 3 times"),
        ({"incidents": [{**INCIDENT, "users": "alice"}]}, "users is no list"),
        ({"incidents": [{**INCIDENT, "users": [7]}]}, "users is no text"),
        ({"incidents": [INCIDENT, INCIDENT]}, "it lists an incident twice"),
        ({"incidents": [{**INCIDENT, "rules": []}]}, "an incident is of no control, or of several"),
        ({"incidents": [{**INCIDENT, "rules": ["apps/wechat", "dns/wechat"]}]}, "of no control, or of several"),
        ({"incidents": [{**INCIDENT, "rules": "apps/wechat"}]}, "rules is no list"),
        ({"incidents": [{**INCIDENT, "rules_left_out": -1}]}, "rules_left_out is no count"),
        ({"incidents": [{**INCIDENT, "cause": 7}]}, "cause is no text"),
        ({"incidents": [INCIDENT] * (MANY + 1)}, "watch.incidents has 10,001 items"),
        ({"ended": [{**ENDED, "program": None}]}, "program is no text"),
        ({"ended": [{**ENDED, "user": ["alice"]}]}, "user is no text"),
        ({"ended": [ENDED, {**ENDED, "times": 1}]}, "it lists an ended program of one user twice"),
        ({"left_out": 3}, "watch.left_out is no mapping"),
        ({"left_out": {"apps": -1}}, "watch.left_out.apps is no count"),
        ({"left_out": {"kernel": 1}}, "watch.left_out names 'kernel', no control"),
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
        ({"answer": "maybe"}, "'maybe' is no answer to a request"),
        ({"answer": False}, "a bool is no answer to a request"),
    ],
)
def test_what_is_no_request(change, why):
    with pytest.raises(Unusable, match=why):
        watched.requests([{**REQUEST, **change}], 0)


def test_what_is_just_within_its_bounds_comes_through_whole():
    others = ("apps", "browser", "firewall", "dns", "group_policy", "watch", "journal")
    left_out = {name: number for number, name in enumerate(others, 1)}
    often = {**INCIDENT, "times": 3, "corrected": 3, "rules_left_out": GREATEST}
    mine = watch(often, {**often, "cause": "another"}, left_out={**left_out, "journal": GREATEST})
    assert watched.watch(mine) == mine
    assert watched.watch({**mine, "left_out": {"dns": 0}})["left_out"] == {}
    least = watched.watch({"every": 0, "stale": True})
    assert least == {**dict.fromkeys(("renewed", "last", "since")), "every": 0, "stale": True, "incidents": [],
        "ended": [], "left_out": {}}  # fmt: skip
    for answer in ("granted", "refused", "ended"):
        assert watched.requests([{**REQUEST, "answer": answer}], None) == ([{**REQUEST, "answer": answer}], 0)
    assert watched.requests([REQUEST] * MANY, GREATEST) == ([REQUEST], GREATEST)


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
