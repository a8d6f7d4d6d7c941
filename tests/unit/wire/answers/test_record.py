"""Records that hosts answer: a hostile host breaks nothing and cannot call itself milder than it is."""

import copy
import json

import pytest
from fleets import PROCESS, WECHAT, answer, wechat
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from proscribe.model.finding import STATES
from proscribe.wire.answers.record import UnusableAnswer, make_silent_record, read_record

KEYS = {
    "schema", "host", "state", "reason", "plan", "checked_at", "platform", "rules_evaluated", "rules_not_applicable",
    "rules", "controls",
    "attempts", "errors", "duration_ms",
}  # fmt: skip


def test_rule_that_is_listed_twice_is_refused():
    record = answer(wechat(WECHAT), evaluated=["apps/x"])
    with pytest.raises(UnusableAnswer, match="twice"):
        read_record("web01", {**record, "rules": record["rules"] * 2})


@pytest.mark.parametrize(
    ("record", "state"),
    [
        (answer(evaluated=["apps/x"]), "compliant"),
        (answer(), "unknown"),  # nothing evaluated is never a success
        (answer(wechat(WECHAT), evaluated=["apps/x"]), "noncompliant"),
        (answer(evaluated=["apps/x"], errors=[{"control": "dns", "message": "ended with 2"}]), "error"),
    ],
)
def test_host_that_calls_itself_compliant_has_the_worst_state_of_its_rules_and_errors(record, state):
    assert read_record("web01", {**record, "state": "compliant"})["state"] == state


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(STATES),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=6,
)


@examples(300)
@given(data=st.data())
def test_any_answer_is_read_whole_or_refused(data):
    record = copy.deepcopy(answer(wechat(WECHAT, PROCESS), evaluated=["apps/x"]))
    places = [(record, key) for key in record] + [(record["rules"][0], key) for key in record["rules"][0]]
    places += [(record["rules"][0]["findings"][0], key) for key in record["rules"][0]["findings"][0]]
    place, key = data.draw(st.sampled_from(places))
    place[key] = data.draw(JSON)
    try:
        checked = read_record("web01", record)
    except UnusableAnswer:
        return
    assert checked.keys() == KEYS and json.loads(json.dumps(checked)) == checked


FOUND = {
    "kind": "file", "id": "wechat", "manager": "appimage", "version": "4.0", "scope": "user:alice",
    "path": "/home/alice/WeChat", "detail": "beside libcef.so",
}  # fmt: skip
RULE = {"rule": "apps/wechat", "state": "waived", "waiver": "w1", "reason": "why", "findings": [FOUND]}
WHOLE = {
    "schema": "proscribe/host/1",
    "state": "error",
    "plan": "sha256:x",
    "checked_at": "2026-11-25T00:30:05Z",
    "platform": {"os": "debian", "version": "13", "kernel": "6.12", "architecture": "x86_64", "python": "3.13.5"},
    "rules_evaluated": 9,
    "rules_not_applicable": 2,
    "controls": {"apps": {"evaluated": 5, "not_applicable": 1}, "dns": {"evaluated": 4, "not_applicable": 1}},
    "rules": [RULE],
    "attempts": {"firewall/x": 7},
    "errors": [{"control": "dns", "message": "ended with 2"}, {"control": "run", "message": "no second look"}],
    "duration_ms": 120,
    "found_at": "2026-11-25T00:29:05Z",
    "commit": "0123abcd",
    "commit_trust": "signed",
    "logged_in": ["alice", "bob"],
    "package_systems": ["dpkg"],
    "user_package_systems": ["nix"],
    "browsers": ["firefox"],
    "full_scan": {"at": "2026-11-24T00:30:05Z", "runs": 3},
    "quarantine": {"items": 2, "bytes": 5000, "oldest": "2026-11-25T00:30:05Z", "owners": {"alice": 5000}},
}


def change_value(path, value, record=WHOLE):
    """Return the record with one value changed, by the steps that lead to it."""
    record = copy.deepcopy(record)
    place = record
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return record


FIELD = ("rules", 0, "findings", 0)
SOFTWARE = ("package_systems", "user_package_systems", "browsers")
NO_MAPPINGS = {(key,): key for key in ("platform", "controls", "attempts", "full_scan", "quarantine")}
NO_MAPPINGS |= {("controls", "apps"): "controls", ("errors", 0): "an error", ("rules", 0): "a rule", FIELD: "a finding"}
NO_MAPPINGS |= {("quarantine", "owners"): "quarantine.owners"}
NO_TEXTS = {("rules", 0, key): key for key in ("rule", "waiver", "reason")}
NO_TEXTS |= {("full_scan", "at"): "full_scan.at", ("quarantine", "oldest"): "quarantine.oldest"}
NO_COUNTS = {("attempts", "x"): "attempts", ("full_scan", "runs"): "full_scan.runs"}
NO_COUNTS |= {("quarantine", "bytes"): "quarantine.bytes"}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("schema",), "proscribe/host/2", "schema is 'proscribe/host/2', expected 'proscribe/host/1'"),
        (("state",), "splendid", "'splendid' is no state"),
        (("rules_evaluated",), True, "rules_evaluated is no count"),
        (("rules_evaluated",), 0, "it lists 1 rules and says that it evaluated 0"),
        *((("platform", key), 5, f"{key} is no text") for key in WHOLE["platform"]),
        *(((key,), "1", f"{key} is no count") for key in ("rules_evaluated", "rules_not_applicable", "duration_ms")),
        *(((key,), 5, f"{key} is no text") for key in ("plan", "checked_at", "found_at", "commit", "commit_trust")),
        *(((key,), "x", f"{key} is no list") for key in ("rules", "errors", "logged_in", *SOFTWARE)),
        *(((key,), [5], f"{key} is no text") for key in ("logged_in", *SOFTWARE)),
        (("controls",), {"printer": {}}, "'printer' is no controls"),
        *((path, 5, f"{name} is no mapping") for path, name in NO_MAPPINGS.items()),
        *((path, 5, f"{name} is no text") for path, name in NO_TEXTS.items()),
        *((path, "1", f"{name} is no count") for path, name in NO_COUNTS.items()),
        *((("controls", "apps", key), "1", f"controls.{key} is no count") for key in ("evaluated", "not_applicable")),
        (("controls", "apps", "evaluated"), 0, "it counts 0 rules of apps, fewer than it lists"),
        (("controls", "dns", "not_applicable"), 5, "it counts 4 rules of dns, fewer than it lists"),
        (("controls", "dns", "evaluated"), 5, "its controls count more rules than the 9 that it says it evaluated"),
        (("attempts", 5), 1, "a rule of attempts is no text"),
        (("errors", 0), {"control": "apps"}, "message is no text"),
        (("errors", 0, "control"), "printer", "'printer' is no control"),
        (("quarantine",), {}, "quarantine.items is no count"),
        (("quarantine", "items"), -1, "quarantine.items is no count"),
        (("quarantine", "owners", "alice"), True, "quarantine.owners is no count"),
        (("quarantine", "owners", 5), 2, "quarantine.owners is no text"),
        (("rules", 0, "state"), "fine", "'fine' is no state"),
        (("rules", 0, "findings"), "x", "findings is no list"),
        *(((*FIELD, key), None, f"{key} is no text") for key in ("kind", "id")),
        *(((key,), None, f"{key} is no text") for key in ("plan", "checked_at")),
        (("duration_ms",), None, "duration_ms is no count"),
        *(((*FIELD, key), 5, f"{key} is no text") for key in FOUND),
    ],
)
def test_value_of_another_type_is_refused_by_its_name(path, value, message):
    with pytest.raises(UnusableAnswer) as wrong:
        read_record("web01", change_value(path, value))
    assert str(wrong.value) == message


@pytest.mark.parametrize(
    ("place", "keys"),
    [
        ((), ("reason", "actions", "not_observed_again", "other_runs", "requests_left_out")),
        (("rules", 0), ("mode",)),
        (("errors", 0), ("refused",)),
        (("controls", "apps"), ("mode", "policy", "state")),
    ],
)
def test_key_that_only_the_controller_adds_does_not_come_from_a_host(place, keys):
    record = WHOLE
    for key in keys:
        record = change_value((*place, key), "compliant", record)
    assert read_record("web01", {**record, "host": "db01"}) == read_record("web01", WHOLE)


def test_first_thousand_users_are_named_of_more():
    users = [f"user{number}" for number in range(1001)]
    assert read_record("web01", {**WHOLE, "logged_in": users})["logged_in"] == users[:1000]


@pytest.mark.parametrize(("rules", "of_each"), [(4, 1000), (4000, 1)])
def test_record_with_more_than_4000_findings_is_refused(rules, of_each):
    # A host cuts its own answer: more is an attack.
    findings = [[FOUND] * of_each for _ in range(rules)]

    def make_record():
        listed = [{**RULE, "rule": f"apps/{number}", "findings": part} for number, part in enumerate(findings)]
        return {**WHOLE, "rules": listed, "rules_evaluated": len(listed), "controls": {}}

    assert len(read_record("web01", make_record())["rules"]) == rules
    findings[-1] = [*findings[-1], "no finding"]
    with pytest.raises(UnusableAnswer, match="4,001 findings"):
        read_record("web01", make_record())


def test_record_of_a_host_that_did_not_answer_is_unknown():
    assert make_silent_record("db01", "no answer") == {
        **dict.fromkeys(("plan", "checked_at", "duration_ms")),
        **dict.fromkeys(("rules_evaluated", "rules_not_applicable"), 0),
        **{key: {} for key in ("platform", "controls", "attempts")},
        **{key: [] for key in ("rules", "errors")},
        "schema": "proscribe/host/1", "host": "db01", "state": "unknown", "reason": "no answer",
    }  # fmt: skip
