"""Which things are meant, and what the next enforcing run makes of each once it is restored."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from made_custody import DAY, item, plan, request
from proscribe.controller.custody.request import Wrong
from proscribe.controller.custody.restore_effect import outlook
from proscribe.controller.custody.selection import choose

NOW = datetime.datetime(2026, 11, 26, 8, tzinfo=datetime.timezone.utc)
PLAN = plan(wechat="enforce", telegram="enforce", signal="enforce")
LISTED = {
    "web02": [item("wechat-00000001")],
    "web01": [
        item("wechat-00000002", owner="bob", taken_at=DAY.format(5)),
        item("telegram-00000003", group="telegram-00000003", path="/home/alice/T/a"),
        item("telegram-00000004", group="telegram-00000003", path="/home/alice/T/b"),
        item("signal-00000005", services=["signal", "wechat"], taken_at="2099-01-01T00:00:00Z"),
        item("signal-00000006", taken_at="yesterday"),
    ],
}


@pytest.mark.parametrize(
    ("selectors", "chosen"),
    [
        ({}, ["web01 3", "web01 4", "web01 2", "web01 5", "web01 6", "web02 1"]),
        ({"users": ["bob"]}, ["web01 2"]),
        ({"users": ["bob", "alice"], "services": ["telegram"]}, ["web01 3", "web01 4"]),
        ({"services": ["wechat"]}, ["web01 2", "web01 5", "web02 1"]),
        ({"services": ["wechat", "telegram"], "users": ["bob"]}, ["web01 2"]),
        ({"ids": ["wechat-00000001", "wechat-00000002"]}, ["web01 2", "web02 1"]),
        ({"ids": ["telegram-00000004"]}, ["web01 3", "web01 4"]),  # the parts of one thing go together
        ({"ids": ["telegram-00000003"]}, ["web01 3", "web01 4"]),
        ({"older_than": 3 * 86400}, ["web01 3", "web01 4", "web02 1"]),
        ({"older_than": 6 * 86400}, ["web01 3", "web01 4", "web02 1"]),  # to the second
        ({"older_than": 6 * 86400 + 1}, []),
        ({"older_than": 1}, ["web01 3", "web01 4", "web01 2", "web02 1"]),  # none whose time cannot be
        ({"older_than": 60 * 86400}, []),
        ({"users": ["bob"], "services": ["telegram"]}, []),
    ],
)
def test_what_is_meant(selectors: dict[str, Any], chosen: list[str]) -> None:
    rows = choose(request(**selectors), LISTED, 0, lambda host: PLAN, {}, NOW)
    assert [f"{row.host} {row.item['id'][-1]}" for row in rows] == chosen


def test_the_row_of_an_item_has_these_keys() -> None:
    """Scripts read this list, and it reports `owner` once, as `user`."""
    (row,) = choose(
        request(), {"web01": [item(kept_until="")]}, 0, lambda host: plan(keep=86400, wechat="audit"), {}, NOW
    )
    assert row.as_dict() == {
        "host": "web01",
        "id": "wechat-00000001",
        "group": "",
        "services": ["wechat"],
        "bytes": 5000,
        "finished": True,
        "path": "/home/alice/WeChat.AppImage",
        "kind": "appimage",
        "taken_at": DAY.format(0),
        "user": "alice",
        "kept_until": "2026-11-21T08:00:00Z",
        "next_run": {
            "state": "left",
            "waiver": None,
            "why": "wechat is only audited there: the next run reports it noncompliant",
        },
    }
    waived = plan(wechat={"mode": "waived", "waiver": "w1"})
    (row,) = choose(request(), {"web01": [item()]}, 0, lambda host: waived, {"w1": "2027"}, NOW)
    row_dict = row.as_dict()
    assert (row_dict["kept_until"], row_dict["next_run"]["waiver"]) == ("2027-02-18T08:00:00Z", "w1")


def test_parts_have_the_name_of_the_first_of_them_although_that_one_is_gone() -> None:
    listed = {"a": [item("x-00000002", group="x-00000001"), item("x-00000003", group="x-00000001")]}
    rows = choose(request(ids=["x-00000001"]), listed, 0, lambda host: plan(x="enforce"), {}, NOW)
    assert [row.item["id"] for row in rows] == ["x-00000002", "x-00000003"]


@pytest.mark.parametrize(("answered", "silent", "where"), [
    (1, 0, "the 1 host that answered"), (0, 2, "the 0 hosts that answered (2 did not)"),
    (1200, 1100, "the 1,200 hosts that answered (1,100 did not)"),
])  # fmt: skip
def test_a_mistake_says_of_how_many_hosts_that_is_known(answered: int, silent: int, where: str) -> None:
    listed: dict[str, list[Any]] = {f"h{number}": [] for number in range(answered)}
    with pytest.raises(Wrong) as wrong:
        choose(request(users=["zoe"]), listed, silent, lambda host: {"controls": {}}, {}, NOW)
    expected = f"--user: found 'zoe', expected a user with an item in a quarantine of {where}"
    assert wrong.value.mistakes == (expected,)


NO_WAIVER = "no waiver covers wechat there"
W1 = "covered by waiver w1 (until 2027-01-01T00:00:00Z)"
AUDITED = "wechat is only audited there: the next run reports it noncompliant"
SOME = {"mode": "enforce", "only": {"posix_groups": ["x", "y"]}}
W_1, W_9 = {"mode": "waived", "waiver": "w1"}, {"mode": "waived", "waiver": "w9"}
PARTLY = {"mode": "enforce", "exceptions": [{"waiver": "w1", "users": ["alice"]}]}


@pytest.mark.parametrize(
    ("of", "thing", "state", "why"),
    [
        (plan(wechat="enforce"), {}, "taken", NO_WAIVER),
        (plan(wechat={"mode": "waived", "waiver": "w1"}), {}, "waived", W1),
        (plan(wechat={"mode": "waived", "waiver": "w9"}), {}, "waived", "covered by waiver w9 (until its end)"),
        (plan(wechat=PARTLY), {}, "waived", W1),
        (plan(wechat=PARTLY), {"place_of": "bob"}, "taken", NO_WAIVER),
        (plan(wechat=PARTLY), {"place_of": ""}, "taken", NO_WAIVER),
        (plan(wechat=PARTLY), {"owner": "alice", "place_of": "bob"}, "taken", NO_WAIVER),
        (plan(wechat={"mode": "enforce", "exceptions": [{"waiver": "w1", "versions": ["1"]}]}), {}, "taken", NO_WAIVER),
        (
            plan(wechat={"mode": "enforce", "exceptions": [{"waiver": "w1", "paths": ["/home/alice/T"]}]}),
            {"path": "/home/alice/T/a", "whole": "/home/alice/T"},
            "waived",
            W1,
        ),
        # the members are known to the host alone
        (plan(wechat=SOME), {"place_of": "bob"}, "taken", NO_WAIVER),
        (plan(wechat=SOME), {"place_of": ""}, "left", "wechat is restricted there for the members of x, y only"),
        (plan("audit", wechat="enforce"), {}, "left", AUDITED),
        (plan(wechat="audit"), {}, "left", AUDITED),
        (plan(wechat="report"), {}, "left", "wechat is only reported there"),
        (
            plan(wechat={"mode": "upcoming", "effective_from": "2027-01-01"}),
            {},
            "left",
            "wechat is banned there from 2027-01-01 on, and taken then",
        ),
        (plan(telegram="enforce"), {}, "left", "wechat is not restricted there"),
        ({"controls": {}}, {}, "left", "the control apps is off there"),
        (
            plan(wechat={"mode": "waived", "waiver": "w1"}, signal="enforce"),
            {"services": ["wechat", "signal"]},
            "taken",
            "no waiver covers signal there",
        ),
        (plan(wechat={"mode": "waived", "waiver": "w1"}), {"services": ["wechat", "signal"]}, "waived", W1),
        (plan(), {"services": []}, "taken", "it is not known for which service it was taken"),
        (plan(wechat=W_1, signal=W_1), {"services": ["wechat", "signal"]}, "waived", W1),
        (plan(wechat=W_1, signal=W_9), {"services": ["wechat", "signal"]}, "waived", f"{W1}, w9 (until its end)"),
        (plan(wechat="report", signal=W_1), {"services": ["wechat", "signal"]}, "waived", W1),
        (
            plan(wechat="audit", signal="report"),
            {"services": ["wechat", "signal", "line"]},
            "left",
            f"{AUDITED}; signal is only reported there; line is not restricted there",
        ),
        (plan("audit", wechat=W_1), {}, "waived", W1),
    ],
)
def test_the_next_enforcing_run_is_never_said_to_be_milder_than_the_plan(
    of: dict[str, Any], thing: dict[str, Any], state: str, why: str
) -> None:
    found = outlook(of, item(**thing), {"w1": "2027-01-01T00:00:00Z"})
    assert (found.state, found.why) == (state, why)
    assert found.waiver == (why.split()[3] if state == "waived" else "")
