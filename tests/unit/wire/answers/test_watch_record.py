"""Answers about the time between two runs and about requests of users, read as a stranger's data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from proscribe.wire.answers import watch_record
from proscribe.wire.answers.record import read_unnamed_record
from proscribe.wire.answers.value_readers import UnusableAnswer
from watched_hosts import ENDED, FROZEN, HOSTS, INCIDENT, REQUEST, watch


@pytest.mark.parametrize("host", HOSTS)
def test_answer_of_an_honest_host_is_read_whole(host):
    record = read_unnamed_record(HOSTS[host])
    for key in ("watch", "requests", "requests_left_out"):
        assert record.get(key) == HOSTS[host].get(key)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"every": "5m"}, "watch.every is no count"),
        ({"stale": "no"}, "watch.stale is neither true nor false"),
        ({"renewed": 7}, "watch.renewed is a int, no UTC time"),
        ({"last": "2026-11-25T00:27:00+01:00"}, "^watch.last is .*, no UTC time"),
        ({"last": "2026-13-25T00:27:00Z"}, "no UTC time"),
        ({"since": ""}, "^watch.since is '', no UTC time"),
        ({"frozen": []}, "watch.frozen is no mapping"),
        ({"frozen": {**FROZEN, "until": None}}, "watch.frozen.until is a NoneType"),
        ({"frozen": {**FROZEN, "reason": 0}}, "^watch.frozen.reason is no text"),
        ({"incidents": [{**INCIDENT, "first": 7}]}, "^first is a int, no UTC time"),
        ({"incidents": [{**INCIDENT, "last": ""}]}, "^last is '', no UTC time"),
        ({"incidents": [{**INCIDENT, "corrected": -1}]}, "^corrected is no count"),
        *(({key: {}}, f"^watch.{key} is no list") for key in ("incidents", "ended")),
        *(({"ended": [{**ENDED, key: 7}]}, f"^{key} is no text") for key in ("rule", "program", "user")),
        ({"incidents": [7]}, "an incident is no mapping"),
        ({"incidents": [{**INCIDENT, "rules": ["no rule"]}]}, "'no rule' is no rule of a control"),
        ({"incidents": [{**INCIDENT, "times": 0}]}, "it lists what never happened"),
        ({"incidents": [{**INCIDENT, "times": 9_007_199_254_740_992 + 1}]}, "times is more than"),
        ({"incidents": [{**INCIDENT, "corrected": 4}]}, "corrected 4 times and found 3 times"),
        ({"incidents": [{**INCIDENT, "users": [7]}]}, "users is no text"),
        ({"incidents": [INCIDENT, INCIDENT]}, "it lists an incident twice"),
        ({"incidents": [{**INCIDENT, "rules": ["apps/wechat", "dns/wechat"]}]}, "of no control, or of several"),
        *(({"incidents": [{**INCIDENT, key: "alice"}]}, f"{key} is no list") for key in ("users", "rules")),
        ({"incidents": [{**INCIDENT, "rules_left_out": -1}]}, "rules_left_out is no count"),
        ({"incidents": [{**INCIDENT, "cause": 7}]}, "cause is no text"),
        ({"incidents": [INCIDENT] * (10_000 + 1)}, "watch.incidents has 10,001 items"),
        ({"ended": [ENDED, {**ENDED, "times": 1}]}, "it lists an ended program of one user twice"),
        ({"left_out": 3}, "watch.left_out is no mapping"),
        ({"left_out": {"apps": -1}}, "watch.left_out.apps is no count"),
        ({"left_out": {"kernel": 1}}, "watch.left_out names 'kernel', no control"),
    ],
)
def test_watch_of_another_shape_is_refused(change, why):
    with pytest.raises(UnusableAnswer, match=why):
        watch_record.read_watch(watch(**change))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"id": "../../etc/passwd"}, "'../../etc/passwd' is no id of a request"),
        ({"id": "0123456789abcde\n"}, "is no id of a request"),
        ({"id": None}, "a NoneType is no id of a request"),
        *(({key: 0}, f"{key} is no text") for key in ("user", "service", "reason")),
        ({"at": "now"}, "at is 'now', no UTC time"),
        ({"answer": "maybe"}, "'maybe' is no answer to a request"),
    ],
)
def test_request_of_another_shape_is_refused(change, why):
    with pytest.raises(UnusableAnswer, match=why):
        watch_record.read_requests([{**REQUEST, **change}], 0)


def test_values_at_their_bounds_are_read_whole():
    others = ("apps", "browser", "firewall", "dns", "group_policy", "watch", "journal")
    left_out = {name: number for number, name in enumerate(others, 1)}
    often = {**INCIDENT, "times": 3, "corrected": 3, "rules_left_out": 9_007_199_254_740_992}
    mine = watch(often, {**often, "cause": "another"}, left_out={**left_out, "journal": 9_007_199_254_740_992})
    assert watch_record.read_watch(mine) == mine
    assert watch_record.read_watch({**mine, "left_out": {"dns": 0}})["left_out"] == {}
    least = watch_record.read_watch({"every": 0, "stale": True})
    assert least == {**dict.fromkeys(("renewed", "last", "since")), "every": 0, "stale": True, "incidents": [],
        "ended": [], "left_out": {}}  # fmt: skip
    for answer in ("granted", "refused", "ended"):
        assert watch_record.read_requests([{**REQUEST, "answer": answer}], None) == ([{**REQUEST, "answer": answer}], 0)
    assert watch_record.read_requests([REQUEST] * 10_000, 9_007_199_254_740_992) == ([REQUEST], 9_007_199_254_740_992)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(sorted(watch(frozen=FROZEN))), json_values)
@examples(300)
def test_any_value_anywhere_is_read_or_refused(key, value):
    for answer in (value, {**watch(), key: value}, watch({**INCIDENT, "users": value}), watch(value)):
        try:
            checked = watch_record.read_watch(answer)
        except UnusableAnswer:
            continue
        assert str(checked).isprintable()
    for requests in (value, [value], [{**REQUEST, "reason": value}]):
        try:
            watch_record.read_requests(requests, value)
        except UnusableAnswer:
            continue
