"""The list of waivers: what each line says of who may do what, and how long it is until somebody has to see to it."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.controller.cli.waiver.listing import lifted_hosts, sentence, soon, table
from proscribe.controller.report.evaluation.lifts import Lift
from proscribe.controller.report.text.wording import left

NOW = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.timezone.utc)
END = NOW + datetime.timedelta(days=36, hours=6)
FILE: dict[str, Any] = {
    "id": "w1",
    "services": ("parrot", "owl"),
    "users": (),
    "posix_groups": (),
    "versions": (),
    "paths": (),
    "hours": (),
    "controls": ("apps", "browser", "firewall", "dns"),
    "ticket": "",
    "requested_by": "alice",
    "approved_by": "head",
    "reason": "Enquiries",
    "starts": NOW,
    "ends": END,
}
WORTH: dict[str, Any] = {"waives": True, "status": "active", "why": "", "hosts": ("h1", "h2"), "review_overdue": False}


def judged(**changes: Any) -> Any:
    """A waiver that waives, but for what differs."""
    waiver = SimpleNamespace(**{**FILE, **{key: value for key, value in changes.items() if key in FILE}})
    worth = SimpleNamespace(**{**WORTH, **{key: value for key, value in changes.items() if key in WORTH}})

    class Judged(tuple[Any, Any]):
        waiver, standing = property(lambda self: self[0]), property(lambda self: self[1])

    return Judged((waiver, worth))


@pytest.mark.parametrize(
    ("now", "end", "remaining"),
    [
        # A waiver for 90 days has 90 left a second later, and still in the evening.
        ("2026-11-25T10:54:33Z", "2027-02-23T10:54:32Z", "90 days left"),
        ("2026-11-26T00:00:00Z", "2027-02-23T10:54:32Z", "89 days left"),
        ("2027-02-22T22:00:00Z", "2027-02-23T10:54:32Z", "12 hours left"),
    ],
)
def test_list_and_report_count_the_same_days(now: str, end: str, remaining: str) -> None:
    at, ends = datetime.datetime.fromisoformat(now), datetime.datetime.fromisoformat(end)
    assert sentence(judged(ends=ends), at).startswith(f"{remaining}, until ")
    of_report = left({"status": "active", "expires": end}, now)  # type: ignore[typeddict-item]
    on_last_day = "ends today" if now[:10] == end[:10] else "ends tomorrow"
    assert of_report == (remaining if "day" in remaining else on_last_day)


@pytest.mark.parametrize(
    ("changes", "days", "due"),
    [
        ({}, 36, False),
        ({}, 37, True),
        ({"ends": NOW + datetime.timedelta(days=36)}, 36, True),
        ({"waives": False, "status": "not_yet_valid"}, 37, True),
        ({"waives": False, "status": "expired"}, 37, False),
        ({"review_overdue": True}, 1, True),
        ({"review_overdue": True, "waives": False, "status": "expired"}, 37, False),
    ],
)
def test_what_somebody_has_to_see_to(changes: dict[str, Any], days: int, due: bool) -> None:
    assert soon(judged(**changes), NOW, datetime.timedelta(days=days)) is due


WRONG = {"waives": False, "status": "bad_signature"}


def test_a_line_has_a_name_a_word_and_the_sentence() -> None:
    active, wrong = judged(), judged(id="press-\x1b[2J", **WRONG)
    lines = table([wrong, active], NOW, 400, False).splitlines()[2:]
    assert [line.split(maxsplit=2)[1:] for line in lines] == [
        ["bad", f"signature  {sentence(wrong, NOW)}"],
        ["active", f"        {sentence(active, NOW)}".lstrip()],
    ]
    assert "\x1b" not in "".join(lines)
    coloured = table([wrong, active], NOW, 400, True).splitlines()[2:]
    assert "\x1b[31mbad signature" in coloured[0] and "\x1b[32mactive" in coloured[1]
    narrow = table([active], NOW, 60, False).splitlines()
    assert max(map(len, narrow)) <= 60 and len(narrow) > 4


def test_a_waiver_has_nothing_to_waive_where_the_ban_of_its_controls_is_lifted() -> None:
    lift = Lift("2026-11-25T08:00:00Z", "20261125T075900Z-lift-0001")
    lifts = {
        "h1": dict.fromkeys(("apps", "browser", "firewall", "dns"), lift),
        "h2": {"dns": lift},
        "h3": {"dns": lift},
    }
    said = ". It has nothing to waive on {}, where the ban is lifted"
    by = " (lifted 2026-11-25 08:00 UTC by 20261125T075900Z-lift-0001)"
    for controls, hosts, where in (
        (("apps", "dns"), ["h1", "h2"], said.format("h1, h2")),
        (("apps",), ["h1"], said.format("h1") + by),
        (("browser",), [], "Enquiries"),
    ):
        waiver = judged(controls=controls, hosts=("h1", "h2") if hosts else ("h2",))
        assert lifted_hosts(waiver, lifts) == hosts
        assert table([waiver], NOW, 500, False, lifts).splitlines()[-1].endswith(where)
