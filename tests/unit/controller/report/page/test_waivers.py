"""The waivers on the page: which comes first, what its head says, and all that is known of it behind it."""

from __future__ import annotations

from typing import Any

from proscribe.controller.report.page.waivers import waivers

FINISHED = "2026-11-25T00:31:00Z"
SHORT: Any = {"id": "press", "status": "active", "expires": "2026-12-01T10:00:00Z"}
EVERYTHING = {
    **SHORT,
    "waives": True,
    "days_left": 6,
    "extra_key": {"a": True, "b": ["x", False], "c": None},
    "file": "press.yml",
    "request": "0123",
    "ticket": "BAN-1",
    "compensating_controls": "logs",
    "risk": "low",
    "revoked": {"on": "2026-11-30T10:00:00Z", "by": "bo"},
    "review_by": "2026-11-26",
    "valid_from": "2026-11-01T00:00:00Z",
    "signed_with": "SHA256:abc",
    "signed_by": "mei",
    "approved_on": "2026-10-31T08:00:00Z",
    "approved_by": "mei.chan",
    "requested_on": "2026-10-30T08:00:00Z",
    "requested_by": "alice",
    "hours": ["08:00-18:00"],
    "paths": ["/opt/x"],
    "versions": ["4.0", "4.1"],
    "posix_groups": ["press"],
    "users": ["alice"],
    "zones": ["lab"],
    "groups": ["press"],
    "hosts": [f"web{number}" for number in range(7)],
    "controls": ["apps"],
    "services": ["wechat", "line", "zoom", "x", "tim", "qq", "parrot"],
    "reason": "answers readers",
    "why": "",
}


def test_all_that_is_known_of_a_waiver_in_the_order_in_which_one_asks() -> None:
    (panel,) = waivers([EVERYTHING], FINISHED)  # type: ignore[list-item]
    assert panel._replace(facts=()) == (
        "press",
        "waived",
        "active",
        True,
        "wechat, line, zoom, x, tim, qq and 1 more on web0, web1, web2, web3, web4, web5 and 1 more",
        "2026-11-30 10:00 UTC",
        "5 days left",
        (),
    )
    assert panel.facts == [
        ("Reason", "answers readers"),
        ("Services", "wechat, line, zoom, x, tim, qq, parrot"),
        ("Controls", "apps"),
        ("Hosts of this run", "7 hosts: web0, web1, web2, web3, web4, web5, web6"),
        ("Groups", "press"),
        ("Network zones", "lab"),
        ("Users only", "alice"),
        ("Members of these groups only", "press"),
        ("Versions only", "4.0, 4.1"),
        ("Paths only", "/opt/x"),
        ("Hours only", "08:00-18:00"),
        ("Requested by", "alice"),
        ("Requested on", "2026-10-30 08:00 UTC"),
        ("Approved by", "mei.chan"),
        ("Approved on", "2026-10-31 08:00 UTC"),
        ("Signed by", "mei"),
        ("Signed with", "SHA256:abc"),
        ("Valid from", "2026-11-01 00:00 UTC"),
        ("Expires", "2026-12-01 10:00 UTC"),
        ("Review by", "2026-11-26"),
        ("Revoked", "on: 2026-11-30 10:00 UTC; by: bo"),
        ("Risk", "low"),
        ("Compensating controls", "logs"),
        ("Ticket", "BAN-1"),
        ("Request", "0123"),
        ("File", "press.yml"),
        ("Extra key", "a: yes; b: x, no; c: "),
    ]


def test_few_hosts_are_not_counted_and_many_have_an_end() -> None:
    for number, said in ((6, "h, h, h, h, h, h"), (1001, f"1,001 hosts: {', '.join('h' * 1000)} and 1 more")):
        (panel,) = waivers([{**SHORT, "hosts": ["h"] * number}], FINISHED)
        assert panel.facts[0] == ("Hosts of this run", said)
    (panel,) = waivers([SHORT], FINISHED)
    assert panel.scope == "nothing on no host of this run"


def test_what_should_waive_and_does_not_comes_first_and_then_by_its_end() -> None:
    found: Any = [
        {**SHORT, "id": "revoked", "status": "revoked"},
        {**SHORT, "id": "b"},
        {**SHORT, "id": "a"},
        {**SHORT, "id": "z", "expires": "2026-11-30T10:00:00Z"},
        {**SHORT, "id": "overdue", "review_overdue": True},
        {**SHORT, "id": "unsigned", "status": "unsigned"},
    ]
    assert [one.id for one in waivers(found, FINISHED)] == ["unsigned", "overdue", "z", "a", "b", "revoked"]
