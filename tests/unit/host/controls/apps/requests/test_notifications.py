"""What users are notified of, when, and how often: of waivers that open and end, and of requests that were refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from made_host import MadeHost
from proscribe.base.moments import seconds
from proscribe.host.controls.apps.requests import notifications
from proscribe.host.controls.apps.requests.notifications import DAY, due
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


UNTIL = "2026-12-10 00:00:00 UTC"


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


def test_a_waiver_for_groups_that_are_not_here_hides_no_other(here: Here) -> None:
    waivers = {"w1": {**WAIVER, "users": [], "posix_groups": ["press"]}, "w2": WAIVER}
    assert here.due(waivers=waivers) == [("ann", "opened: owl")]


def test_of_a_memory_that_cannot_be_read_nothing_is_known(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise ControlError("a link")

    here.due(waivers={"w1": WAIVER})
    monkeypatch.setattr(here.host, "read", refused)
    assert here.due(waivers={"w1": WAIVER}) == [("ann", "opened: owl")]


@pytest.mark.parametrize("watch", [False, True])
def test_a_host_with_a_watch_is_notified_by_that(here: Here, monkeypatch: pytest.MonkeyPatch, watch: bool) -> None:
    shown: list[str] = []
    monkeypatch.setattr(notifications, "notify", lambda host, text, uid: shown.append(text))
    monkeypatch.setattr(here.host, "user_id", lambda name: 7)
    plan: Any = {"answers": {"f0": REFUSED}, **({"watch": {}} if watch else {})}
    notifications.answer(here.host, plan)
    assert len(shown) == (not watch) and here.host.stat("/etc/proscribe/answers.json")
