"""What users are notified of, when, and how often: of waivers that open and end, and of requests that were refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_host import MadeHost
from proscribe.base.moments import seconds
from proscribe.host.controls.apps.requests import notifications
from proscribe.host.controls.apps.requests.notifications import DAY, deliver, due
from proscribe.host.system import ControlError

PLACE = "/var/lib/proscribe/notified.json"
END = "2026-12-10T00:00:00Z"
AT_END = seconds(END)
WAIVER = {"services": ["owl"], "users": ["ann"], "expires": END}
REFUSED = {"answer": "refused", "service": "owl", "user": "ann", "why": "use the desk"}
GRANTED = {"answer": "granted", "service": "owl", "user": "bob", "waiver": "w2", "until": END, "limits": "apps alone"}


class Here:
    """A host with users who are logged in."""

    def __init__(self, host: MadeHost, patch: pytest.MonkeyPatch) -> None:
        self.host, self.present = host, ["ann", "bob"]
        patch.setattr(notifications, "logged_in", lambda _: self.present)

    def due(self, before_end: float = 10 * DAY, **plan: Any) -> list[tuple[str, str]]:
        """Who is notified of what, so many seconds before the end."""
        self.found = due(self.host, plan, AT_END - before_end)  # type: ignore[arg-type]
        return [(user, about["about"]) for user, _, about in self.found]

    @property
    def texts(self) -> list[str]:
        return [text for _, text, _ in self.found]


@pytest.fixture
def here(host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> Here:
    return Here(host, monkeypatch)


MORE = ' To request an exception: proscribe-request owl "reason"'
UNTIL = "2026-12-10 00:00:00 UTC"


@pytest.mark.parametrize(
    ("left", "step"),
    [
        (7 * DAY + 1, "opened"),
        (7 * DAY, "7 days"),
        (DAY + 1, "7 days"),
        (DAY, "1 day"),
        (1, "1 day"),
        (0, "ended"),
        (-DAY, "ended"),
    ],
)
def test_each_step_is_reported_once_to_those_who_know_of_the_waiver(here: Here, left: float, step: str) -> None:
    waivers = {"w1": WAIVER}
    assert here.due(waivers=waivers) == [("ann", "opened: owl")]
    assert here.due(left, waivers=waivers) == ([("ann", f"{step}: owl")] if step != "opened" else [])
    assert here.due(left, waivers=waivers) == []


def test_what_is_said_at_each_step(here: Here) -> None:
    said = []
    for left in (10 * DAY, 7 * DAY, DAY, 0):
        here.due(left, waivers={"w1": WAIVER})
        said += here.texts
    assert said == [
        f"You may use owl on this host until {UNTIL} (exception w1).",
        *[f"The exception for owl on this host ends on {UNTIL}.{MORE}"] * 2,
        f"The exception for owl on this host has ended.{MORE}",
    ]
    assert here.found[0][2] == {"user": "ann", "waiver": "w1", "about": "ended: owl"}


def test_who_never_knew_need_not_know_that_it_ended(here: Here) -> None:
    assert here.due(0, waivers={"w1": WAIVER}) == []
    here.present = ["bob"]
    assert here.due(waivers={"w3": {**WAIVER, "users": ["ann", "bob"]}}) == [("bob", "opened: owl")]
    here.present = ["ann", "bob"]
    assert here.due(0, waivers={"w3": {**WAIVER, "users": ["ann", "bob"]}}) == [("bob", "ended: owl")]


@pytest.mark.parametrize(
    ("users", "more", "notified"),
    [
        (["bob"], {}, ["bob"]),
        ([], {}, ["ann", "bob"]),
        ([], {"posix_groups": ["press"]}, []),
        (["ann"], {"posix_groups": ["press"]}, ["ann"]),
        (["cat"], {}, []),
    ],
)
def test_who_is_notified(here: Here, users: list[str], more: dict[str, Any], notified: list[str]) -> None:
    found = here.due(waivers={"w1": {**WAIVER, "users": users, **more}})
    assert [user for user, _ in found] == notified


@pytest.mark.parametrize(
    ("services", "named", "hinted"),
    [(["a"], "a", "a"), (["a", "b", "c"], "a, b, c", "SERVICE"), ([*"abcde"], "a, b, c and 2 more", "SERVICE")],
)
def test_services_are_named_as_far_as_a_line_has_room(here: Here, services: list[str], named: str, hinted: str) -> None:
    assert here.due(DAY, waivers={"w1": {**WAIVER, "services": services}}) == [("ann", f"1 day: {named}")]
    assert f"for {named} on" in here.texts[0] and f"proscribe-request {hinted} " in here.texts[0]


def test_a_waiver_that_is_prolonged_opens_again(here: Here) -> None:
    here.due(DAY, waivers={"w1": WAIVER})
    later = {**WAIVER, "expires": "2027-01-10T00:00:00Z"}
    assert here.due(DAY, waivers={"w1": later}) == [("ann", "opened: owl")]
    assert here.due(0, waivers={"w1": later}) == []


def test_a_waiver_that_is_revoked_has_ended_and_is_forgotten_later(here: Here) -> None:
    here.due(waivers={"w1": WAIVER})
    assert here.due(9 * DAY) == [("ann", "ended: owl")] and here.due(9 * DAY) == []
    known = json.loads(here.host.text(PLACE) or "")
    assert known == {
        "waiver w1": {
            "waiver": "w1",
            "services": ["owl"],
            "users": ["ann"],
            "expires": "2026-12-01T00:00:00Z",
            "why": "",
            "notified": {"ann": "ended"},
        }
    }
    here.due(9 * DAY - 14 * DAY + 1)
    assert here.host.stat(PLACE)
    here.due(9 * DAY - 14 * DAY)
    assert here.host.stat(PLACE) is None


def test_a_request_that_was_refused_and_one_that_was_granted(here: Here) -> None:
    answers = {"f0": REFUSED, "a1": GRANTED, "b2": {**GRANTED, "answer": "ended"}}
    assert here.due(answers=answers) == [("ann", "refused: owl"), ("bob", "opened: owl")]
    assert here.texts == [
        "Your request for owl was refused: use the desk",
        f"Exception w2 for owl on this host until {UNTIL}: apps alone.",
    ]
    assert [about["waiver"] for *_, about in here.found] == ["", "w2"]
    assert here.due(answers=answers) == []
    assert here.due(9 * DAY) == [("bob", "ended: owl")], "a plan without the answer; the refusal is known still"
    assert here.due(8 * DAY, answers={"f0": REFUSED}) == []


def test_a_plan_that_names_the_waiver_says_more_than_the_answer(here: Here) -> None:
    assert here.due(answers={"a1": GRANTED}, waivers={"w2": WAIVER}) == [("ann", "opened: owl")]
    assert "limits" not in json.loads(here.host.text(PLACE) or "")["waiver w2"]


def test_an_answer_without_limits(here: Here) -> None:
    plain = {key: value for key, value in GRANTED.items() if key != "limits"}
    assert here.due(answers={"a1": plain}) == [("bob", "opened: owl")]
    assert here.texts == [f"You may use owl on this host until {UNTIL} (exception w2)."]


def test_the_memory_is_roots_alone_and_written_where_something_is_new(here: Here) -> None:
    here.due(waivers={"w1": WAIVER})
    place = Path(here.host.root + PLACE)
    seen = place.stat()
    assert seen.st_mode & 0o777 == 0o600 and place.read_text().startswith('{\n "waiver w1": {\n  "expires"')
    here.due(waivers={"w1": WAIVER})
    assert place.stat().st_ino == seen.st_ino


@pytest.mark.parametrize(
    "damaged", ["{", "[]", "5", '{"waiver w1": 5}', '{"waiver w1": {"waiver": "w1"}}', "\xff"], ids=str.encode
)
def test_of_a_damaged_memory_nothing_is_known(here: Here, damaged: str) -> None:
    here.due(waivers={"w1": WAIVER})
    Path(here.host.root + PLACE).write_text(damaged)
    assert here.due(waivers={"w1": WAIVER}) == [("ann", "opened: owl")]


@pytest.mark.parametrize("lost", ["waiver", "services", "users", "expires", "why", "notified"])
def test_of_what_is_remembered_in_part_nothing_is_known(here: Here, lost: str) -> None:
    here.due(waivers={"w0": WAIVER})
    known = json.loads(here.host.text(PLACE) or "")
    del known["waiver w0"][lost]
    Path(here.host.root + PLACE).write_text(json.dumps(known))
    assert here.due(waivers={"w1": WAIVER}) == [("ann", "opened: owl")]
    assert list(json.loads(here.host.text(PLACE) or "")) == ["waiver w1"]


def test_so_many_are_remembered(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "MOST", 2)
    many = {f"w{number}": {**WAIVER, "users": []} for number in range(4)}
    here.present = ["ann", "bob", "cat"]
    assert len(here.due(waivers=many)) == 6
    assert list(json.loads(here.host.text(PLACE) or "")) == ["waiver w0", "waiver w1"]


def test_of_requests_that_earlier_plans_refused_so_many_are_remembered(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "MOST", 2)
    for number in range(7):
        assert here.due(answers={f"f{number}": REFUSED}) == [("ann", "refused: owl")]
    assert list(json.loads(here.host.text(PLACE) or "")) == [f"request f{number}" for number in range(3, 7)]


def test_a_waiver_for_groups_that_are_not_here_hides_no_other(here: Here) -> None:
    waivers = {"w1": {**WAIVER, "users": [], "posix_groups": ["press"]}, "w2": WAIVER}
    assert here.due(waivers=waivers) == [("ann", "opened: owl")]


def test_of_a_memory_that_cannot_be_read_nothing_is_known(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise ControlError("a link")

    here.due(waivers={"w1": WAIVER})
    monkeypatch.setattr(here.host, "read", refused)
    assert here.due(waivers={"w1": WAIVER}) == [("ann", "opened: owl")]


def test_each_is_shown_to_its_user_and_to_nobody_whom_this_host_does_not_know(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(notifications, "notify", lambda *what: shown.append(what))
    monkeypatch.setattr(host, "user_id", {"root": 0, "ann": 7}.get)
    deliver(host, [("ann", "a", {}), ("gone", "b", {}), ("root", "c", {})])
    assert shown == [(host, "a", 7), (host, "c", 0)]


@pytest.mark.parametrize("watch", [False, True])
def test_a_host_with_a_watch_is_notified_by_that(here: Here, monkeypatch: pytest.MonkeyPatch, watch: bool) -> None:
    shown: list[str] = []
    monkeypatch.setattr(notifications, "notify", lambda host, text, uid: shown.append(text))
    monkeypatch.setattr(here.host, "user_id", lambda name: 7)
    plan: Any = {"answers": {"f0": REFUSED}, **({"watch": {}} if watch else {})}
    notifications.answer(here.host, plan)
    assert len(shown) == (not watch) and here.host.stat("/etc/proscribe/answers.json")
