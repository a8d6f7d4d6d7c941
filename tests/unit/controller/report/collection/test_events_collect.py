"""What is kept of a run's events: the first and the second look, refusals, failures in between."""

from __future__ import annotations

from fleets import DIGEST, PROCESS, WECHAT, answer, clean_answer, no_policy, run, wechat
from proscribe.controller.report.collection.events import Collector

BAD = answer(wechat(WECHAT), evaluated=["apps/x"])
GOOD = clean_answer(checked_at="2026-11-25T00:30:09Z")


def one(mode, *events):
    """The record of web01 after those events in a run of that mode over it alone."""
    collector = Collector(run(["web01"], mode))
    for name, *arguments in events:
        getattr(collector, name)("web01", *arguments)
    return collector.fleet().records[0]


def test_repaired_is_what_the_second_look_no_longer_sees():
    record = one("enforce", ("answered", BAD), ("changed", "apps", {"actions": ["remove wechat"]}), ("answered", GOOD))
    assert record["state"] == "repaired"
    assert [(rule["rule"], rule["state"]) for rule in record["rules"]] == [("apps/wechat", "repaired")]
    assert record["actions"] == [{"control": "apps", "action": "remove wechat"}]


def test_host_that_several_roles_correct_is_reported_once_by_its_last_observation():
    collector = Collector(run(["web01"], "enforce"))
    for record in (BAD, BAD, GOOD):
        collector.changed("web01", "apps", {"actions": ["remove wechat"]})
        collector.answered("web01", record)
    assert [(record["host"], record["state"]) for record in collector.fleet().records] == [("web01", "repaired")]


def test_what_was_moved_is_reported_with_the_id_to_restore_it_by():
    moved = ["quarantine /home/alice/x as wechat-00000000 as wechat-0123abcd", "quarantine /home/alice/y", "end 311"]
    record = one("enforce", ("answered", BAD), ("changed", "apps", {"actions": moved}), ("answered", GOOD))
    assert [action.get("quarantine_id") for action in record["actions"]] == ["wechat-0123abcd", None, None]
    # In check mode nothing has an id yet: what looks like one is a part of a user's path.
    record = one("check", ("answered", BAD), ("changed", "apps", {"actions": moved}, True))
    assert not any("quarantine_id" in action for action in record["actions"])


def test_with_whom_a_run_shared_the_host_is_in_its_record():
    other = {"by": "run 7 of alice on ctl", "since": "2026-11-25T00:30:00Z", "waited": 3}
    changed = ("changed", "apps", {"actions": ["remove wechat"], "other_runs": [other]})
    assert one("enforce", ("answered", BAD), changed, ("answered", GOOD))["other_runs"] == [
        {"control": "apps", **other}
    ]
    assert "other_runs" not in one("enforce", ("answered", BAD), ("changed", "apps", {}), ("answered", GOOD))


def test_a_host_that_is_lost_after_the_first_look_is_an_error():
    record = one("enforce", ("answered", BAD), ("unreachable", "connection timed out"))
    assert record["state"] == "error"
    assert record["errors"] == [
        {"control": "run", "message": "unreachable after it had been seen: connection timed out"}
    ]


def test_a_refused_removal_stands_in_the_record():
    refused = [{"rule": "apps/wechat", "subject": "wechat", "reason": "it would take desktop-base with it"}]
    record = one(
        "enforce", ("answered", BAD), ("changed", "apps", {"actions": [], "refused": refused}), ("answered", BAD)
    )
    assert record["state"] == "noncompliant"
    assert record["errors"] == [
        {
            "control": "apps",
            "message": "apps/wechat: wechat was left as it is: it would take desktop-base with it",
            "refused": "apps/wechat",
        }
    ]


def test_progress_counts_expected_hosts_once():
    collector = Collector(run(["web01", "web02", "web03"], "enforce"))
    collector.answered("web01", BAD)
    collector.answered("web02", GOOD)
    collector.answered("stranger", BAD)
    assert collector.progress() == (2, 1)
    collector.answered("web01", GOOD)
    assert collector.progress() == (2, 0)


def test_hosts_that_say_the_same_share_one_copy():
    collector = Collector(run(["web01", "web02"]))
    records = [collector.answered(host, answer(*no_policy(), wechat(WECHAT, PROCESS))) for host in ("web01", "web02")]
    assert all(mine is yours for mine, yours in zip(records[0]["rules"], records[1]["rules"], strict=True))
    assert collector.expected == {"web01": DIGEST, "web02": DIGEST}
