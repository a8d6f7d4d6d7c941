"""What a waiver says of itself: from when until when, of what part of a service; and the answers in a plan."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest
from proscribe.controller.compile.waivers.request_answers import with_answers
from proscribe.controller.compile.waivers.waiver import NARROWER, Waiver
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


def test_what_is_granted_counts_before_what_was_refused_and_that_before_what_has_ended() -> None:
    one, refused = waiver(request="r1", services=("crow",)), {"r1": {"answer": "refused"}}
    assert answers(refused=refused, over=(one,)) == refused
    assert answers(one, refused=refused, over=(one,))["r1"]["answer"] == "granted"
    assert with_answers(BODY, {}, [], []) is BODY
    assert with_answers(BODY, refused, [])["controls"] is BODY["controls"]
