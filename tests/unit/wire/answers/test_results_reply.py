"""Keys and types that a module's answer may bring into Ansible's result."""

import pytest
from proscribe.model.finding import Finding
from proscribe.wire.answers import results
from proscribe.wire.answers.value_readers import UnusableAnswer

CHANGE = {"changed": False, "actions": [], "refused": [], "findings": [], "diff": []}
DRIFTED = ["apps", "browser", "firewall", "dns", "group_policy", "watch"]
OBSERVED = {"record": {"record of": 1}, "drifted": [], "privileged": False}
# Ansible would act on these, if they came through.
HOSTILE = {
    "add_host": {"host_name": "victim"}, "ansible_facts": {"x": 1}, "ansible_stats": {"data": 3},
    "_ansible_notify": ["x"], "warnings": ["\x1b[2J"], "deprecations": [], "skipped": True, "unreachable": True,
}  # fmt: skip


@pytest.fixture(autouse=True)
def plain_record(monkeypatch):
    monkeypatch.setattr(results.record, "read_result_record", lambda value: {"record of": value})


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ({"record": 1}, OBSERVED),
        ({"record": 1, "privileged": True, "cached": True}, {**OBSERVED, "privileged": True, "cached": True}),
        ({"record": 1, "not_installed": "x\x1b[2J"}, {**OBSERVED, "not_installed": "x\\x1b[2J"}),
        ({"record": 1, "unwatched": ["apps", "dns"]}, {**OBSERVED, "unwatched": ["apps", "dns"]}),
        ({"record": 1, "cached": False}, {**OBSERVED, "cached": False}),
        ({"record": 1, "failed": True, "msg": "the gate"}, {**OBSERVED, "failed": True, "msg": "the gate"}),
        ({"record": 1, "drifted": DRIFTED}, {**OBSERVED, "drifted": DRIFTED}),
        ({"failed": True, "msg": "no\x1b record"}, {"failed": True, "msg": "no\\x1b record"}),
        ({"lacking": True}, {"lacking": True}),
        ({"lacking": True, "failed": True, "msg": "x"}, {"lacking": True, "failed": True, "msg": "x"}),
        ({"lacking": True, "system": "Darwin", "record": 1}, {"lacking": True, "system": "Darwin"}),
        ({"lacking": True, "system": "Linux"}, {"lacking": True}),
    ],
)
def test_observation_has_known_keys_alone(answer, result):
    assert results.read_observation({**answer, **HOSTILE}) == {"changed": False, **result}
    assert results.read_observation({**answer, "changed": True})["changed"] is False


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({}, "it has no record"),
        ({"lacking": 1}, "it has no record"),
        ({"failed": "yes"}, "failed is neither true nor false"),
        ({"failed": True}, "msg is no text"),
        ({"record": 1, "drifted": ["nonsense"]}, "'nonsense' is no control"),
        ({"record": 1, "drifted": ["apps"] * 7}, "drifted has 7 items, 6 are the most"),
        ({"record": 1, "privileged": 1}, "privileged is neither true nor false"),
        ({"record": 1, "cached": "x"}, "cached is neither true nor false"),
        (None, "the answer is no mapping"),
    ],
)
def test_observation_of_another_shape_is_refused(answer, why):
    with pytest.raises(UnusableAnswer, match=f"^{why}$"):
        results.read_observation(answer)
    results.read_observation({"record": 1, "drifted": ["apps"] * 4})


LISTS = ("refused", "findings", "other_runs", "notes", "removed", "diff")
FINDING = dict.fromkeys(Finding._fields, "x")
REFUSAL = {"rule": "apps/a", "subject": "b", "reason": "c"}
DIFFERENCE = {"before_header": "a", "after_header": "b", "before": "1\n", "after": "2\n"}
TURN, SHOWN_TURN = {"by": "run 7 of a\x1b", "since": "now"}, {"by": "run 7 of a\\x1b", "since": "now"}
OTHER = {**TURN, "waited": 3}
PACKAGE = {"manager": "dpkg", "id": "owl", "scope": "system", "name": "owl:i386", "mark": "auto"}


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ({"changed": True}, {"changed": True}),
        ({"failed": True, "msg": "no"}, {"failed": True, "msg": "no"}),
        ({"actions": ["end \x1bx"]}, {"actions": ["end \\x1bx"]}),
        ({"failed": True, "msg": "", "busy": {**TURN, "more": 1}}, {"failed": True, "msg": "", "busy": SHOWN_TURN}),
        ({"busy": TURN}, {}),
        ({"other_runs": []}, {}),
        ({"other_runs": [{**OTHER, "more": 1}]}, {"other_runs": [{**SHOWN_TURN, "waited": 3}]}),
        ({"refused": [{**REFUSAL, "more": 1}]}, {"refused": [REFUSAL]}),
        ({"diff": [{**DIFFERENCE, "more": 1}]}, {"diff": [DIFFERENCE]}),
        ({"findings": [{**FINDING, "more": 1}]}, {"findings": [FINDING]}),
        ({"notes": []}, {}),
        ({"notes": ["one\x1b"] * 20}, {"notes": ["one\\x1b"] * 20}),
        ({"removed": []}, {}),
        (
            {"removed": [{**PACKAGE, "more": 1}]},
            {"removed": [{**dict.fromkeys(("version", "how", "tool", "place", "source", "at"), ""), **PACKAGE}]},
        ),
    ],
)
def test_change_has_known_keys_alone(answer, result):
    expected = {**CHANGE, **result}
    assert results.read_change({**answer, **HOSTILE}) == expected
    without = {key: value for key, value in expected.items() if key not in ("refused", "findings")}
    assert results.read_schedule_change({**answer, **HOSTILE}) == without
    assert results.read_firewall_change({**answer, **HOSTILE}) == expected


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"changed": "yes"}, "changed is neither"),
        ({"actions": "x"}, "actions is no list"),
        ({"actions": [1]}, "an action is no text"),
        *(({key: {}}, f"{key} is no list") for key in LISTS),
        ({"refused": ["x"]}, "a refusal is no mapping"),
        *(({"refused": [{**REFUSAL, key: None}]}, f"{key} is no text") for key in ("rule", "subject", "reason")),
        ({"findings": ["x"]}, "a finding is no mapping"),
        ({"failed": True, "msg": "", "busy": "x"}, "a run is no mapping"),
        ({"failed": True, "msg": "", "busy": {"by": "x"}}, "since is no text"),
        ({"other_runs": [TURN]}, "waited is no"),
        ({"other_runs": [OTHER] * 17}, "other_runs has 17 items, 16 are the most"),
        ({"notes": ["x"] * 21}, "notes has 21 items, 20 are the most"),
        ({"notes": [1]}, "a note is no text"),
        ({"removed": [{**PACKAGE, "mark": "x"}]}, "the mark of a removed package is auto or manual"),
        ({"removed": [PACKAGE] * 501}, "removed has 501 items, 500 are the most"),
        ({"other_runs": [{"by": 1, "since": "", "waited": 0}]}, "by is no text"),
        ({"diff": ["x"]}, "a difference is no mapping"),
        *(({"diff": [{**DIFFERENCE, key: None}]}, f"{key} is no text") for key in DIFFERENCE),
        (["x"], "the answer is no mapping"),
    ],
)
def test_change_of_another_shape_is_refused(answer, why):
    for read in (results.read_change, results.read_schedule_change, results.read_firewall_change):
        with pytest.raises(UnusableAnswer, match=f"^{why}"):
            read(answer)


@pytest.mark.parametrize("pending", ["0123456789ab", {"token": "0123456789ab", "within": 10**9}])
def test_firewall_that_waits_has_its_token_alone(pending):
    assert results.read_firewall_change({"pending": pending, **HOSTILE}) == {**CHANGE, "pending": "0123456789ab"}
    assert results.read_firewall_change({"pending": None}) == CHANGE


@pytest.mark.parametrize(
    "pending",
    ["", "0123456789a", "0123456789abc", "0123456789AB", "0123456789ab\n", "../../../etc", {}, {"token": 5}, 5, []],
)
def test_token_of_a_firewall_that_is_no_twelve_digits_is_refused(pending):
    # It becomes part of a name on the host and of a command on the controller.
    with pytest.raises(UnusableAnswer, match="twelve hexadecimal digits|pending is no mapping"):
        results.read_firewall_change({"pending": pending})


def test_differences_are_cut_to_what_they_may_have_together(monkeypatch):
    monkeypatch.setattr(results, "MAX_DIFFERENCE_CHARACTERS", 12)
    rows = [{**DIFFERENCE, "before": "a" * size, "after": "b" * size} for size in (5, 5, 1)]
    cut = [(row["before"], row["after"]) for row in results.read_change({**CHANGE, "diff": rows})["diff"]]
    assert cut == [("aaaaa", "bbbbb"), ("...", "..."), ("a", "b")]


def test_stored_record_is_read_as_a_record():
    assert results.read_stored_record("x") == {"changed": False, "record": {"record of": "x"}}


ITEM = {
    "id": "wechat-0123abcd", "group": "", "services": ["wechat"], "bytes": 5, "finished": True, "path": "/x",
    "whole": "/x", "kind": "tree", "taken_at": "2026-11-25T00:00:00Z", "owner": "alice", "place_of": "",
    "kept_until": "",
}  # fmt: skip
TEXTS_OF_AN_ITEM = ("path", "whole", "kind", "taken_at", "owner", "place_of", "kept_until")
ATTACKING_IDS = ("../../etc-0123abcd", "$(reboot)-0123abcd", "wechat-0123abcd\n", 7)
OUTCOME = {"id": "wechat-0123abcd", "done": True, "why": ""}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({}, "it has neither quarantined nor outcomes"),
        ([], "the answer is no mapping"),
        ({"quarantined": [ITEM] * 10_001}, "quarantined has 10,001 items"),
        ({"quarantined": [ITEM, ITEM]}, "it lists an id twice"),
        ({"outcomes": [OUTCOME, OUTCOME]}, "it lists an id twice"),
        *(({"quarantined": [{**ITEM, "id": id_}]}, "is no id of a quarantine") for id_ in ATTACKING_IDS),
        ({"quarantined": [{**ITEM, "group": "/"}]}, "is no id of a quarantine"),
        ({"outcomes": [{**OUTCOME, "id": ".."}]}, "is no id of a quarantine"),
        ({"quarantined": [{**ITEM, "services": "wechat"}]}, "services is no list"),
        ({"quarantined": [{**ITEM, "services": ["x"] * 101}]}, "services has 101 items"),
        ({"quarantined": [{**ITEM, "bytes": -1}]}, "bytes is no count"),
        ({"quarantined": [{**ITEM, "bytes": 10**400}]}, "bytes is more than"),
        ({"quarantined": [{**ITEM, "finished": "yes"}]}, "finished is neither true nor false"),
        ({"quarantined": [], "left_out": "x"}, "left_out is no count"),
        ({"quarantined": [], "broken": [1]}, "a broken item is no mapping"),
        ({"outcomes": [{**OUTCOME, "done": 1}]}, "done is neither true nor false"),
        ({"outcomes": [], "actions": [1]}, "an action is no text"),
        ({"outcomes": [7]}, "an outcome is no mapping"),
        ({"outcomes": [{**OUTCOME, "why": 7}]}, "why is no text"),
        ({"outcomes": [OUTCOME] * 10_001}, "outcomes has 10,001 items"),
        ({"quarantined": [], "broken": [{"id": "x", "why": "y"}] * 10_001}, "broken has 10,001 items"),
        *(({"quarantined": [], "broken": [{a: "x"}]}, f"{b} is no text") for a, b in (("why", "id"), ("id", "why"))),
        *(({"quarantined": [{**ITEM, key: 7}]}, f"{key} is no text") for key in TEXTS_OF_AN_ITEM),
    ],
)
def test_answer_about_a_quarantine_of_another_shape_is_refused(answer, why):
    with pytest.raises(UnusableAnswer, match=why):
        results.read_quarantine_answer(answer)


def test_failure_has_its_message_alone_and_everything_else_is_refused():
    assert results.read_failure({"failed": True, "msg": "busy", **HOSTILE}) == {"failed": True, "msg": "busy"}
    with pytest.raises(UnusableAnswer, match="the answer is no mapping"):
        results.read_failure(["failed"])
    with pytest.raises(UnusableAnswer):
        results.read_failure({"ansible_facts": {"a": 1}})
