"""What a waiver says of itself: from when until when, of what part of a service; and the answers in a plan."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest
from proscribe.controller.compile.waivers.request_answers import MOST, with_answers
from proscribe.controller.compile.waivers.waiver import NARROWER, Revocation, Waiver
from proscribe.model.plan import CONTROLS


def day(number: int) -> datetime.datetime:
    return datetime.datetime(2026, 11, number, 8, tzinfo=datetime.timezone.utc)


BLANK: dict[str, Any] = {
    field.name: () if "tuple" in str(field.type) else "" for field in dataclasses.fields(Waiver) if field.init
}
BLANK |= {"id": "w1", "services": ("owl", "crow"), "revoked": None, "approved_on": day(2), "valid_from": day(1)}


def waiver(**keys: Any) -> Waiver:
    return Waiver(**{**BLANK, "expires": day(20), **keys})


@pytest.mark.parametrize(
    ("keys", "first", "last"),
    [
        ({}, 2, 20),
        ({"valid_from": day(5)}, 5, 20),
        ({"revoked": Revocation(day(7), "head", "x")}, 2, 7),
        ({"revoked": Revocation(day(27), "head", "x")}, 2, 20),
    ],
)
def test_from_when_until_when(keys: dict[str, Any], first: int, last: int) -> None:
    one = waiver(**keys)
    assert (one.starts, one.ends) == (day(first), day(last))


@pytest.mark.parametrize(
    ("keys", "part"),
    [
        ({}, {}),
        ({"hours": ("daily 09:00-18:00",)}, {}),
        ({"users": ("wong",)}, {"users": ["wong"]}),
        ({"posix_groups": ("staff",)}, {"users": [], "posix_groups": ["staff"]}),
        ({"versions": ("1", "2")}, {"versions": ["1", "2"]}),
        ({"paths": ("/a",), "users": ("wong",), "posix_groups": ("staff",)},
         {"users": ["wong"], "posix_groups": ["staff"], "paths": ["/a"]}),
    ],
)  # fmt: skip
def test_of_what_part_of_a_service(keys: dict[str, Any], part: dict[str, Any]) -> None:
    assert waiver(**keys).partial == part


def test_when_in_a_week() -> None:
    assert waiver().windows == []
    assert waiver(hours=("mon 09:00-18:00",)).windows == [(0, 540, 1080)]


def test_which_controls_can_honour_a_part() -> None:
    """Whatever narrows a waiver, some control honours it, and it is said why the others cannot."""
    users = ("apps", "firewall")
    expected = {"users": users, "posix_groups": users, "versions": ("apps",), "paths": ("apps",)}
    assert {key: controls for key, (controls, _) in NARROWER.items()} == {**expected, "hours": CONTROLS[1:]}
    assert all(why for _, why in NARROWER.values())


BODY: Any = {"controls": {"apps": {"services": {"owl": {"mode": "enforce"}}}, "dns": {"services": {}}}}


def answers(*waivers: Waiver, refused: Any = None, over: tuple[Waiver, ...] = ()) -> dict[str, Any]:
    found: dict[str, Any] = with_answers(BODY, refused or {}, waivers, over).get("answers", {})
    return found


ENDS = "2026-11-20T08:00:00Z"
GRANTED = {"answer": "granted", "user": "", "service": "owl", "waiver": "w1", "until": ENDS}
CLOSED = {"limits": "open: nothing; closed to everybody on this host: programs"}


def test_what_a_host_can_show() -> None:
    assert answers(waiver(request="r1")) == {"r1": {**GRANTED, **CLOSED}}
    assert answers(waiver(request="r1", users=("wong", "chan"))) == {"r1": {**GRANTED, **CLOSED, "user": "wong"}}
    assert answers(waiver(request="r1", services=("crow",))) == {"r1": {**GRANTED, "service": "crow"}}
    assert answers(waiver(request="")) == answers(waiver(request="r1", posix_groups=("staff",))) == {}
    both = waiver(request="r1", posix_groups=("staff",), users=("wong",), services=("crow",))
    assert answers(both) == {"r1": {**GRANTED, "service": "crow", "user": "wong"}}


def test_what_has_ended() -> None:
    ended = {"answer": "ended", "user": "wong", "service": "owl", "waiver": "w1", "on": ENDS}
    assert answers(over=(waiver(request="r1", users=("wong",)),)) == {"r1": ended}
    assert answers(over=(waiver(request="r1"),)) == {"r1": {**ended, "user": ""}}
    many = tuple(waiver(request=f"r{number}") for number in range(MOST + 2))
    assert list(answers(over=many)) == [one.request for one in many[2:]]


def test_what_is_granted_counts_before_what_was_refused_and_that_before_what_has_ended() -> None:
    one, refused = waiver(request="r1", services=("crow",)), {"r1": {"answer": "refused"}}
    assert answers(refused=refused, over=(one,)) == refused
    assert answers(one, refused=refused, over=(one,))["r1"]["answer"] == "granted"
    assert with_answers(BODY, {}, [], []) is BODY
    assert with_answers(BODY, refused, [])["controls"] is BODY["controls"]
